//! `corrupt`: a share of the packets between two neighbours arrives with a bit flipped.

use super::catalogue::{Entry, Need};
use super::target::Aim;
use super::{FaultError, Hit, degrade};
use crate::scenario::network::Shape;
use crate::scenario::{PairTarget, ShapeChange};

/// What there is to say of it.
pub const ENTRY: Entry = Entry {
    kind: "corrupt",
    happens: "a share of the packets between two neighbours arrives with one bit flipped",
    healed: "the share it had",
    notice: "as with loss where a checksum finds it, as for TCP; a datagram without one is wrong",
    needs: Need::Nothing,
    of_a_node: false,
    simulated: false,
};

/// What it does if it fires now.
pub fn aim(aim: &Aim<'_>, target: &PairTarget, share: f64, both: bool) -> Result<Hit, FaultError> {
    let shape = Shape { corrupt: share, ..Shape::default() };
    degrade::aim(aim, target, &ShapeChange::to(&shape), both)
}
