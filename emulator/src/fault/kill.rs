//! `kill`: the process of a node is ended by SIGKILL. Healed, it starts again with an empty memory
//! and the state folder it left.

use super::catalogue::{Entry, Need};
use super::damage::{Death, Harm};
use super::steps::at_once;
use super::target::Aim;
use super::{FaultError, Hit};
use crate::scenario::NodeTarget;

/// What there is to say of it.
pub const ENTRY: Entry = Entry {
    kind: "kill",
    happens: "the node's process is ended by SIGKILL",
    healed: "starting it again, with the state folder it left",
    notice: "its connections are closed by the kernel, heartbeats stop",
    needs: Need::Nothing,
    of_a_node: true,
    simulated: true,
};

/// What it does if it fires now.
pub fn aim(aim: &Aim<'_>, target: &NodeTarget) -> Result<Hit, FaultError> {
    let node = aim.node(target)?;
    Ok(Hit::of_a_node(aim, node, at_once(vec![Harm::Dead(node, Death::Signal)])))
}
