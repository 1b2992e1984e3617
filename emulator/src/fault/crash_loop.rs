//! `crash-loop`: the process of a node dies, is started again after `down`, dies `up` after that, and so on: a
//! supervisor that starts what can't live.

use std::iter::repeat;
use std::time::Duration;

use super::catalogue::{Entry, Need};
use super::damage::{Death, Harm};
use super::steps::turns;
use super::target::Aim;
use super::{FaultError, Hit};
use crate::scenario::NodeTarget;

/// What there is to say of it.
pub const ENTRY: Entry = Entry {
    kind: "crash-loop",
    happens: "the node's process is ended by SIGKILL, started again after `down`, ended `up` later, and so on",
    healed: "starting it again for good",
    notice: "its connections are closed again and again; it may come back into a plan and leave it",
    needs: Need::Nothing,
    of_a_node: true,
    simulated: true,
};

/// What it does if it fires now.
pub fn aim(aim: &Aim<'_>, target: &NodeTarget, up: Duration, down: Duration) -> Result<Hit, FaultError> {
    let node = aim.node(target)?;
    let dead = [Harm::Dead(node, Death::Signal)];
    Ok(Hit::of_a_node(aim, node, turns(&dead, ["dead", "started"], aim.span, repeat((down, up)))))
}
