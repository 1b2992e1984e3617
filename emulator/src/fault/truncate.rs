//! `truncate`: the end of a file that a node has stored is gone, as after a power cut before it was all written.

use super::catalogue::{Entry, Need};
use super::damage::{Harm, Spoil, Spoiling};
use super::steps::at_once;
use super::target::Aim;
use super::{FaultError, Hit};
use crate::scenario::NodeTarget;

/// What there is to say of it.
pub const ENTRY: Entry = Entry {
    kind: "truncate",
    happens: "the end of a file in the node's state folder is cut off, so that a share `keep` is left: of `file`, or of the largest",
    healed: "nothing: what is spoilt stays so",
    notice: "a file that ends too soon, when it is read again",
    needs: Need::Nothing,
    of_a_node: true,
    simulated: false,
};

/// What it does if it fires now.
pub fn aim(aim: &Aim<'_>, target: &NodeTarget, file: Option<String>, keep: f64) -> Result<Hit, FaultError> {
    let node = aim.node(target)?;
    let spoil = Spoil { file, how: Spoiling::Cut { keep } };
    Ok(Hit::of_a_node(aim, node, at_once(vec![Harm::Spoilt(node, spoil)])))
}
