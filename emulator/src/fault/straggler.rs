//! `straggler`: the device of a node computes so many times slower than it does, at once or more and more.
//!
//! How fast a device is, is a deadline in this testbed: a stage holds its result back until `slowdown` times the profiled
//! time has passed. A slower device is a later deadline, so the testbed tells the node the factor over its telemetry
//! socket. A CPU quota would be the wrong means: it would do nothing as long as there is time until the deadline, it
//! would hold up heartbeats and sending, which a hot or old device doesn't, and how much slower it makes a node would
//! depend on the host. (Where just that is wanted, there is [`cpu`](super::cpu).)
//!
//! It takes effect when the node has been told: with the next result at the latest.

use std::time::Duration;

use super::catalogue::{Entry, Need};
use super::damage::Harm;
use super::steps::ramp;
use super::target::Aim;
use super::{FaultError, Hit};
use crate::scenario::NodeTarget;

/// What there is to say of it.
pub const ENTRY: Entry = Entry {
    kind: "straggler",
    happens: "the node computes `factor` times slower than it does, at once or more and more (`over`)",
    healed: "computing as before",
    notice: "how long its stage computes, which heartbeats tell: slower than the others, it is planned around; connections are as ever",
    needs: Need::Nothing,
    of_a_node: true,
    simulated: true,
};

/// What it does if it fires now.
pub fn aim(aim: &Aim<'_>, target: &NodeTarget, factor: f64, over: Duration) -> Result<Hit, FaultError> {
    let node = aim.node(target)?;
    let steps = ramp(1.0, factor, over, aim.span, |factor| (format!("{factor:.2} times"), Harm::Slow(node, factor)));
    Ok(Hit::of_a_node(aim, node, steps))
}
