//! Heartbeats: a datagram to the dispatcher at a fixed interval, from a thread that does nothing else, so
//! that neither computing nor a blocked connection can hold one back.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use super::meter::Meter;
use crate::clock::Instant;
use crate::telemetry::{Event, Telemetry};
use crate::wire::message::Heartbeat;
use crate::wire::pulse::Beat;
use crate::wire::secret::Secret;

/// How often it is told how late the timer was, at most.
const TELL: Duration = Duration::from_secs(1);

/// Who this process is to the dispatcher; shared by all its heartbeats.
#[derive(Debug)]
pub struct Identity {
    incarnation: u64,
    sequence: AtomicU64,
    /// The highest epoch that the process has been in.
    epoch: AtomicU32,
    /// What the stage has computed, to be told with each heartbeat.
    pub meter: Meter,
}

impl Identity {
    /// Another one in every process.
    pub fn draw() -> Identity {
        // The standard library's hash keys are random: the one source of randomness that needs no crate.
        let incarnation = RandomState::new().build_hasher().finish();
        let (sequence, epoch) = (AtomicU64::new(0), AtomicU32::new(0));
        Identity { incarnation, sequence, epoch, meter: Meter::default() }
    }

    /// The process is in this epoch from now on.
    pub fn enter(&self, epoch: u32) {
        self.epoch.store(epoch, Ordering::Relaxed);
    }
}

/// Heartbeats are sent until this is dropped.
#[derive(Debug)]
pub struct Heart {
    _stop: SyncSender<()>,
}

impl Heart {
    /// Sends heartbeats as worker number `worker` from one address to another, the first one now.
    ///
    /// # Errors
    /// When no socket or thread can be made.
    pub fn start(
        identity: Arc<Identity>,
        (own, to): (IpAddr, SocketAddr),
        worker: u32,
        interval: Duration,
        secret: Secret,
        telemetry: Telemetry,
    ) -> io::Result<Heart> {
        let socket = UdpSocket::bind((own, 0))?;
        socket.set_nonblocking(true)?;
        let (stop, stopped) = sync_channel(0);
        thread::Builder::new().name("heartbeat".into()).spawn(move || {
            let mut beat = Beat::new();
            let (mut latest, mut told) = (Duration::ZERO, Instant::now());
            loop {
                let sequence = identity.sequence.fetch_add(1, Ordering::Relaxed);
                let (epoch, work) = (identity.epoch.load(Ordering::Relaxed), identity.meter.read());
                let heartbeat = Heartbeat { worker, incarnation: identity.incarnation, sequence, epoch, work };
                // A network that is down is for the dispatcher to notice, by the silence.
                let sent = heartbeat.to_datagram(&secret).map(|datagram| socket.send_to(&datagram, to));
                if let Ok(Err(error)) = sent {
                    tracing::debug!(%error, "a heartbeat could not be sent");
                }
                let wait = beat.next(interval);
                let due = Instant::now() + wait;
                if stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
                let now = Instant::now();
                latest = latest.max(now.since(due));
                if now.since(told) >= TELL {
                    telemetry.tell(Event::TimerLate { late: std::mem::take(&mut latest) });
                    told = now;
                }
            }
        })?;
        Ok(Heart { _stop: stop })
    }
}
