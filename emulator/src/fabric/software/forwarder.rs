//! The forwarding thread: takes frames where they arrive, shapes them, and sends them on when they are due.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use node::clock::Instant;

use super::air::{Air, Turn};
use super::control::Shared;
use super::frame::{ETHERNET, Layout, MOST_HEADER, OFFLOAD_BYTES, Offload};
use super::landing::{self, Landing};
use super::outbox::{self, Outbox};
use super::pool::{FrameId, Pool};
use super::schedule::{Leaving, Schedule};
use super::shape::{Departure, Drawn, Shaper, Verdict};
use super::wait::{self, Waiter};

/// Memory for frames under way.
const POOL: usize = 32 << 20;
/// Departures that may be planned; several can share a frame.
const DEPARTURES: usize = 1 << 16;
/// How much earlier than the next departure a forwarder ends its sleep, as waking up takes its time: the longer, the longer the
/// processor slept.
#[derive(Clone, Copy)]
struct Vigil {
    /// At most this part of the time since the last departure. It bounds the share of a core that is spun away, so that a thread
    /// with real-time priority leaves the rest to others. Where packets leave closely one after the other, the processor is awake anyway.
    part: u32,
    /// And not more than this.
    most: Duration,
}

/// At most 8 % of a core.
const VIGIL: Vigil = Vigil { part: 12, most: Duration::from_micros(160) };
/// Of a precise forwarder that can't keep the processors awake: at most half a core.
const LONG_VIGIL: Vigil = Vigil { part: 2, most: Duration::from_micros(200) };
/// A kernel's word on when a frame arrived is taken if it is not further back than this; the clock may have been set.
const OLDEST_ARRIVAL: Duration = Duration::from_millis(20);
/// The number under which the waiter knows the bell.
const BELL: u64 = u64::MAX;

/// Where frames of one interface come in, and where they may go.
pub struct Port {
    /// Receives them.
    pub socket: Arc<OwnedFd>,
    /// Where they may go.
    pub destinations: Destinations,
}

/// The path for each destination's hardware address, sorted by it.
pub type Destinations = Vec<([u8; 6], u32)>;

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

/// A packet that waits for the air.
#[derive(Debug, Clone, Copy)]
pub struct Waiting {
    path: u32,
    frame: FrameId,
    /// Which of the frame's packets it is.
    number: u16,
    drawn: Drawn,
}

/// Everything the thread has.
pub struct Forwarder {
    /// Where frames come in.
    pub ports: Vec<Port>,
    /// The directions.
    pub paths: Vec<Path>,
    /// What directions share.
    pub airs: Vec<Air<Waiting>>,
    /// Sends.
    pub sender: OwnedFd,
    /// What others see.
    pub shared: Arc<Shared>,
    /// Whether to keep the processors awake, or itself where that is refused.
    pub precise: bool,
}

impl Forwarder {
    /// Forwards until it is told to stop.
    ///
    /// # Errors
    /// When the kernel refuses to let it wait; refused frames are counted, nothing more.
    pub fn run(self) -> io::Result<()> {
        wait::sharpen_timers();
        if let Err(error) = wait::take_priority() {
            wait::shorten_slice();
            self.shared.refuse_priority(error.to_string());
        }
        let awake = self.precise.then(wait::keep_processors_awake).transpose();
        let vigil = if awake.is_ok() { VIGIL } else { LONG_VIGIL };
        if let Err(error) = &awake {
            self.shared.refuse_wakefulness(error.to_string());
        }
        let mut waiter = Waiter::new()?;
        waiter.add(self.shared.bell(), BELL)?;
        for (number, port) in self.ports.iter().enumerate() {
            waiter.add(port.socket.as_ref(), number as u64)?;
        }
        let Forwarder { ports, paths, airs, sender, shared, .. } = self;
        let mut landing = Landing::new();
        let mut flight = Flight {
            paths,
            airs,
            pool: Pool::new(POOL),
            schedule: Schedule::new(DEPARTURES),
            outbox: Outbox::new(),
            due: Vec::with_capacity(outbox::FRAMES),
            copy: vec![0; MOST_HEADER + (1 << 16)].into_boxed_slice(),
            sender,
            shared: Arc::clone(&shared),
            departed: Instant::now(),
        };
        shared.begin();
        loop {
            flight.send_due();
            let ready = waiter.wait(flight.pause(vigil))?;
            for number in ready {
                if number == BELL {
                    let now = Instant::now();
                    if !shared.make_changes(|path, shape| flight.set_shape(now, path, shape)) {
                        return Ok(());
                    }
                } else if let Some(port) = ports.get(number as usize) {
                    take(port, &mut landing, &mut flight);
                    flight.send_due();
                }
            }
        }
    }
}

