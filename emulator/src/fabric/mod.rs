//! The emulated network: a network namespace for each host, links and media between them, addresses,
//! routes, neighbours, and a **carrier** that gives every direction its shape.

use serde::{Deserialize, Serialize};

/// What passed in one direction, as its carrier counted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Packets delivered, counted as full-size packets on the wire.
    pub packets: u64,
    /// Bytes delivered, with Ethernet headers.
    pub bytes: u64,
    /// Packets lost because the shape says so.
    pub lost: u64,
    /// Packets dropped because the queue was full.
    pub overflowed: u64,
}
