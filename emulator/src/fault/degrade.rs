//! `degrade`: the direction between two neighbours gets another shape: slower, later, lossier. Kinds that change one
//! value alone do it by this.

use super::catalogue::{Entry, Need};
use super::damage::{Change, Harm};
use super::steps::at_once;
use super::target::{Aim, ways};
use super::{FaultError, Hit};
use crate::scenario::{PairTarget, ShapeChange};

/// What there is to say of it.
pub const ENTRY: Entry = Entry {
    kind: "degrade",
    happens: "the direction between two neighbours gets other values: `rate`, `delay`, `jitter`, `loss`, …",
    healed: "the values it had",
    notice: "slower, later or lossier traffic; often nothing at all",
    needs: Need::Nothing,
    of_a_node: false,
    simulated: true,
};

/// What it does if it fires now.
pub fn aim(aim: &Aim<'_>, target: &PairTarget, change: &ShapeChange, both: bool) -> Result<Hit, FaultError> {
    let pair = aim.neighbours(target)?;
    let harms = ways(pair, both).map(|way| Harm::Shape(way, Change::Values(change.clone()))).collect();
    Ok(Hit::of_a_pair(aim, pair, both, at_once(harms)))
}
