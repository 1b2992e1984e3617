//! `restart`: the process of a node is ended by SIGKILL and started again, at once or when the fault is healed. What
//! it does while it holds is what [`kill`](super::kill) does: only a `for` that isn't given means another time.

use super::catalogue::{Entry, Need};
use super::target::Aim;
use super::{FaultError, Hit};
use crate::scenario::NodeTarget;

/// What there is to say of it.
pub const ENTRY: Entry = Entry {
    kind: "restart",
    happens: "the node's process is ended by SIGKILL and started again: as soon as it has ended, or after `for`",
    healed: "starting it again, with the state folder it left",
    notice: "its connections are closed; a new process answers, which knows nothing",
    needs: Need::Nothing,
    of_a_node: true,
    simulated: true,
};

/// What it does if it fires now.
pub fn aim(aim: &Aim<'_>, target: &NodeTarget) -> Result<Hit, FaultError> {
    super::kill::aim(aim, target)
}
