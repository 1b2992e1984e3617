//! `disk-full`: a node's state folder has no room left, as if something else had filled the disk. What the node deletes
//! makes room for as much.

use super::catalogue::{Entry, Need};
use super::damage::Harm;
use super::steps::at_once;
use super::target::Aim;
use super::{FaultError, Hit};
use crate::scenario::NodeTarget;

/// What there is to say of it.
pub const ENTRY: Entry = Entry {
    kind: "disk-full",
    happens: "nothing more fits into the node's state folder: it has the size of what is in it",
    healed: "the size it had",
    notice: "writing and making files fail (ENOSPC); a runtime that stores nothing doesn't notice",
    needs: Need::Nothing,
    of_a_node: true,
    simulated: false,
};

/// What it does if it fires now.
pub fn aim(aim: &Aim<'_>, target: &NodeTarget) -> Result<Hit, FaultError> {
    let node = aim.node(target)?;
    Ok(Hit::of_a_node(aim, node, at_once(vec![Harm::Full(node)])))
}
