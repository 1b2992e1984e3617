//! What carries packets between hosts. The fabric makes the hosts' namespaces, addresses and routes; a
//! [`Carrier`] makes the interfaces in those namespaces and gives every direction its shape. Two
//! carriers with one meaning: [`netem`](super::netem) and [`software`](super::software).
//!
//! The order of calls: [`Carrier::add_link`] and [`Carrier::add_medium`] for all of the network, then
//! [`Carrier::start`] once, then [`Carrier::set_shape`] and [`Carrier::counters`] as often as wanted.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::lateness::Lateness;
use super::namespace::{Namespace, NamespaceError};
use super::netlink::NetlinkError;
use super::veth::{End, Mac};
use super::{Counters, Direction, Shape};
use crate::scenario::network::Medium;

/// Where a carrier is to make an interface of a host.
#[derive(Debug, Clone, Copy)]
pub struct Plug<'a> {
    /// The host, as [`Direction`] numbers it.
    pub host: usize,
    /// Its namespace.
    pub namespace: &'a Arc<Namespace>,
    /// The interface's name there, `eth0` and so on.
    pub name: &'a str,
    /// The interface's index there, not yet in use: given on creation, so that nobody has to look it up.
    pub index: u32,
    /// The interface's hardware address: unique in the network, and what every frame for this host over
    /// this link or medium is addressed to, since neighbours are pre-filled.
    pub mac: Mac,
}

impl<'a> Plug<'a> {
    /// The interface as one end of a pair.
    pub fn end(self) -> End<'a> {
        End { namespace: self.namespace, name: self.name, index: self.index, mac: self.mac }
    }
}

/// Makes links and media, shapes them and counts what passes.
pub trait Carrier: Send {
    /// `netem`, `software` or `software-precise`; ends up in results.
    fn name(&self) -> &'static str;

    /// Joins two hosts. Afterwards each has the interface its plug asks for: with that name, index and
    /// MAC, an MTU of 1500, up, and without ARP ([`super::veth::create`] makes one like that).
    fn add_link(&mut self, a: Plug<'_>, b: Plug<'_>, a_to_b: &Shape, b_to_a: &Shape) -> Result<(), CarrierError>;

    /// Joins the members of a medium, in their order. Each has one interface afterwards, as for [`Carrier::add_link`]. A frame's
    /// direction follows from its two MACs.
    fn add_medium(&mut self, medium: &Medium, members: &[Plug<'_>]) -> Result<(), CarrierError>;

    /// Everything is plugged in: let packets pass.
    fn start(&mut self) -> Result<(), CarrierError>;

    /// Gives one direction another shape; packets under way aren't lost by that. Returns the shape in
    /// force, as read back from whatever enforces it, after comparing it with what was asked.
    fn set_shape(&mut self, direction: Direction, shape: &Shape) -> Result<Shape, CarrierError>;

    /// What passed in every direction since the start.
    fn counters(&mut self) -> Result<BTreeMap<Direction, Counters>, CarrierError>;

    /// How it is doing: what a result is judged by, and nothing of it crosses the network. Cheap enough for once a second.
    fn vitals(&mut self) -> Result<Vitals, CarrierError>;

    /// How many full-size packets may travel as one super-frame (segmentation offload) through a direction of
    /// this shape without the shape acting differently from what it would do to the packets one by one.
    /// The fabric tells the senders' interfaces. At least 1; [`UNLIMITED_SEGMENTS`] is no limit.
    fn longest_super_frame(&self, shape: &Shape) -> u32;

    /// In which respects the carrier can't do all that it should here, for the run's warnings: each a sentence.
    fn warnings(&self) -> Vec<String>;
}

/// How a carrier is doing.
#[derive(Debug, Clone, Default)]
pub struct Vitals {
    /// What passed in every direction since the start.
    pub counters: BTreeMap<Direction, Counters>,
    /// Packets that are in it now: they wait for their rate or their delay. Only directions with any.
    pub under_way: BTreeMap<Direction, u64>,
    /// How late packets left since the start; `None`: the kernel lets them leave.
    pub lateness: Option<Lateness>,
    /// Packets that were dropped before the carrier could read them, since the start.
    pub unread: u64,
    /// How many threads of this process forward.
    pub threads: usize,
    /// Directions in which something else is in force than what was asked, and what that is.
    pub amiss: Vec<(Direction, String)>,
    /// Why that could not be seen everywhere, if so.
    pub unseen: Option<String>,
}

/// More full-size packets than any super-frame has.
pub const UNLIMITED_SEGMENTS: u32 = 65_535;

/// A carrier could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CarrierError {
    /// The kernel refused an interface, a queueing discipline or a filter.
    #[error("{action}")]
    Netlink {
        /// What was being done.
        action: String,
        /// The kernel's answer.
        source: NetlinkError,
    },
    /// A namespace of the carrier's own could not be made or entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A system call failed.
    #[error("{action}")]
    Io {
        /// What was being done.
        action: String,
        /// The system's answer.
        source: io::Error,
    },
    /// No link or medium joins these two hosts.
    #[error("no link or medium leads from host {} to host {}", .0.from, .0.to)]
    NoSuchDirection(Direction),
    /// Two links or media join the same two hosts, so that a direction would be ambiguous.
    #[error("hosts {} and {} are joined more than once", .0.from, .0.to)]
    JoinedTwice(Direction),
    /// What is in force is not what was asked.
    #[error("from host {} to host {}: asked for {parameter} {asked}, but {got} is in force", direction.from, direction.to)]
    Mismatch {
        /// Where.
        direction: Direction,
        /// Which parameter.
        parameter: &'static str,
        /// What was asked.
        asked: String,
        /// What is in force.
        got: String,
    },
    /// This carrier can't do it on any kernel.
    #[error("the {carrier} carrier can't {what}; {instead}")]
    Unsupported {
        /// Which carrier.
        carrier: &'static str,
        /// What it can't do.
        what: &'static str,
        /// What to do instead.
        instead: &'static str,
    },
    /// This carrier doesn't work here.
    #[error("the {carrier} carrier is not available here: {reason}")]
    Unavailable {
        /// Which carrier.
        carrier: &'static str,
        /// The kernel's reason.
        reason: String,
    },
    /// The carrier's own thread has ended.
    #[error("the forwarding thread has ended: {reason}")]
    Ended {
        /// Why.
        reason: String,
    },
}

impl CarrierError {
    /// For `map_err`: the kernel refused `action`.
    pub fn netlink(action: impl Into<String>) -> impl FnOnce(NetlinkError) -> CarrierError {
        move |source| CarrierError::Netlink { action: action.into(), source }
    }

    /// For `map_err`: a system call of `action` failed.
    pub fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> CarrierError {
        move |source| CarrierError::Io { action: action.into(), source }
    }
}
