//! The forwarding threads, and what they share with the rest: what they have counted, and changes that they are to make.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::load::Growth;
use super::wait::{self, Bell};
use crate::fabric::lateness::Monitor;
use crate::fabric::{Counters, Shape};

/// Counters of one direction, written by the forwarding thread alone that has it; in a cache line of their own, since another may have
/// the next.
#[derive(Default)]
#[repr(align(64))]
pub struct Tally {
    packets: AtomicU64,
    bytes: AtomicU64,
    lost: AtomicU64,
    overflowed: AtomicU64,
    aqm_dropped: AtomicU64,
    refused: AtomicU64,
    under_way: AtomicU64,
}

impl Tally {
    /// Packets were delivered.
    pub fn delivered(&self, packets: u16, bytes: u32) {
        bump(&self.packets, u64::from(packets));
        bump(&self.bytes, u64::from(bytes));
    }

    /// Packets were lost, as the shape wants.
    pub fn lost(&self, packets: u16) {
        bump(&self.lost, u64::from(packets));
    }

    /// Packets found no room in the queue.
    pub fn overflowed(&self, packets: u16) {
        bump(&self.overflowed, u64::from(packets));
    }

    /// Packets had waited too long in the queue.
    pub fn aqm_dropped(&self, packets: u16) {
        bump(&self.aqm_dropped, u64::from(packets));
    }

    /// Packets found no room in the forwarder, or at the receiver.
    pub fn refused(&self, packets: u16) {
        bump(&self.refused, u64::from(packets));
    }

    /// Packets wait for their rate, their turn or their delay from now on.
    pub fn enter(&self, packets: u16) {
        bump(&self.under_way, u64::from(packets));
    }

    /// They don't any more.
    pub fn leave(&self, packets: u16) {
        let left = self.under_way.load(Ordering::Relaxed).saturating_sub(u64::from(packets));
        self.under_way.store(left, Ordering::Relaxed);
    }

    /// How many do now.
    pub fn under_way(&self) -> u64 {
        self.under_way.load(Ordering::Relaxed)
    }

    /// The counters as they are now.
    pub fn read(&self) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            packets: read(&self.packets),
            bytes: read(&self.bytes),
            lost: read(&self.lost),
            overflowed: read(&self.overflowed),
            aqm_dropped: read(&self.aqm_dropped),
            refused: read(&self.refused),
        }
    }
}

