//! Handing a part of a thread's work over to another thread, when the load asks for it.
//!
//! What is handed over are ports, with everything that begins at them: the directions with their shapers (dice go on where they are),
//! the air that they share, and the packets under way. Both threads go on from the same state, so that nothing is lost, doubled or
//! overtaken by it. What still waits in a port's socket is read by the other thread.
//!
//! Ports that share an air stay together, and a direction is never forwarded by two threads: packets of one sender, or through one air,
//! are one thread's work at most.

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
