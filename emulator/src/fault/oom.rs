//! `oom`: the ceiling of a node's memory comes down until the kernel ends the process that is below it: the death of
//! a device on which something else has eaten the memory. Healed, the node has its memory again and its process starts.
//!
//! Version 2 of control groups ends processes as soon as a limit is below what they use. Version 1 refuses such a
//! limit: there it is lowered as far as it goes, and a process that joins the group for a moment asks for one page too
//! many. Which process dies is the kernel's choice then; nodes are marked so that it is them.

use super::catalogue::{Entry, Need};
use super::damage::{Death, Harm};
use super::steps::at_once;
use super::target::Aim;
use super::{FaultError, Hit};
use crate::scenario::NodeTarget;

/// What there is to say of it.
pub const ENTRY: Entry = Entry {
    kind: "oom",
    happens: "the node's memory limit is lowered until the kernel ends its process for want of memory",
    healed: "giving it its memory back and starting it again",
    notice: "as with `kill`",
    needs: Need::MemoryLimits,
    of_a_node: true,
    simulated: true,
};

/// What it does if it fires now.
pub fn aim(aim: &Aim<'_>, target: &NodeTarget) -> Result<Hit, FaultError> {
    let node = aim.node(target)?;
    Ok(Hit::of_a_node(aim, node, at_once(vec![Harm::Dead(node, Death::Memory)])))
}
