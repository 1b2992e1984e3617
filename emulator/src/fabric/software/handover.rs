//! Handing a part of a thread's work over to another thread, when the load asks for it.
//!
//! What is handed over are ports, with everything that begins at them: the directions with their shapers (dice go on where they are),
//! the air that they share, and the packets under way. Both threads go on from the same state, so that nothing is lost, doubled or
//! overtaken by it. What still waits in a port's socket is read by the other thread. (What was sent on one processor a moment before, the
//! kernel may deliver after what is sent on another, as when a thread moves between processors.)
//!
//! Ports that share an air stay together, and a direction is never forwarded by two threads: packets of one sender, or through one air,
//! are one thread's work at most. Nothing is ever handed back: an idle thread costs nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, mpsc};

use super::air::Air;
use super::flight::Flight;
use super::forwarder::{Forwarder, Port, Share};
use super::pool::{FrameId, Pool};
use super::wait::Waiter;

/// What a frame costs besides its bytes, and each piece into which it is cut, counted in bytes: 5 µs, when 64 KiB take 17 µs more.
const EACH: u64 = 16 << 10;
/// Less than this part of the work is not worth a thread.
const LEAST_PART: u64 = 8;

/// How much work a frame of so many bytes was that left in so many pieces, in no unit.
pub fn work(bytes: usize, pieces: u16) -> u64 {
    bytes as u64 + u64::from(pieces.max(1)) * EACH
}

/// Starts another thread, if there may be one and there is something that it could do, and hands about half of the work over to it.
/// Where no thread can be had, everything stays as it is. Returns whether it has handed anything over.
///
/// # Errors
/// When the kernel refuses to let a socket go.
pub fn hand_over(share: &mut Share, waiter: &Waiter) -> io::Result<bool> {
    let leaving = half(&share.ports);
    if leaving.is_empty() {
        return Ok(false);
    }
    let (give, take) = mpsc::channel();
    let started = share.flight.shared.start(move |bell| match take.recv() {
        Ok(share) => Forwarder::run(share, bell),
        // Who wanted to hand over has ended, and with it all others.
        Err(mpsc::RecvError) => Ok(()),
    });
    // It does without from now on: the place is taken.
    if !started.unwrap_or(false) {
        return Ok(false);
    }
    let mut ports: Vec<Option<Port>> = share.ports.iter().map(|_| None).collect();
    let mut paths = Vec::new();
    for number in leaving {
        if let Some(port) = share.ports[number].take() {
            waiter.remove(port.socket.as_ref())?;
            paths.extend(port.destinations.iter().map(|(_, path)| *path));
            ports[number] = Some(port);
        }
    }
    let flight = share.flight.split(&paths);
    // If it has ended, all do.
    let _ = give.send(Share { ports, flight, sender: Arc::clone(&share.sender), vigil: share.vigil });
    Ok(true)
}

/// Of ports, those that make up about half of the work; none if there is only one thing to do. Idle ones are shared out by number.
fn half(ports: &[Option<Port>]) -> Vec<usize> {
    // What belongs together: the ports of an air, or one port.
    let mut pieces: BTreeMap<(Option<usize>, usize), (u64, Vec<usize>)> = BTreeMap::new();
    for (number, port) in ports.iter().enumerate() {
        if let Some(port) = port {
            let piece = (port.air, if port.air.is_some() { 0 } else { number });
            let (work, numbers) = pieces.entry(piece).or_default();
            *work += port.work;
            numbers.push(number);
        }
    }
    let mut pieces: Vec<(u64, Vec<usize>)> = pieces.into_values().collect();
    pieces.sort_by_key(|(work, _)| std::cmp::Reverse(*work));
    let (mut stays, mut leaves) = ((0, Vec::new()), (0, Vec::new()));
    // The heaviest first, each to where less is (Graham's rule of the longest processing time).
    for (work, numbers) in pieces {
        let fewer = if work > 0 { leaves.0 < stays.0 } else { leaves.1.len() < stays.1.len() };
        let side = if fewer { &mut leaves } else { &mut stays };
        side.0 += work;
        side.1.extend(numbers);
    }
    if leaves.0 * LEAST_PART < leaves.0 + stays.0 || leaves.0 == 0 {
        return Vec::new();
    }
    leaves.1
}

