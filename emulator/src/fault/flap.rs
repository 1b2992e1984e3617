//! `flap`: a link that is down and up in turn, as behind a loose plug. It goes down when the fault fires.

use std::iter::repeat;
use std::time::Duration;

use super::catalogue::{Entry, Need};
use super::down::severed;
use super::steps::turns;
use super::target::Aim;
use super::{FaultError, Hit};
use crate::scenario::PairTarget;

/// What there is to say of it.
pub const ENTRY: Entry = Entry {
    kind: "flap",
    happens: "nothing passes between two neighbours for a share `duty` of each `period`, then everything does",
    healed: "letting it pass",
    notice: "silences, often too short to be taken for anything; what was on the way is lost each time",
    needs: Need::Nothing,
    of_a_node: false,
    simulated: true,
};

/// What it does if it fires now.
pub fn aim(aim: &Aim<'_>, target: &PairTarget, period: Duration, duty: f64) -> Result<Hit, FaultError> {
    let pair = aim.neighbours(target)?;
    let down = period.mul_f64(duty);
    let steps = turns(&severed(pair), ["down", "up"], aim.span, repeat((down, period - down)));
    Ok(Hit::of_a_pair(aim, pair, true, steps))
}
