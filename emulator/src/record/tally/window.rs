//! Stretches of time, and what was measured in them.

use std::time::Duration;

use node::clock::Instant;

/// From one instant until just before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its beginning.
    pub from: Instant,
    /// Its end.
    pub to: Instant,
}

impl Window {
    /// Whether an instant is within.
    pub fn contains(&self, at: Instant) -> bool {
        self.from <= at && at < self.to
    }

    /// For how long it and the time between two instants are the same.
    pub fn overlap(&self, from: Instant, to: Instant) -> Duration {
        self.to.min(to).since(self.from.max(from))
    }

    /// How long it is.
    pub fn length(&self) -> Duration {
        self.to.since(self.from)
    }
}

/// The latency of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When its first result arrived.
    pub completed: Instant,
    /// Time from the instant at which it was scheduled.
    pub latency: Duration,
    /// Time from the instant at which it was sent: hides the wait of requests that could not be sent on time.
    pub uncorrected: Duration,
}
