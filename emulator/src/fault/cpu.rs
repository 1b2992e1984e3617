//! `cpu`: the process of a node gets less of the processors, at once or little by little: another program on the
//! device, or one that throttles because it is hot.
//!
//! A node with a `slowdown` holds its results back anyway, so what its computing doesn't need it can lose without being
//! slower. What makes a device slower in any case is a [`straggler`](super::straggler).

use std::time::Duration;

use super::catalogue::{Entry, Need};
use super::damage::Harm;
use super::steps::ramp;
use super::target::Aim;
use super::{FaultError, Hit};
use crate::scenario::NodeTarget;

/// What there is to say of it.
pub const ENTRY: Entry = Entry {
    kind: "cpu",
    happens: "the node's process may use only so many `cores`, at once or down a ramp (`over`)",
    healed: "its own limit, or none",
    notice: "its stage takes longer than planned, as with `straggler`; everything that it does is late, heartbeats too when little is left",
    needs: Need::CpuLimits,
    of_a_node: true,
    simulated: false,
};

/// What it does if it fires now.
pub fn aim(aim: &Aim<'_>, target: &NodeTarget, [from, cores]: [f64; 2], over: Duration) -> Result<Hit, FaultError> {
    let node = aim.node(target)?;
    let steps = ramp(from, cores, over, aim.span, |cores| (format!("{cores:.2} cores"), Harm::Cores(node, cores)));
    Ok(Hit::of_a_node(aim, node, steps))
}
