//! Rates and delays between nodes, measured while the cluster is idle, as SEIFER does with iperf
//! (Parthasarathy and Krishnamachari, arXiv 2304.11941).
//!
//! Every node of a probed cluster runs an agent ([`agent`]). The dispatcher ([`survey`]) tells each agent
//! in turn whom to measure, such that no node takes part in two measurements at once ([`schedule`]). One
//! measurement, of one direction ([`measurement`]):
//!
//! 1. a few pings; half of the shortest round trip is the delay,
//! 2. a train of a few packets, from which the receiver gets a rough rate,
//! 3. a longer train, somewhat faster than that rate, so that the slowest hop is never idle: the rate at
//!    which its packets arrive is that hop's ([`train`]).
//!
//! The longer train is repeated until the two fastest agree: a host that is busy with other things makes a hop look slower
//! than it is (Kapoor et al., *CapProbe*, SIGCOMM 2004, keep the train that waited least for the same reason).
//!
//! Rates count bytes on the wire with the Ethernet header, as scenarios do. What is measured is one pair by
//! itself. Where pairs share links, trains that pass them at the same time would see only their part; the
//! survey tries whether they do and then measures one pair at a time, which takes its time.

pub mod agent;
pub mod datagram;
mod measurement;
pub mod schedule;
pub mod survey;
pub mod train;

use std::time::Duration;

use planner::units::Rate;
use serde::{Deserialize, Serialize};

/// What was measured of one direction between two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// Rate of the slowest hop; `None` when packets arrived faster than can be told.
    pub rate: Option<Rate>,
    /// Half of the shortest round trip.
    pub delay: Duration,
}

/// From the dispatcher to an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The agent to send to.
    pub to: std::net::SocketAddr,
    /// Time for it.
    pub limit: Duration,
}

/// What an agent answers to an [`Order`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// What was measured; `None` when the other agent did not answer in time.
    pub measured: Option<Measured>,
}
