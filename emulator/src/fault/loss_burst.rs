//! `loss-burst`: packets between two neighbours are lost in bursts, as where something passes through a beam: the
//! Gilbert-Elliott model, with everything lost in its bad state.

use super::catalogue::{Entry, Need};
use super::target::Aim;
use super::{FaultError, Hit, degrade};
use crate::scenario::network::{Loss, Shape};
use crate::scenario::{PairTarget, ShapeChange};

/// What there is to say of it.
pub const ENTRY: Entry = Entry {
    kind: "loss-burst",
    happens: "a share `loss` of the packets between two neighbours is lost, in bursts of `length` packets on average",
    healed: "the loss it had",
    notice: "resent and late data; long bursts look like silence",
    needs: Need::Nothing,
    of_a_node: false,
    simulated: false,
};

/// What it does if it fires now.
pub fn aim(aim: &Aim<'_>, target: &PairTarget, loss: f64, length: u32, both: bool) -> Result<Hit, FaultError> {
    // Of the time in the bad state, the share is p / (p + r); a stay in it is 1 / r packets long.
    let r = 1.0 / f64::from(length.max(1));
    let p = (r * loss / (1.0 - loss)).min(1.0);
    let shape = Shape { loss: Loss::GilbertElliott { p, r, bad: 1.0, good: 0.0 }, ..Shape::default() };
    degrade::aim(aim, target, &ShapeChange::to(&shape), both)
}
