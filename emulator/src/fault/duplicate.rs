//! `duplicate`: a share of the packets between two neighbours arrives twice.

use super::catalogue::{Entry, Need};
use super::target::Aim;
use super::{FaultError, Hit, degrade};
use crate::scenario::network::Shape;
use crate::scenario::{PairTarget, ShapeChange};

/// What there is to say of it.
pub const ENTRY: Entry = Entry {
    kind: "duplicate",
    happens: "a share of the packets between two neighbours arrives twice",
    healed: "the share it had",
    notice: "nothing but traffic: TCP drops what it has; a datagram comes twice",
    needs: Need::Nothing,
    of_a_node: false,
    simulated: false,
};

/// What it does if it fires now.
pub fn aim(aim: &Aim<'_>, target: &PairTarget, share: f64, both: bool) -> Result<Hit, FaultError> {
    let shape = Shape { duplicate: share, ..Shape::default() };
    degrade::aim(aim, target, &ShapeChange::to(&shape), both)
}
