//! `bit-flip`: one bit of a file that a node has stored is another, as after years in flash memory.

use super::catalogue::{Entry, Need};
use super::damage::{Harm, Spoil, Spoiling};
use super::steps::at_once;
use super::target::Aim;
use super::{FaultError, Hit};
use crate::scenario::NodeTarget;

/// What there is to say of it.
pub const ENTRY: Entry = Entry {
    kind: "bit-flip",
    happens: "one bit of a file in the node's state folder is flipped: of `file`, or of the largest",
    healed: "nothing: what is spoilt stays so",
    notice: "a wrong checksum, when the file is read again; a process that has it in memory, nothing",
    needs: Need::Nothing,
    of_a_node: true,
    simulated: false,
};

/// What it does if it fires now.
pub fn aim(aim: &Aim<'_>, target: &NodeTarget, file: Option<String>, seed: u64) -> Result<Hit, FaultError> {
    let node = aim.node(target)?;
    let spoil = Spoil { file, how: Spoiling::Flip { seed } };
    Ok(Hit::of_a_node(aim, node, at_once(vec![Harm::Spoilt(node, spoil)])))
}