/// Adds to a counter that no other thread writes, which is cheaper than an atomic addition.
fn bump(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

/// What all sides see.
pub struct Shared {
    /// By path, as the forwarders count them.
    pub tallies: Box<[Tally]>,
    /// How well the threads keep up.
    pub monitor: Arc<Monitor>,
    /// When there is another thread.
    pub growth: Growth,
    changes: Mutex<Changes>,
    made: Condvar,
}

#[derive(Default)]
struct Changes {
    /// Not made yet. Whoever has the path makes them.
    wanted: Vec<Wanted>,
    // How many have been asked for since the start.
    asked: u64,
    /// One for each thread.
    bells: Vec<Arc<Bell>>,
    threads: Vec<JoinHandle<()>>,
    begun: bool,
    stop: bool,
    /// Why the first thread that ended did.
    ended: Option<String>,
    priority_refused: Option<String>,
    wakefulness_refused: Option<String>,
}

struct Wanted {
    ticket: u64,
    path: u32,
    shape: Shape,
}

impl Changes {
    fn ring(&self) {
        // It fails only when it has been rung 2^64 - 2 times without being heard.
        self.bells.iter().for_each(|bell| _ = bell.write(1));
    }
}

impl Shared {
    /// For so many paths.
    pub fn new(paths: usize, monitor: Arc<Monitor>, growth: Growth) -> Shared {
        Shared {
            tallies: (0..paths).map(|_| Tally::default()).collect(),
            monitor,
            growth,
            changes: Mutex::default(),
            made: Condvar::new(),
        }
    }

    /// Starts a forwarding thread if there may be one more. The bell that it gets rings when [`Shared::make_changes`] is to be called.
    /// When one thread ends, all are asked to.
    ///
    /// # Errors
    /// The kernel's; its place remains taken.
    pub fn start(self: &Arc<Shared>, work: impl FnOnce(&Bell) -> io::Result<()> + Send + 'static) -> io::Result<bool> {
        let bell = Arc::new(wait::bell()?);
        {
            let mut changes = self.changes();
            if changes.stop || changes.bells.len() >= self.growth.threads.max(1) {
                return Ok(false);
            }
            changes.bells.push(Arc::clone(&bell));
        }
        let shared = Arc::clone(self);
        let thread = thread::Builder::new().name("forwarder".to_owned()).spawn(move || {
            wait::sharpen_timers();
            if let Err(error) = wait::take_priority(wait::FORWARDING) {
                wait::shorten_slice();
                shared.changes().priority_refused = Some(error.to_string());
            }
            let reason = match panic::catch_unwind(AssertUnwindSafe(|| work(&bell))) {
                Ok(Ok(())) => "it was stopped".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "a mistake in it".to_owned(),
            };
            shared.end(reason);
        })?;
        self.changes().threads.push(thread);
        Ok(true)
    }

    /// How many threads forward.
    pub fn threads(&self) -> usize {
        self.changes().threads.len()
    }

    /// Gives a path another shape, and returns when that is done, with the reason if it can't be.
    pub fn set_shape(&self, path: u32, shape: &Shape) -> Result<(), String> {
        let mut changes = self.changes();
        changes.asked += 1;
        let ticket = changes.asked;
        changes.wanted.push(Wanted { ticket, path, shape: shape.clone() });
        changes.ring();
        while changes.wanted.iter().any(|wanted| wanted.ticket == ticket) {
            if let Some(reason) = &changes.ended {
                return Err(reason.clone());
            }
            changes = self.made.wait(changes).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Returns when a forwarding thread is at work, or has ended.
    pub fn await_beginning(&self) {
        let mut changes = self.changes();
        while !changes.begun && changes.ended.is_none() {
            changes = self.made.wait(changes).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// For a forwarding thread: it is at work.
    pub fn begin(&self) {
        self.changes().begun = true;
        self.made.notify_all();
    }

    /// Asks all forwarding threads to end, and returns when they have.
    pub fn stop(&self) {
        {
            let mut changes = self.changes();
            changes.stop = true;
            changes.ring();
        }
        loop {
            // One that has just been started by another is known before that one ends.
            let thread = self.changes().threads.pop();
            let Some(thread) = thread else { return };
            // Whatever ended it has been told already.
            let _ = thread.join();
        }
    }

    /// For a forwarding thread, at its beginning and after its bell: makes the changes that are wanted, as far as `make` says that the
    /// path is its own. `false`: it is to end.
    ///
    /// A path that is just being handed over is nobody's; whoever gets it looks here at its beginning.
    pub fn make_changes(&self, bell: &Bell, mut make: impl FnMut(u32, &Shape) -> bool) -> bool {
        let _ = bell.read();
        let mut changes = self.changes();
        let wanted = changes.wanted.len();
        changes.wanted.retain(|wanted| !make(wanted.path, &wanted.shape));
        if changes.wanted.len() < wanted {
            self.made.notify_all();
        }
        !changes.stop
    }

    /// A forwarding thread ends: nobody should wait for it any more, and without it the others are not what they should be.
    fn end(&self, reason: String) {
        let mut changes = self.changes();
        changes.ended.get_or_insert(reason);
        changes.stop = true;
        changes.ring();
        self.made.notify_all();
    }

    /// Why forwarding threads have no priority, if so.
    pub fn priority_refused(&self) -> Option<String> {
        self.changes().priority_refused.clone()
    }

    /// The processors can't be kept awake, though they should be.
    pub fn refuse_wakefulness(&self, reason: String) {
        self.changes().wakefulness_refused = Some(reason);
    }

    /// Why the processors can't be kept awake, if they should be.
    pub fn wakefulness_refused(&self) -> Option<String> {
        self.changes().wakefulness_refused.clone()
    }

    /// Why the first forwarding thread that ended did.
    pub fn ended(&self) -> Option<String> {
        self.changes().ended.clone()
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        // Nothing in here is ever half done.
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
