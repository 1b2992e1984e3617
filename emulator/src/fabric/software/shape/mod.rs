//! What a [`Shape`] does to packets, without sockets, clock or threads: a packet is offered with the
//! instant it came, and the verdict says when it leaves.
//!
//! The stages, in their order, each in a file of its own: [`loss`], [`duplicate`], [`corrupt`],
//! [`queue`], [`codel`], [`rate`], [`delay`] and [`reorder`]. As in netem, a lost packet takes no time on the wire and a doubled
//! one takes it twice. Chance is drawn before the queue decides, so that which packets are lost depends
//! on the seed and the packets' order, never on when they came.

pub mod codel;
pub mod corrupt;
pub mod delay;
pub mod dice;
pub mod duplicate;
pub mod loss;
pub mod queue;
pub mod rate;
pub mod reorder;

use std::time::Duration;

use node::clock::Instant;

use self::dice::Dice;
use self::rate::Retiming;
use crate::scenario::network::{Aqm, Direction, Shape};

/// How long a super-frame may occupy the wire without being taken apart: longer, and it would be a
/// lump that delays others by more than anybody would expect of a packet.
const LONGEST_LUMP: Duration = Duration::from_millis(1);

/// A direction's stages.
#[derive(Debug, Clone)]
pub struct Shaper {
    shape: Shape,
    loss: loss::Loss,
    duplicate: duplicate::Duplicate,
    corrupt: corrupt::Corrupt,
    queue: queue::Queue,
    codel: codel::CoDel,
    wire: rate::Transmitter,
    delay: delay::Delay,
    reorder: reorder::Reorder,
}

/// What happens to an offered packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is lost, as the shape wants.
    Lost,
    /// It doesn't fit into the queue.
    Overflowed,
    /// It had to wait so long that the queue is to be kept shorter.
    WaitedTooLong,
    /// It leaves.
    Leaves {
        /// When.
        first: Departure,
        /// When it leaves a second time.
        second: Option<Departure>,
        /// Which bit to flip, modulo how many there are.
        flip: Option<u32>,
    },
}

/// What chance has decided about a packet that isn't lost.
#[derive(Debug, Clone, Copy)]
pub struct Drawn {
    /// How much longer than the constant its delay is, in nanoseconds, and whether it skips the delay.
    first: (f64, bool),
    /// The same for its double.
    second: Option<(f64, bool)>,
    flip: Option<u32>,
}

/// When a packet leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Departure {
    /// When its transmission is through.
    pub through: Instant,
    /// When it arrives at the other end.
    pub due: Instant,
    /// Whether it skips the delay.
    pub overtakes: bool,
}

impl Shaper {
    /// The stages of `direction` in a run with this seed.
    pub fn new(shape: &Shape, seed: u64, direction: Direction) -> Shaper {
        let dice = |stage| Dice::new(seed, direction, stage);
        Shaper {
            loss: loss::Loss::new(dice(0), shape.loss),
            duplicate: duplicate::Duplicate::new(dice(1), shape.duplicate),
            corrupt: corrupt::Corrupt::new(dice(2), shape.corrupt),
            queue: queue::Queue::new(shape.queue_bytes().bytes()),
            codel: codel::CoDel::default(),
            wire: rate::Transmitter::new(shape.rate),
            delay: delay::Delay::new(dice(3), shape),
            reorder: reorder::Reorder::new(dice(4), shape.reorder, shape.reorder_gap),
            shape: shape.clone(),
        }
    }

    /// The shape in force.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Goes on with another shape at `now`; generators stay where they are. The result says what becomes of
    /// packets that have been taken already.
    pub fn set(&mut self, now: Instant, shape: &Shape) -> Retiming {
        self.loss.set(shape.loss);
        self.duplicate.set(shape.duplicate);
        self.corrupt.set(shape.corrupt);
        self.queue = queue::Queue::new(shape.queue_bytes().bytes());
        self.delay.set(shape);
        self.reorder.set(shape.reorder, shape.reorder_gap);
        self.shape = shape.clone();
        self.wire.set(now, shape.rate)
    }

    /// How many packets of `bytes` each may be offered as one.
    pub fn packets_together(&self, bytes: u32) -> u32 {
        let alone = self.loss.is_active()
            || self.duplicate.is_active()
            || self.corrupt.is_active()
            || self.reorder.is_active()
            || self.delay.varies();
        if alone { 1 } else { longest_lump(&self.shape, self.queue.limit(), bytes) }
    }

    /// Whether packets must wait in front of the shaper, since what happens to one is decided only when its turn comes.
    pub fn decides_late(&self) -> bool {
        self.shape.aqm == Aqm::Codel
    }

    /// Whether a packet that came at `since` is dropped now that its turn comes, `left` bytes waiting behind it.
    pub fn drops_late(&mut self, now: Instant, since: Instant, left: u64) -> bool {
        self.decides_late() && self.codel.drops(now, since, left)
    }

    /// When all that it has taken is through.
    pub fn free_at(&self) -> Instant {
        self.wire.free_at()
    }

    /// Whether so many more bytes may wait behind so many.
    pub fn admits(&self, waiting: u64, bytes: u32) -> bool {
        self.queue.admits(waiting, bytes)
    }

    /// Offers one packet (or some together, see [`Shaper::packets_together`]) of `bytes` on the wire that
    /// came at `now`, no earlier than the one before.
    pub fn offer(&mut self, now: Instant, bytes: u32) -> Verdict {
        self.draw().map_or(Verdict::Lost, |drawn| self.transmit(now, bytes, drawn))
    }

    /// What chance decides about the next packet; `None`: it is lost.
    pub fn draw(&mut self) -> Option<Drawn> {
        if self.loss.takes() {
            return None;
        }
        let doubled = self.duplicate.doubles();
        let flip = self.corrupt.strikes();
        let first = (self.delay.draw(), self.reorder.skips_delay());
        let second = doubled.then(|| (self.delay.draw(), self.reorder.skips_delay()));
        Some(Drawn { first, second, flip })
    }

    /// Transmits a packet about which chance has decided, no earlier than `now`.
    pub fn transmit(&mut self, now: Instant, bytes: u32, Drawn { first, second, flip }: Drawn) -> Verdict {
        match self.depart(now, bytes, first) {
            None => Verdict::Overflowed,
            Some(first) => {
                let second = second.and_then(|drawn| self.depart(now, bytes, drawn));
                Verdict::Leaves { first, second, flip }
            }
        }
    }

    fn depart(&mut self, now: Instant, bytes: u32, (more, overtakes): (f64, bool)) -> Option<Departure> {
        if !self.queue.admits(self.wire.backlog(now), bytes) {
            return None;
        }
        let through = self.wire.transmit(now, bytes);
        let due = if overtakes { through } else { self.delay.arrival(through, more) };
        Some(Departure { through, due, overtakes })
    }
}

/// How many packets of `bytes` each may pass a rate and a queue as one without anybody noticing: what is
/// transmitted within a millisecond and is small beside the queue, but at least one.
pub fn longest_lump(shape: &Shape, queue: u64, bytes: u32) -> u32 {
    let Some(rate) = shape.rate else { return u32::MAX };
    let most = rate.amount_in(LONGEST_LUMP).bytes().min(queue / 8);
    u32::try_from(most / u64::from(bytes.max(1))).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod theory;
