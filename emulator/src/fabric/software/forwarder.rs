//! A forwarding thread: takes frames where they arrive, shapes them, and sends them on when they are due.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use node::clock::Instant;

use super::flight::Flight;
use super::frame::ETHERNET;
use super::handover;
use super::landing::{self, Landing};
use super::load::Load;
use super::outbox::{self, Outbox};
use super::schedule::Leaving;
use super::wait::{Bell, Waiter};

/// How much earlier than the next departure a forwarder ends its sleep, as waking up takes its time: the longer, the longer the
/// processor slept.
#[derive(Clone, Copy)]
pub struct Vigil {
    /// At most this part of the time since the last departure. It bounds the share of a core that is spun away, so that a thread
    /// with real-time priority leaves the rest to others. Where packets leave closely one after the other, the processor is awake anyway.
    part: u32,
    /// And not more than this.
    most: Duration,
}

/// At most 8 % of a core.
pub const VIGIL: Vigil = Vigil { part: 12, most: Duration::from_micros(160) };
/// Of a precise forwarder that can't keep the processors awake: at most half a core.
pub const LONG_VIGIL: Vigil = Vigil { part: 2, most: Duration::from_micros(200) };
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
    /// The air that it shares with other ports, if it does.
    pub air: Option<usize>,
    /// What has come in since the thread last looked how busy it is, as it counts work.
    pub work: u64,
}

/// The path for each destination's hardware address, sorted by it.
pub type Destinations = Vec<([u8; 6], u32)>;

/// What one thread forwards.
pub struct Share {
    /// Where frames come in, by number: those that another thread has are missing.
    pub ports: Vec<Option<Port>>,
    /// The directions that begin there, and what is under way.
    pub flight: Flight,
    /// Sends; all threads have the same.
    pub sender: Arc<OwnedFd>,
    /// How long before departures it is awake.
    pub vigil: Vigil,
}

/// A thread at work.
pub struct Forwarder {
    pub(super) share: Share,
    landing: Landing,
    outbox: Outbox,
    due: Vec<(Leaving, u32)>,
    /// The last time that something departed.
    departed: Instant,
}

impl Forwarder {
    /// Forwards until it is told to stop. What others want of it is announced by the bell.
    ///
    /// # Errors
    /// When the kernel refuses to let it wait; refused frames are counted, nothing more.
    pub fn run(share: Share, bell: &Bell) -> io::Result<()> {
        let mut waiter = Waiter::new()?;
        waiter.add(bell, BELL)?;
        for (number, port) in share.ports.iter().enumerate() {
            if let Some(port) = port {
                waiter.add(port.socket.as_ref(), number as u64)?;
            }
        }
        let shared = Arc::clone(&share.flight.shared);
        let mut forwarder = Forwarder {
            share,
            landing: Landing::new(),
            outbox: Outbox::new(),
            due: Vec::with_capacity(outbox::FRAMES),
            departed: Instant::now(),
        };
        shared.begin();
        // Some may have been wanted while what this thread has was handed over to it.
        if !forwarder.make_changes(bell) {
            return Ok(());
        }
        let mut load = Load::new(shared.growth.window);
        loop {
            let now = forwarder.send_due();
            if let Some(busy) = load.look(now) {
                let grown = busy >= shared.growth.busy && handover::hand_over(&mut forwarder.share, &waiter)?;
                forwarder.share.ports.iter_mut().flatten().for_each(|port| port.work = 0);
                if grown {
                    // That took a while, in which something may have become due.
                    continue;
                }
            }
            let pause = forwarder.pause(now);
            let mut idle = true;
            for number in waiter.wait(pause)? {
                idle = false;
                if number == BELL {
                    if !forwarder.make_changes(bell) {
                        return Ok(());
                    }
                } else {
                    forwarder.take(number);
                    forwarder.send_due();
                }
            }
            if idle && pause == Some(Duration::ZERO) {
                load.spun(Instant::now().since(now));
            }
        }
    }

    /// Makes the changes that are wanted. `false`: it is to end.
    fn make_changes(&mut self, bell: &Bell) -> bool {
        let now = Instant::now();
        let Flight { shared, .. } = &self.share.flight;
        let shared = Arc::clone(shared);
        shared.make_changes(bell, |path, shape| self.share.flight.set_shape(now, path, shape))
    }

    /// How long there is nothing to do unless something arrives; nothing: it stays awake for a departure that is near.
    fn pause(&self, now: Instant) -> Option<Duration> {
        let Share { flight, vigil, .. } = &self.share;
        let due = flight.next_due()?;
        let early = vigil.most.min(due.since(self.departed) / vigil.part);
        Some(due.since(now).saturating_sub(early))
    }

    /// Takes what has arrived at one port.
    fn take(&mut self, number: u64) {
        let Share { ports, flight, .. } = &mut self.share;
        let Some(Some(port)) = ports.get_mut(number as usize) else { return };
        let count = match self.landing.receive(&port.socket) {
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
            let landed = self.landing.frame(n);
            let at = arrivals.instant(landed.stamp);
            let path = landed.bytes.filter(|frame| frame.len() > ETHERNET).and_then(|frame| {
                let found = port.destinations.binary_search_by(|(mac, _)| mac[..].cmp(&frame[..6])).ok()?;
                Some((frame, port.destinations[found].1))
            });
            match path {
                Some((frame, path)) => {
                    let pieces = flight.take(path, frame, landed.offload, at);
                    port.work += handover::work(frame.len(), pieces);
                }
                None => flight.shared.monitor.stray(),
            }
        }
    }

    /// Sends whatever is due until now, and returns when that was.
    fn send_due(&mut self) -> Instant {
        let Share { flight, sender, .. } = &mut self.share;
        loop {
            let now = Instant::now();
            flight.transmit(now);
            self.due.clear();
            while self.due.len() < outbox::FRAMES
                && let Some(due) = flight.pop_due(now)
            {
                self.due.push(due);
            }
            if self.due.is_empty() {
                return now;
            }
            self.departed = now;
            let Flight { pool, shared, .. } = flight;
            self.outbox.send(sender, pool, &self.due, |leaving, result| {
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
                pool.release(leaving.frame);
            }
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