/// Takes what has arrived at one port.
fn take(port: &Port, landing: &mut Landing, flight: &mut Flight) {
    let count = match landing.receive(&port.socket) {
        Ok(count) => count,
        Err(error) => {
            // An interface that went down says so once; a frame that can't be described is gone.
            if error.kind() != io::ErrorKind::WouldBlock {
                flight.shared.monitor.stray();
            }
            return;
        }
    };
    let arrivals = Arrivals::now();
    for n in 0..count.min(landing::FRAMES) {
        let landed = landing.frame(n);
        let at = arrivals.instant(landed.stamp);
        let path = landed.bytes.filter(|frame| frame.len() > ETHERNET).and_then(|frame| {
            let found = port.destinations.binary_search_by(|(mac, _)| mac[..].cmp(&frame[..6])).ok()?;
            Some((frame, port.destinations[found].1))
        });
        match path {
            Some((frame, path)) => flight.take(path, frame, landed.offload, at),
            None => flight.shared.monitor.stray(),
        }
    }
}

/// Turns the kernel's arrival times into instants: what passed since then on one clock also passed on the other.
struct Arrivals {
    now: Instant,
    real: u64,
}

impl Arrivals {
    fn now() -> Arrivals {
        let real = clock_gettime(ClockId::CLOCK_REALTIME).map(Duration::from).unwrap_or_default();
        Arrivals { now: Instant::now(), real: real.as_nanos() as u64 }
    }

    fn instant(&self, stamp: Option<u64>) -> Instant {
        let age = stamp.and_then(|stamp| self.real.checked_sub(stamp)).map(Duration::from_nanos);
        let age = age.filter(|age| *age <= OLDEST_ARRIVAL).unwrap_or_default();
        Instant(self.now.0.saturating_sub(age.as_nanos() as u64))
    }
}

/// Frames under way.
struct Flight {
    paths: Vec<Path>,
    airs: Vec<Air<Waiting>>,
    pool: Pool,
    schedule: Schedule,
    outbox: Outbox,
    due: Vec<(Leaving, u32)>,
    // Where a packet is put together whose bits are to be changed.
    copy: Box<[u8]>,
    sender: OwnedFd,
    shared: Arc<Shared>,
    /// The last time that something departed.
    departed: Instant,
}

impl Flight {
    /// How long there is nothing to do unless something arrives.
    fn pause(&self, vigil: Vigil) -> Option<Duration> {
        let starts = self.airs.iter().filter_map(Air::next_start);
        let due = starts.chain(self.schedule.next_due()).min()?;
        let early = vigil.most.min(due.since(self.departed) / vigil.part);
        Some(due.since(Instant::now()).saturating_sub(early))
    }

    fn set_shape(&mut self, now: Instant, path: usize, shape: &crate::fabric::Shape) {
        if let Some(entry) = self.paths.get_mut(path) {
            let retiming = entry.shaper.set(now, shape);
            self.schedule.retime(path as u32, retiming);
            match entry.station {
                Some((air, _)) => self.airs[air].retime(path as u32, retiming),
                // From now on its packets wait as on a medium on which it is alone. What it has taken already is through first.
                None if entry.shaper.decides_late() => {
                    let mut air = Air::new(1);
                    air.occupy(entry.shaper.free_at(), path as u32);
                    entry.station = Some((self.airs.len(), 0));
                    self.airs.push(air);
                }
                None => {}
            }
        }
    }

