//! What leaves when.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use node::clock::Instant;

use super::pool::FrameId;
use super::shape::rate::Retiming;

/// Packets of one frame that leave together.
#[derive(Debug, Clone, Copy)]
pub struct Leaving {
    /// When they are to arrive.
    pub due: Instant,
    /// When their transmission is through.
    pub through: Instant,
    /// Whether it skips the delay, and so overtakes others.
    pub overtakes: bool,
    /// The frame.
    pub frame: FrameId,
    /// The direction, as the forwarder counts them.
    pub path: u32,
    /// The first of the frame's packets.
    pub first: u16,
    /// How many of them.
    pub count: u16,
}

struct Entry {
    // Among equals, first come, first served.
    order: u64,
    leaving: Leaving,
}

impl Entry {
    fn key(&self) -> (Instant, u64) {
        (self.leaving.due, self.order)
    }
}

/// Everything under way, the next to leave on top; of fixed size.
pub struct Schedule {
    heap: BinaryHeap<Entry>,
    room: usize,
    arrived: u64,
}

impl Schedule {
    /// One with room for so many.
    pub fn new(room: usize) -> Schedule {
        Schedule { heap: BinaryHeap::with_capacity(room), room, arrived: 0 }
    }

    /// Adds one; `false` if there is no room.
    pub fn add(&mut self, leaving: Leaving) -> bool {
        let fits = self.heap.len() < self.room;
        if fits {
            self.arrived += 1;
            self.heap.push(Entry { order: self.arrived, leaving });
        }
        fits
    }

    /// When the next one leaves.
    pub fn next_due(&self) -> Option<Instant> {
        self.heap.peek().map(|entry| entry.leaving.due)
    }

    /// Takes out the next one if it is due.
    pub fn pop_due(&mut self, now: Instant) -> Option<Leaving> {
        if self.next_due()? > now {
            return None;
        }
        self.heap.pop().map(|entry| entry.leaving)
    }

    /// Parts from what leaves on the paths that `goes` names, keeping its order; `carry` says where its frames are from now on.
    pub fn split(&mut self, goes: impl Fn(u32) -> bool, mut carry: impl FnMut(FrameId) -> FrameId) -> Schedule {
        let mut entries = std::mem::take(&mut self.heap).into_vec();
        let mut gone = Vec::with_capacity(self.room);
        gone.extend(entries.extract_if(.., |entry| goes(entry.leaving.path)));
        gone.iter_mut().for_each(|entry| entry.leaving.frame = carry(entry.leaving.frame));
        self.heap = BinaryHeap::from(entries);
        Schedule { heap: BinaryHeap::from(gone), ..*self }
    }

    /// Moves whatever waits for the rate of a path whose rate has changed, keeping its order. Works in place.
    pub fn retime(&mut self, path: u32, retiming: Retiming) {
        if retiming.is_none() {
            return;
        }
        let mut entries = std::mem::take(&mut self.heap).into_vec();
        entries.sort_unstable_by_key(|entry| entry.order);
        let mut latest = Instant(0);
        for Entry { leaving, .. } in entries.iter_mut().filter(|entry| entry.leaving.path == path) {
            let through = retiming.apply(leaving.through);
            leaving.due = through + leaving.due.since(leaving.through);
            leaving.through = through;
            if !leaving.overtakes {
                latest = latest.max(leaving.due);
                leaving.due = latest;
            }
        }
        self.heap = BinaryHeap::from(entries);
    }
}

// Reversed, as the heap has its greatest on top.
impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> Ordering {
        other.key().cmp(&self.key())
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use planner::units::Rate;

    use super::*;
    use crate::fabric::software::frame::Layout;
    use crate::fabric::software::pool::Pool;
    use crate::fabric::software::shape::{Shaper, Verdict};
    use crate::scenario::network::{Direction, Shape};

    #[test]
    fn what_is_due_first_leaves_first_and_what_came_first_among_equals() {
        let frame = Pool::new(4096).store(&[0], Layout::default()).expect("room for a byte");
        let mut schedule = Schedule::new(3);
        for (n, due) in [30, 10, 10, 20].into_iter().enumerate() {
            let (due, through) = (Instant(due), Instant(0));
            let added =
                schedule.add(Leaving { due, through, overtakes: false, frame, path: n as u32, first: 0, count: 1 });
            assert_eq!(added, n < 3);
        }
        assert!(schedule.pop_due(Instant(9)).is_none());
        let order: Vec<u32> =
            std::iter::from_fn(|| schedule.pop_due(Instant(40))).map(|leaving| leaving.path).collect();
        assert_eq!(order, [1, 2, 0]);
    }

    #[test]
    fn a_faster_rate_frees_what_waits_in_its_order() {
        let frame = Pool::new(4096).store(&[0], Layout::default()).expect("room for a byte");
        let slow = Shape {
            rate: Some(Rate::from_mbits_per_second(1.0)),
            delay: Duration::from_millis(5),
            jitter: Duration::from_millis(4),
            ..Shape::default()
        };
        let mut shaper = Shaper::new(&slow, 3, Direction { from: 0, to: 1 });
        let mut schedule = Schedule::new(100);
        for n in 0..16 {
            let Verdict::Leaves { first, .. } = shaper.offer(Instant(0), 1250) else {
                panic!("the queue has room for 16")
            };
            schedule.add(Leaving {
                due: first.due,
                through: first.through,
                overtakes: false,
                frame,
                path: 0,
                first: n,
                count: 1,
            });
        }
        let fast = Shape { rate: Some(Rate::from_mbits_per_second(1000.0)), ..slow };
        let retiming = shaper.set(Instant(20_000_000), &fast);
        schedule.retime(0, retiming);
        let order: Vec<u16> = std::iter::from_fn(|| schedule.pop_due(Instant(50_000_000))).map(|l| l.first).collect();
        assert_eq!(order, (0..16).collect::<Vec<u16>>());
    }
}
