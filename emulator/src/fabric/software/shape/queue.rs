//! The stage that bounds how much may wait for the rate.

/// A tail-drop queue, counted in bytes on the wire, the packet being transmitted included.
#[derive(Debug, Clone, Copy)]
pub struct Queue {
    limit: u64,
}

impl Queue {
    /// One that holds `limit` bytes.
    pub fn new(limit: u64) -> Queue {
        Queue { limit }
    }

    /// Whether `bytes` more fit behind `backlog` bytes. One packet always fits into an empty queue, or
    /// a queue smaller than a packet would be a link on which nothing passes.
    pub fn admits(&self, backlog: u64, bytes: u32) -> bool {
        backlog == 0 || backlog.saturating_add(u64::from(bytes)) <= self.limit
    }

    /// The limit in bytes.
    pub fn limit(&self) -> u64 {
        self.limit
    }
}
