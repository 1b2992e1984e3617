//! `pause`: the process of a node is frozen. Its connections stay open and say nothing: the failure
//! that only heartbeats can tell.

use super::catalogue::{Entry, Need};
use super::damage::Harm;
use super::steps::at_once;
use super::target::Aim;
use super::{FaultError, Hit};
use crate::scenario::NodeTarget;

/// What there is to say of it.
pub const ENTRY: Entry = Entry {
    kind: "pause",
    happens: "the node's process is frozen (cgroup freezer; SIGSTOP where there is none)",
    healed: "thawing it",
    notice: "heartbeats stop, connections stay open",
    needs: Need::Nothing,
    of_a_node: true,
    simulated: true,
};

/// What it does if it fires now.
pub fn aim(aim: &Aim<'_>, target: &NodeTarget) -> Result<Hit, FaultError> {
    let node = aim.node(target)?;
    Ok(Hit::of_a_node(aim, node, at_once(vec![Harm::Frozen(node)])))
}