impl Flight {
    /// Parts from these paths, with all that is under way on them.
    pub fn split(&mut self, numbers: &[u32]) -> Flight {
        let mut paths: Vec<_> = self.paths.iter().map(|_| None).collect();
        let mut airs: Vec<_> = self.airs.iter().map(|_| Air::new(0)).collect();
        for &number in numbers {
            paths[number as usize] = self.paths[number as usize].take();
        }
        let stations = paths.iter().flatten().filter_map(|path| path.station);
        let shared: BTreeSet<usize> = stations.map(|(air, _)| air).collect();
        let mut part = Flight::new(paths, Vec::new(), Arc::clone(&self.shared));
        let mut removal = Removal { from: &mut self.pool, to: &mut part.pool, moved: HashMap::new() };
        for air in shared {
            std::mem::swap(&mut airs[air], &mut self.airs[air]);
            airs[air].waiting_mut().for_each(|waiting| waiting.frame = removal.carry(waiting.frame));
        }
        let goes = |path: u32| part.paths[path as usize].is_some();
        part.schedule = self.schedule.split(goes, |frame| removal.carry(frame));
        part.airs = airs;
        part
    }
}

/// Frames on their way from one pool to another.
struct Removal<'a> {
    from: &'a mut Pool,
    to: &'a mut Pool,
    /// Where those are by now that others still use in the first.
    moved: HashMap<FrameId, FrameId>,
}

