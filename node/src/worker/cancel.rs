//! Telling a stage's threads that it is over, even while they wait.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::clock::Instant;

/// Set once, never unset.
#[derive(Debug, Default)]
pub struct Cancel {
    set: Mutex<bool>,
    changed: Condvar,
}

impl Cancel {
    /// From now on it is over.
    pub fn set(&self) {
        *self.set.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Whether it is over.
    pub fn is_set(&self) -> bool {
        *self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `deadline`, or until it is over; tells whether it is.
    pub fn wait_until(&self, deadline: Instant) -> bool {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let left = deadline.since(Instant::now());
            if *set || left.is_zero() {
                return *set;
            }
            set = self.changed.wait_timeout(set, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