    /// Takes a frame that came at `at`.
    fn take(&mut self, number: u32, frame: &[u8], offload: Offload, at: Instant) {
        let layout = Layout::read(frame, offload);
        match self.paths[number as usize].station {
            None => self.shape(number, frame, layout, at),
            Some(station) => self.queue(number, station, (frame, layout), at),
        }
    }

    /// Shapes a frame whose direction has its wire for itself.
    fn shape(&mut self, number: u32, frame: &[u8], layout: Layout, at: Instant) {
        let together = self.paths[number as usize].shaper.packets_together(layout.full_packet());
        let together = u16::try_from(together).unwrap_or(u16::MAX);
        let mut stored = None;
        let mut first = 0;
        while first < layout.packets {
            let count = together.min(layout.packets - first);
            let verdict = self.paths[number as usize].shaper.offer(at, layout.wire_bytes(first, count));
            if matches!(verdict, Verdict::Leaves { .. }) {
                stored = stored.or_else(|| self.pool.store(frame, layout));
            }
            self.follow(number, stored, (first, count), verdict);
            first += count;
        }
        if let Some(stored) = stored {
            self.pool.release(stored);
        }
    }

    /// Lets the packets of a frame wait for their sender's turns.
    fn queue(&mut self, number: u32, (air, station): (usize, usize), (frame, layout): (&[u8], Layout), at: Instant) {
        let Flight { paths, airs, pool, shared, .. } = self;
        let (path, tally) = (&mut paths[number as usize], &shared.tallies[number as usize]);
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
    }

    /// Transmits what has its turn in the air until now.
    fn transmit(&mut self, now: Instant) {
        for air in 0..self.airs.len() {
            while let Some(Turn { since, start, what }) = self.airs[air].next(now) {
                let Waiting { path: number, frame, number: packet, drawn } = what;
                let bytes = self.pool.layout(frame).wire_bytes(packet, 1);
                let path = &mut self.paths[number as usize];
                path.waiting = path.waiting.saturating_sub(u64::from(bytes));
                self.shared.tallies[number as usize].leave(1);
                let verdict = match path.shaper.drops_late(start, since, path.waiting) {
                    true => Verdict::Lost,
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
        let shared = Arc::clone(&self.shared);
        let tally = &shared.tallies[number as usize];
        match verdict {
            Verdict::Lost => tally.lost(count),
            Verdict::Overflowed => tally.overflowed(count),
            Verdict::Leaves { first: departure, second, flip } => {
                let (kept, part) = match flip {
                    None => (stored, (first, count)),
                    Some(bit) => (stored.and_then(|frame| self.store_flipped(frame, first, count, bit)), (0, 1)),
                };
                let leaves = kept.is_some_and(|kept| self.plan(number, kept, part, departure));
                if !leaves {
                    tally.refused(count);
                }
                let twice = second.zip(kept);
                if twice.is_some_and(|(departure, kept)| !self.plan(number, kept, part, departure)) {
                    tally.refused(count);
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
            self.shared.tallies[path as usize].enter(count);
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

    /// Sends whatever is due.
    fn send_due(&mut self) {
        loop {
            let now = Instant::now();
            self.transmit(now);
            self.due.clear();
            while self.due.len() < outbox::FRAMES
                && let Some(leaving) = self.schedule.pop_due(now)
            {
                self.due.push((leaving, self.paths[leaving.path as usize].index));
            }
            if self.due.is_empty() {
                return;
            }
            self.departed = now;
            let Flight { pool, outbox, due, sender, shared, .. } = self;
            outbox.send(sender, pool, due, |leaving, result| {
                let tally = &shared.tallies[leaving.path as usize];
                tally.leave(leaving.count);
                match result {
                    Ok(()) => {
                        let bytes = pool.layout(leaving.frame).wire_bytes(leaving.first, leaving.count);
                        tally.delivered(leaving.count, bytes);
                        shared.monitor.late(now.since(leaving.due));
                    }
                    // The receiver's queue is full, or its interface is down.
                    Err(_) => tally.refused(leaving.count),
                }
            });
            for (leaving, _) in self.due.drain(..) {
                self.pool.release(leaving.frame);
            }
        }
    }
}
