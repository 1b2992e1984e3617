//! `down`: nothing passes between two neighbours, either way. Routes stay as they are, so what was
//! routed over the link is lost, as with a cable that is cut behind a switch.

use super::damage::{Change, Harm};
use super::target::{Aim, ways};
use super::{FaultError, Hit};
use crate::scenario::PairTarget;

pub fn aim(aim: &Aim<'_>, target: &PairTarget) -> Result<Hit, FaultError> {
    let pair = aim.neighbours(target)?;
    let harms = ways(pair, true).map(|way| Harm::Shape(way, Change::Severed)).collect();
    Ok(Hit { target: aim.arrow(pair, true), nodes: vec![pair.from, pair.to], harms })
}
