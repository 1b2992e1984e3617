//! The few figures that are shown while load goes on. The summary is computed from the event log.

use std::collections::VecDeque;
use std::time::Duration;

use node::clock::Instant;
use node::telemetry::Event;

use crate::report::progress::LoadState;

/// Counts what the client says.
#[derive(Debug, Default)]
pub struct Tally {
    offered: u64,
    completed: u64,
    errored: u64,
    recent: VecDeque<Instant>,
    drained: bool,
}

/// What "per second" averages over.
const WINDOW: Duration = Duration::from_secs(5);

impl Tally {
    /// A node said something.
    pub fn hear(&mut self, at: Instant, event: &Event) {
        match event {
            Event::Offered { .. } => self.offered += 1,
            Event::Errored { .. } => self.errored += 1,
            Event::Completed { .. } => {
                self.completed += 1;
                self.recent.push_back(at);
            }
            Event::Drained { .. } => self.drained = true,
            _ => return,
        }
        while self.recent.front().is_some_and(|first| at.since(*first) > WINDOW) {
            self.recent.pop_front();
        }
    }

    /// Whether the client has nothing outstanding any more.
    pub fn is_drained(&self) -> bool {
        self.drained
    }

    /// The state of load, `elapsed` after it began.
    pub fn state(&self, elapsed: Duration, duration: Duration) -> LoadState {
        let window = WINDOW.min(elapsed).as_secs_f64().max(1.0);
        LoadState {
            elapsed,
            duration,
            completed: self.completed,
            outstanding: self.offered.saturating_sub(self.completed + self.errored),
            per_second: self.recent.len() as f64 / window,
        }
    }
}
