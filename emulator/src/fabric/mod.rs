//! The emulated network: a network namespace for each host, links and media between them, addresses,
//! routes, neighbours, and a **carrier** that gives every direction its shape.
//!
//! [`Fabric::build`] makes all of it from a [`Network`]; nothing is named on the host, and when the
//! [`Fabric`] is dropped the kernel takes everything away. The [`carrier`] module has the seam between
//! what is common and what [`netem`] and [`software`] do each in their own way.

pub mod address;
mod build;
mod cabling;
pub mod carrier;
pub mod distribution;
mod gso;
pub mod lateness;
pub mod namespace;
pub mod netem;
pub mod netlink;
pub mod probe;
pub mod routes;
pub mod software;
#[cfg(test)]
mod tests;
pub mod trial;
pub mod veth;

use serde::{Deserialize, Serialize};

pub use crate::scenario::network::{Direction, Network, Shape};
pub use build::{Fabric, FabricError, Port};
pub use carrier::{Carrier, CarrierError, Vitals};
pub use namespace::Namespace;
pub use probe::CarrierChoice;

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
    /// Packets dropped though the queue had room, because they had waited too long (`aqm`).
    #[serde(default)]
    pub aqm_dropped: u64,
    /// Packets that the carrier itself had no room for, or could not give to the receiver: no link's doing.
    #[serde(default)]
    pub refused: u64,
}

impl Counters {
    /// Both together; no further than the largest number, which only a damaged log comes to.
    pub fn with(&self, other: &Counters) -> Counters {
        self.each(other, u64::saturating_add)
    }

    /// What came since `earlier`.
    pub fn since(&self, earlier: &Counters) -> Counters {
        self.each(earlier, u64::saturating_sub)
    }

    fn each(&self, other: &Counters, of: fn(u64, u64) -> u64) -> Counters {
        Counters {
            packets: of(self.packets, other.packets),
            bytes: of(self.bytes, other.bytes),
            lost: of(self.lost, other.lost),
            overflowed: of(self.overflowed, other.overflowed),
            aqm_dropped: of(self.aqm_dropped, other.aqm_dropped),
            refused: of(self.refused, other.refused),
        }
    }
}
