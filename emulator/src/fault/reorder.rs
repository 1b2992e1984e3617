//! `reorder`: a share of the packets between two neighbours skips the delay and so overtakes others. Without a delay
//! there is nothing to skip: where the link has none, the fault must bring one.

use std::time::Duration;

use super::catalogue::{Entry, Need};
use super::target::{Aim, ways};
use super::{FaultError, Hit, degrade};
use crate::scenario::network::Shape;
use crate::scenario::{PairTarget, ShapeChange};

/// What there is to say of it.
pub const ENTRY: Entry = Entry {
    kind: "reorder",
    happens: "a share of the packets between two neighbours skips the delay (the link's, or `delay` meanwhile) and overtakes others",
    healed: "the values it had",
    notice: "spurious resending by TCP; datagrams in another order",
    needs: Need::Nothing,
    of_a_node: false,
    simulated: false,
};

/// What it does if it fires now.
pub fn aim(
    aim: &Aim<'_>,
    target: &PairTarget,
    share: f64,
    delay: Option<Duration>,
    both: bool,
) -> Result<Hit, FaultError> {
    let pair = aim.neighbours(target)?;
    if let Some(way) = ways(pair, both).find(|way| delay.is_none() && !aim.has_delay(*way)) {
        return Err(FaultError::NoDelay(aim.arrow(way, false)));
    }
    let shape = Shape { reorder: share, delay: delay.unwrap_or_default(), ..Shape::default() };
    degrade::aim(aim, target, &ShapeChange::to(&shape), both)
}
