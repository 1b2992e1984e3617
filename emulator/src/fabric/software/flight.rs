//! Frames under way: what a thread has taken and not sent yet, and the directions that say when it leaves. No sockets, clock or
//! threads in here, so that a part of it can be handed over to another thread whole ([`super::handover`]).

use std::sync::Arc;

use node::clock::Instant;

use super::air::{Air, Turn};
use super::control::{Shared, Tally};
use super::frame::{ETHERNET, Layout, MOST_HEADER, OFFLOAD_BYTES, Offload};
use super::pool::{FrameId, Pool};
use super::schedule::{Leaving, Schedule};
use super::shape::{Departure, Drawn, Shaper, Verdict};
use crate::fabric::Shape;

/// Memory for frames under way.
const POOL: usize = 32 << 20;
/// Departures that may be planned; several can share a frame.
const DEPARTURES: usize = 1 << 16;

/// One direction.
pub struct Path {
    /// What happens to packets.
    pub shaper: Shaper,
    /// The interface through which they leave.
    pub index: u32,
    /// The air that they wait for, and as which station. A direction may be alone in one.
    pub station: Option<(usize, usize)>,
    /// How many bytes do.
    pub waiting: u64,
}

/// The directions, by number: those that another thread has are missing.
pub type Paths = Vec<Option<Box<Path>>>;

/// A packet that waits for the air.
#[derive(Debug, Clone, Copy)]
pub struct Waiting {
    /// Its direction.
    pub path: u32,
    /// The frame.
    pub frame: FrameId,
    /// Which of the frame's packets it is.
    pub number: u16,
    /// What chance has decided about it.
    pub drawn: Drawn,
}

/// Frames under way.
pub struct Flight {
    pub(super) paths: Paths,
    /// What directions share. Without stations: another thread has it.
    pub(super) airs: Vec<Air<Waiting>>,
    pub(super) pool: Pool,
    pub(super) schedule: Schedule,
    // Where a packet is put together whose bits are to be changed.
    copy: Box<[u8]>,
    pub(super) shared: Arc<Shared>,
}

impl Flight {
    /// Nothing is under way on these paths yet.
    pub fn new(paths: Paths, airs: Vec<Air<Waiting>>, shared: Arc<Shared>) -> Flight {
        Flight {
            paths,
            airs,
            pool: Pool::new(POOL),
            schedule: Schedule::new(DEPARTURES),
            copy: vec![0; MOST_HEADER + (1 << 16)].into_boxed_slice(),
            shared,
        }
    }

    /// When something is to be done next unless something arrives.
    pub fn next_due(&self) -> Option<Instant> {
        self.airs.iter().filter_map(Air::next_start).chain(self.schedule.next_due()).min()
    }

    /// Takes out the next packets that are due, and the interface through which they leave.
    pub fn pop_due(&mut self, now: Instant) -> Option<(Leaving, u32)> {
        let leaving = self.schedule.pop_due(now)?;
        Some((leaving, self.path(leaving.path)?.index))
    }

    fn tally(&self, path: u32) -> &Tally {
        &self.shared.tallies[path as usize]
    }

    fn path(&mut self, number: u32) -> Option<&mut Path> {
        self.paths.get_mut(number as usize)?.as_deref_mut()
    }

    /// Gives a path another shape at `now`; `false`: another thread has it.
    pub fn set_shape(&mut self, now: Instant, number: u32, shape: &Shape) -> bool {
        let Flight { paths, airs, schedule, .. } = self;
        let Some(Some(path)) = paths.get_mut(number as usize) else { return false };
        let retiming = path.shaper.set(now, shape);
        schedule.retime(number, retiming);
        match path.station {
            Some((air, _)) => airs[air].retime(number, retiming),
            // From now on its packets wait as on a medium on which it is alone. What it has taken already is through first.
            None if path.shaper.decides_late() => {
                let mut air = Air::new(1);
                air.occupy(path.shaper.free_at(), number);
                path.station = Some((airs.len(), 0));
                airs.push(air);
            }
            None => {}
        }
        true
    }

    /// Takes a frame that came at `at`, and returns into how many pieces it was cut that leave by themselves.
    pub fn take(&mut self, number: u32, frame: &[u8], offload: Offload, at: Instant) -> u16 {
        let layout = Layout::read(frame, offload);
        match self.path(number).map(|path| path.station) {
            Some(None) => self.shape(number, frame, layout, at),
            Some(Some(station)) => self.queue(number, station, (frame, layout), at),
            None => 0,
        }
    }

    /// Shapes a frame whose direction has its wire for itself.
    fn shape(&mut self, number: u32, frame: &[u8], layout: Layout, at: Instant) -> u16 {
        let (mut together, mut stored, mut first, mut pieces) = (0, None, 0, 0);
        while first < layout.packets
            && let Some(path) = self.path(number)
        {
            if first == 0 {
                together = u16::try_from(path.shaper.packets_together(layout.full_packet())).unwrap_or(u16::MAX);
            }
            let count = together.min(layout.packets - first);
            let verdict = path.shaper.offer(at, layout.wire_bytes(first, count));
            if matches!(verdict, Verdict::Leaves { .. }) {
                stored = stored.or_else(|| self.pool.store(frame, layout));
            }
            self.follow(number, stored, (first, count), verdict);
            first += count;
            pieces += 1;
        }
        if let Some(stored) = stored {
            self.pool.release(stored);
        }
        pieces
    }