impl Removal<'_> {
    /// One user of a frame has it in the other pool from now on.
    fn carry(&mut self, frame: FrameId) -> FrameId {
        let known = self.moved.get(&frame).copied();
        let there = known.unwrap_or_else(|| self.to.adopt(self.from, frame));
        match known {
            Some(_) => self.to.retain(there),
            None => drop(self.moved.insert(frame, there)),
        }
        self.from.release(frame);
        there
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use node::clock::Instant;
    use planner::units::{ByteSize, Rate};
    use proptest::prelude::*;

    use super::*;
    use crate::fabric::lateness::Monitor;
    use crate::fabric::software::control::Shared;
    use crate::fabric::software::flight::Path;
    use crate::fabric::software::frame::{OFFLOAD_BYTES, Offload};
    use crate::fabric::software::load::Growth;
    use crate::fabric::software::shape::Shaper;
    use crate::fabric::{Direction, Shape};
    use crate::scenario::network::{Aqm, Loss, Queue};

    fn port(air: Option<usize>, work: u64) -> Option<Port> {
        let socket = Arc::new(File::open("/dev/null").expect("there is one").into());
        Some(Port { socket, destinations: Vec::new(), air, work })
    }

    #[test]
    fn about_half_of_the_work_is_handed_over() {
        let of = |works: &[u64]| half(&works.iter().map(|work| port(None, *work)).collect::<Vec<_>>());
        assert_eq!(of(&[50, 40, 30, 20]), [1, 2]);
        assert_eq!(of(&[1, 100, 100]), [2]);
        // Who is idle may be busy later.
        assert_eq!(of(&[100, 0, 0, 0, 0, 100]), [5, 2, 4]);
    }

    #[test]
    fn who_has_one_thing_to_do_keeps_it() {
        assert!(half(&[port(None, 100), port(None, 0), port(None, 5), None]).is_empty());
        assert!(half(&[port(Some(1), 100), port(Some(1), 100), port(None, 5)]).is_empty(), "an air was cut");
        assert!(half(&[port(None, 0), port(None, 0)]).is_empty());
        assert_eq!(half(&[port(Some(1), 50), port(None, 110), port(Some(1), 50)]), [0, 2]);
    }

    /// A direction for every way in which packets can wait; the third and the fourth share an air, the fifth has its own.
    fn flight() -> Flight {
        let rate = Some(Rate::from_mbits_per_second(20.0));
        let delay = Duration::from_millis(3);
        let shared = Shape { rate, queue: Some(Queue::Bytes(ByteSize::from_bytes(20_000))), ..Shape::default() };
        let awful = Shape {
            delay,
            jitter: delay,
            loss: Loss::Random(0.2),
            reorder: 0.1,
            duplicate: 0.2,
            corrupt: 0.2,
            ..Shape::default()
        };
        let shapes = [
            Shape { rate, delay, jitter: delay / 2, ..Shape::default() },
            awful,
            shared.clone(),
            shared.clone(),
            Shape { aqm: Aqm::Codel, ..shared },
            Shape { delay, ..Shape::default() },
        ];
        let stations = [None, None, Some((0, 0)), Some((0, 1)), Some((1, 0)), None];
        let paths = shapes.iter().zip(stations).enumerate().map(|(number, (shape, station))| {
            let shaper = Shaper::new(shape, 7, Direction { from: number, to: 100 });
            Some(Box::new(Path { shaper, index: number as u32, station, waiting: 0 }))
        });
        let shared = Shared::new(shapes.len(), Arc::new(Monitor::new()), Growth::default());
        Flight::new(paths.collect(), vec![Air::new(2), Air::new(1)], Arc::new(shared))
    }

    /// A frame that stands for so many TCP packets.
    fn frame(packets: usize, fill: u8) -> (Vec<u8>, Offload) {
        let mut frame = vec![fill; 54 + packets * 1000];
        frame[12..15].copy_from_slice(&[0x08, 0x00, 0x45]);
        frame[34 + 12] = 0x50;
        let mut offload = [0; OFFLOAD_BYTES];
        if packets > 1 {
            (offload[0], offload[1]) = (1, 1);
            for (at, number) in [(4, 1000_u16), (6, 34), (8, 16)] {
                offload[at..at + 2].copy_from_slice(&number.to_ne_bytes());
            }
        }
        (frame, Offload::read(&offload))
    }

    #[derive(Debug, Clone)]
    enum Event {
        Frame { path: u32, packets: usize },
        Shape { path: u32, mbits: f64, delay: u64 },
    }

    fn events() -> impl Strategy<Value = Vec<(u64, Event)>> {
        let frame = (0..6u32, 1..6usize).prop_map(|(path, packets)| Event::Frame { path, packets });
        let shape = (0..6u32, 1.0..50.0, 0..5u64).prop_map(|(path, mbits, delay)| Event::Shape { path, mbits, delay });
        prop::collection::vec((0..1_500_000u64, prop_oneof![12 => frame, 1 => shape]), 1..150)
    }

    type Left = Vec<Vec<(Instant, u16, u16, Vec<u8>)>>;

    /// What leaves until then, by direction.
    fn depart(flight: &mut Flight, now: Instant, left: &mut Left) {
        loop {
            flight.transmit(now);
            let Some((leaving, index)) = flight.pop_due(now) else { return };
            assert_eq!(leaving.path, index);
            let bytes = flight.pool.pieces(leaving.frame, 0..flight.pool.layout(leaving.frame).length());
            let bytes = bytes.flatten().copied().collect();
            flight.shared.tallies[index as usize].leave(leaving.count);
            left[index as usize].push((leaving.due, leaving.first, leaving.count, bytes));
            flight.pool.release(leaving.frame);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn from_both_threads_together_leaves_what_would_have_left_from_one(
            events in events(), when in 0..150usize, pieces in prop::collection::vec(any::<bool>(), 5),
        ) {
            let (mut whole, mut here, mut there) = (flight(), flight(), None);
            let (mut expected, mut left): (Left, Left) = (vec![Vec::new(); 6], vec![Vec::new(); 6]);
            let mut now = Instant(1_000_000);
            for (number, (pause, event)) in events.iter().enumerate() {
                if number == when % events.len() {
                    let numbers: Vec<u32> = [&[0][..], &[1], &[2, 3], &[4], &[5]]
                        .into_iter().zip(&pieces).filter(|(_, goes)| **goes).flat_map(|(piece, _)| piece.to_vec()).collect();
                    there = Some(here.split(&numbers));
                }
                now = now + Duration::from_nanos(*pause);
                let flights = [Some(&mut whole), Some(&mut here), there.as_mut()];
                let mut took = 0;
                for (which, flight) in flights.into_iter().enumerate() {
                    let Some(flight) = flight else { continue };
                    depart(flight, now, if which == 0 { &mut expected } else { &mut left });
                    match event {
                        Event::Frame { path, packets } => {
                            let (frame, offload) = frame(*packets, number as u8);
                            took += i32::from(flight.take(*path, &frame, offload, now) > 0);
                        }
                        Event::Shape { path, mbits, delay } => {
                            let was = flight.paths[*path as usize].as_ref().map(|path| path.shaper.shape().clone());
                            let rate = Some(Rate::from_mbits_per_second(*mbits));
                            let delay = Duration::from_millis(*delay);
                            let shape = Shape { rate, delay, ..was.unwrap_or_default() };
                            took += i32::from(flight.set_shape(now, *path, &shape));
                        }
                    }
                }
                prop_assert_eq!(took, 2, "the whole took it, and one of the halves");
            }
            let end = now + Duration::from_secs(1000);
            depart(&mut whole, end, &mut expected);
            for flight in [Some(&mut here), there.as_mut()].into_iter().flatten() {
                depart(flight, end, &mut left);
                prop_assert!(flight.pool.is_empty(), "frames are left behind");
            }
            for path in 0..6 {
                prop_assert!(left[path] == expected[path], "path {path}");
                let [expected, tally] = [&whole, &here].map(|flight| &flight.shared.tallies[path]);
                prop_assert_eq!(tally.read(), expected.read());
                prop_assert_eq!((tally.under_way(), expected.under_way()), (0, 0));
            }
        }
    }
}
