//! `blackhole`: what one host sends to another vanishes at the receiver, whatever way it came. Other
//! traffic over the same links is untouched, and nobody is told.

use super::catalogue::{Entry, Need};
use super::damage::Harm;
use super::steps::at_once;
use super::target::{Aim, ways};
use super::{FaultError, Hit};
use crate::scenario::PairTarget;

/// What there is to say of it.
pub const ENTRY: Entry = Entry {
    kind: "blackhole",
    happens: "what one node sends to another vanishes at the receiver, whatever way it came; the other way too, unless `both = false`",
    healed: "letting it through",
    notice: "silence on that pair only",
    needs: Need::Nothing,
    of_a_node: false,
    simulated: true,
};

/// What it does if it fires now.
pub fn aim(aim: &Aim<'_>, target: &PairTarget, both: bool) -> Result<Hit, FaultError> {
    let pair = aim.pair(target)?;
    Ok(Hit::of_a_pair(aim, pair, both, at_once(ways(pair, both).map(Harm::Blocked).collect())))
}
