//! What the forwarding thread shares with the rest: what it has counted, and changes it is to make.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::wait::{self, Bell};
use crate::fabric::lateness::{Monitor, bump};
use crate::fabric::{Counters, Shape};

/// Counters of one direction, written by the forwarding thread alone.
#[derive(Default)]
pub struct Tally {
    packets: AtomicU64,
    bytes: AtomicU64,
    lost: AtomicU64,
    overflowed: AtomicU64,
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
            refused: read(&self.refused),
        }
    }
}

/// What both sides see.
pub struct Shared {
    /// By path, as the forwarder counts them.
    pub tallies: Box<[Tally]>,
    /// How well the thread keeps up.
    pub monitor: Arc<Monitor>,
    changes: Mutex<Changes>,
    made: Condvar,
    bell: Bell,
}

#[derive(Default)]
struct Changes {
    wanted: Vec<(usize, Shape)>,
    // How many have been asked for and made since the start.
    asked: u64,
    made: u64,
    begun: bool,
    stop: bool,
    /// Why the thread has ended.
    ended: Option<String>,
    priority_refused: Option<String>,
    wakefulness_refused: Option<String>,
}

impl Shared {
    /// For so many paths.
    ///
    /// # Errors
    /// When the kernel has no eventfd left.
    pub fn new(paths: usize, monitor: Arc<Monitor>) -> io::Result<Shared> {
        Ok(Shared {
            tallies: (0..paths).map(|_| Tally::default()).collect(),
            monitor,
            changes: Mutex::default(),
            made: Condvar::new(),
            bell: wait::bell()?,
        })
    }

    /// What the forwarding thread waits for besides frames.
    pub fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Gives a path another shape, and returns when that is done, with the reason if it can't be.
    pub fn set_shape(&self, path: usize, shape: &Shape) -> Result<(), String> {
        let mut changes = self.changes();
        changes.wanted.push((path, shape.clone()));
        changes.asked += 1;
        let ticket = changes.asked;
        self.ring();
        loop {
            if changes.made >= ticket {
                return Ok(());
            }
            if let Some(reason) = &changes.ended {
                return Err(reason.clone());
            }
            changes = self.made.wait(changes).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Returns when the forwarding thread is at work, or has ended.
    pub fn await_beginning(&self) {
        let mut changes = self.changes();
        while !changes.begun && changes.ended.is_none() {
            changes = self.made.wait(changes).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// For the forwarding thread: it is at work.
    pub fn begin(&self) {
        self.changes().begun = true;
        self.made.notify_all();
    }

    /// Asks the forwarding thread to end.
    pub fn stop(&self) {
        self.changes().stop = true;
        self.ring();
    }

    /// For the forwarding thread, after the bell: makes the changes that are wanted. `false`: it is to end.
    pub fn make_changes(&self, mut make: impl FnMut(usize, &Shape)) -> bool {
        let _ = self.bell.read();
        let mut changes = self.changes();
        for (path, shape) in std::mem::take(&mut changes.wanted) {
            make(path, &shape);
        }
        changes.made = changes.asked;
        self.made.notify_all();
        !changes.stop
    }

    /// For the forwarding thread: it ends, and nobody should wait for it any more.
    pub fn end(&self, reason: String) {
        self.changes().ended.get_or_insert(reason);
        self.made.notify_all();
    }

    /// For the forwarding thread: it has to do without priority.
    pub fn refuse_priority(&self, reason: String) {
        self.changes().priority_refused = Some(reason);
    }

    /// Why the forwarding thread has no priority, if so.
    pub fn priority_refused(&self) -> Option<String> {
        self.changes().priority_refused.clone()
    }

    /// For the forwarding thread: it can't keep the processors awake, though it should.
    pub fn refuse_wakefulness(&self, reason: String) {
        self.changes().wakefulness_refused = Some(reason);
    }

    /// Why the processors can't be kept awake, if they should be.
    pub fn wakefulness_refused(&self) -> Option<String> {
        self.changes().wakefulness_refused.clone()
    }

    /// Why the forwarding thread has ended, if so.
    pub fn ended(&self) -> Option<String> {
        self.changes().ended.clone()
    }

    fn ring(&self) {
        // It fails only when it has been rung 2^64 - 2 times without being heard.
        let _ = self.bell.write(1);
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        // Nothing in here is ever half done.
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
