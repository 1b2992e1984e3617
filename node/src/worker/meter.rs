//! How much the stage has computed, for the dispatcher to compare with its plan.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::wire::message::Work;

/// Counts what is computed in an epoch.
#[derive(Debug, Default)]
pub struct Meter(Mutex<Option<Work>>);

impl Meter {
    /// A request of this epoch took so long.
    pub fn add(&self, epoch: u32, time: Duration) {
        let mut work = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = work.filter(|work| work.epoch == epoch).map_or((0, Duration::ZERO), |w| (w.requests, w.computed));
        *work = Some(Work { epoch, requests: before.0 + 1, computed: before.1 + time });
    }

    /// What was computed in the newest epoch in which anything was.
    pub fn read(&self) -> Option<Work> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
