//! `read-only`: a node's state folder can't be changed, as after an error of the disk. The kernel refuses it while a file
//! in there is open for writing; then the fault could not be fired, with that reason.

use super::catalogue::{Entry, Need};
use super::damage::Harm;
use super::steps::at_once;
use super::target::Aim;
use super::{FaultError, Hit};
use crate::scenario::NodeTarget;

/// What there is to say of it.
pub const ENTRY: Entry = Entry {
    kind: "read-only",
    happens: "the node's state folder is remounted read-only; refused while a file in it is open for writing",
    healed: "remounting it",
    notice: "writing and making files fail (EROFS); a runtime that stores nothing doesn't notice",
    needs: Need::Nothing,
    of_a_node: true,
    simulated: false,
};

/// What it does if it fires now.
pub fn aim(aim: &Aim<'_>, target: &NodeTarget) -> Result<Hit, FaultError> {
    let node = aim.node(target)?;
    Ok(Hit::of_a_node(aim, node, at_once(vec![Harm::ReadOnly(node)])))
}
