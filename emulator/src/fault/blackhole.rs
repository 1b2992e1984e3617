//! `blackhole`: what one host sends to another vanishes at the receiver, whatever way it came. Other
//! traffic over the same links is untouched, and nobody is told.

use super::damage::Harm;
use super::target::{Aim, ways};
use super::{FaultError, Hit};
use crate::scenario::PairTarget;

pub fn aim(aim: &Aim<'_>, target: &PairTarget, both: bool) -> Result<Hit, FaultError> {
    let pair = aim.pair(target)?;
    let harms = ways(pair, both).map(Harm::Blocked).collect();
    Ok(Hit { target: aim.arrow(pair, both), nodes: vec![pair.from, pair.to], harms })
}
