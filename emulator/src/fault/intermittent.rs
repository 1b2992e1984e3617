//! `intermittent`: a node that lives on what it harvests: it is off for a while, then on for a while, and both vary.
//! It goes off when the fault fires.
//!
//! What a device loses with its power is its process and memory; its state folder stays, as flash memory does.

use std::iter::repeat_with;
use std::time::Duration;

use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use super::catalogue::{Entry, Need};
use super::damage::{Death, Harm};
use super::steps::turns;
use super::target::Aim;
use super::{FaultError, Hit};
use crate::scenario::NodeTarget;

/// What there is to say of it.
pub const ENTRY: Entry = Entry {
    kind: "intermittent",
    happens: "the node is off for `off`, then on for `on`, and so on, each varied by up to `jitter`; off is the end of its process",
    healed: "starting it for good",
    notice: "what `crash-loop` shows; whether it is worth a stage depends on how long it is on",
    needs: Need::Nothing,
    of_a_node: true,
    simulated: true,
};

/// What it does if it fires now.
pub fn aim(
    aim: &Aim<'_>,
    target: &NodeTarget,
    [on, off]: [Duration; 2],
    jitter: f64,
    seed: u64,
) -> Result<Hit, FaultError> {
    let node = aim.node(target)?;
    let dead = [Harm::Dead(node, Death::Signal)];
    let mut dice = Pcg64::seed_from_u64(seed);
    let mut varied = move |time: Duration| {
        let share = dice.next_u64() as f64 / u64::MAX as f64;
        time.mul_f64(1.0 + jitter * (2.0 * share - 1.0)).max(LEAST)
    };
    let times = repeat_with(|| (varied(off), varied(on)));
    Ok(Hit::of_a_node(aim, node, turns(&dead, ["off", "on"], aim.span, times)))
}

/// No turn is shorter, however it varies.
const LEAST: Duration = Duration::from_millis(1);
