//! `eio`: a share of what a node's disk is asked fails with EIO, as on a medium that is dying. Which operations that are is drawn
//! one by one, from the scenario's seed.
//!
//! It needs a layer over the node's state folder ([`crate::sandbox::layer`]).

use super::catalogue::{Entry, Need};
use super::damage::Harm;
use super::steps::at_once;
use super::target::Aim;
use super::{FaultError, Hit};
use crate::sandbox::layer::Errors;
use crate::scenario::NodeTarget;

/// What there is to say of it.
pub const ENTRY: Entry = Entry {
    kind: "eio",
    happens: "a `share` of the `operations` (read, write, sync) in the node's state folder fails with EIO",
    healed: "letting all of them succeed",
    notice: "file operations fail (EIO); a runtime that stores nothing doesn't notice",
    needs: Need::Fuse,
    of_a_node: true,
    simulated: false,
};

/// What it does if it fires now.
pub fn aim(aim: &Aim<'_>, target: &NodeTarget, errors: Errors) -> Result<Hit, FaultError> {
    let node = aim.node(target)?;
    Ok(Hit::of_a_node(aim, node, at_once(vec![Harm::FailingDisk(node, errors)])))
}
