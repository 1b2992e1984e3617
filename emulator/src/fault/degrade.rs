//! `degrade`: the direction between two neighbours gets another shape: slower, later, lossier.

use super::damage::{Change, Harm};
use super::target::{Aim, ways};
use super::{FaultError, Hit};
use crate::scenario::{PairTarget, ShapeChange};

pub fn aim(aim: &Aim<'_>, target: &PairTarget, change: &ShapeChange, both: bool) -> Result<Hit, FaultError> {
    let pair = aim.neighbours(target)?;
    let harms = ways(pair, both).map(|way| Harm::Shape(way, Change::Values(change.clone()))).collect();
    Ok(Hit { target: aim.arrow(pair, both), nodes: vec![pair.from, pair.to], harms })
}