    /// Lets the packets of a frame wait for their sender's turns.
    fn queue(
        &mut self,
        number: u32,
        (air, station): (usize, usize),
        (frame, layout): (&[u8], Layout),
        at: Instant,
    ) -> u16 {
        let Flight { paths, airs, pool, shared, .. } = self;
        let Some(path) = &mut paths[number as usize] else { return 0 };
        let tally = &shared.tallies[number as usize];
        let mut stored = None;
        for packet in 0..layout.packets {
            let bytes = layout.wire_bytes(packet, 1);
            let Some(drawn) = path.shaper.draw() else {
                tally.lost(1);
                continue;
            };
            if !path.shaper.admits(path.waiting, bytes) {
                tally.overflowed(1);
                continue;
            }
            stored = stored.or_else(|| pool.store(frame, layout));
            match stored {
                None => tally.refused(1),
                Some(frame) => {
                    pool.retain(frame);
                    tally.enter(1);
                    path.waiting += u64::from(bytes);
                    airs[air].wait(station, at, Waiting { path: number, frame, number: packet, drawn });
                }
            }
        }
        if let Some(stored) = stored {
            pool.release(stored);
        }
        layout.packets
    }

    /// Transmits what has its turn in the air until now.
    pub fn transmit(&mut self, now: Instant) {
        for air in 0..self.airs.len() {
            while let Some(Turn { since, start, what }) = self.airs[air].next(now) {
                let Waiting { path: number, frame, number: packet, drawn } = what;
                let bytes = self.pool.layout(frame).wire_bytes(packet, 1);
                let Some(path) = &mut self.paths[number as usize] else { continue };
                path.waiting = path.waiting.saturating_sub(u64::from(bytes));
                self.shared.tallies[number as usize].leave(1);
                let verdict = match path.shaper.drops_late(start, since, path.waiting) {
                    true => Verdict::WaitedTooLong,
                    false => path.shaper.transmit(start, bytes, drawn),
                };
                if let Verdict::Leaves { first, second, .. } = verdict {
                    self.airs[air].occupy(second.map_or(first.through, |second| second.through), number);
                }
                self.follow(number, Some(frame), (packet, 1), verdict);
                self.pool.release(frame);
            }
        }
    }

    /// Does with packets of a frame what their direction's shape says.
    fn follow(&mut self, number: u32, stored: Option<FrameId>, (first, count): (u16, u16), verdict: Verdict) {
        match verdict {
            Verdict::Lost => self.tally(number).lost(count),
            Verdict::Overflowed => self.tally(number).overflowed(count),
            Verdict::WaitedTooLong => self.tally(number).aqm_dropped(count),
            Verdict::Leaves { first: departure, second, flip } => {
                let (kept, part) = match flip {
                    None => (stored, (first, count)),
                    Some(bit) => (stored.and_then(|frame| self.store_flipped(frame, first, count, bit)), (0, 1)),
                };
                let leaves = kept.is_some_and(|kept| self.plan(number, kept, part, departure));
                if !leaves {
                    self.tally(number).refused(count);
                }
                let twice = second.zip(kept);
                if twice.is_some_and(|(departure, kept)| !self.plan(number, kept, part, departure)) {
                    self.tally(number).refused(count);
                }
                if let (Some(kept), Some(_)) = (kept, flip) {
                    self.pool.release(kept);
                }
            }
        }
    }

    /// Notes when packets of a frame leave.
    fn plan(&mut self, path: u32, frame: FrameId, (first, count): (u16, u16), departure: Departure) -> bool {
        let Departure { due, through, overtakes } = departure;
        let fits = self.schedule.add(Leaving { due, through, overtakes, frame, path, first, count });
        if fits {
            self.tally(path).enter(count);
            self.pool.retain(frame);
        }
        fits
    }

    /// Stores one packet of a frame with a bit flipped, anywhere behind the Ethernet header: what the Ethernet checksum
    /// would have found never arrives, and that is loss. Its own checksums are those of the unflipped packet, so that the
    /// receiver can find out.
    fn store_flipped(&mut self, frame: FrameId, first: u16, count: u16, bit: u32) -> Option<FrameId> {
        let Flight { pool, copy, .. } = self;
        let layout = *pool.layout(frame);
        let mut head = [0; OFFLOAD_BYTES + MOST_HEADER];
        let header = layout.write_head(pool.head(frame), first, count, &mut head) - OFFLOAD_BYTES;
        let payload = layout.payload(first, count);
        let packet = copy.get_mut(..header + payload.len())?;
        packet[..header].copy_from_slice(&head[OFFLOAD_BYTES..OFFLOAD_BYTES + header]);
        let mut filled = header;
        for piece in pool.pieces(frame, payload) {
            packet[filled..filled + piece.len()].copy_from_slice(piece);
            filled += piece.len();
        }
        let offload = Offload::read(head.first_chunk()?);
        Layout::finish_checksum(packet, offload);
        let bit = bit as usize % ((packet.len() - ETHERNET) * 8);
        packet[ETHERNET + bit / 8] ^= 1 << (bit % 8);
        pool.store(packet, Layout::read(packet, Offload::default()))
    }
}
