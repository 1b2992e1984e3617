//! `clock`: the node is started again with a clock that is ahead: a device that came up with another idea of how late it is.
//!
//! The clock that can be moved is CLOCK_MONOTONIC (with CLOCK_BOOTTIME), in a time namespace, and only for a process that begins there. So
//! the node's process ends when the fault fires and again just before it heals. What the node tells of its instants is
//! set back by as much, so that the record stays on one clock: the node's own reckoning is all that is wrong.

use std::time::Duration;

use planner::units::format_duration;

use super::catalogue::{Entry, Need};
use super::damage::{Death, Harm};
use super::steps::Step;
use super::target::Aim;
use super::{FaultError, Hit};
use crate::scenario::NodeTarget;

/// What there is to say of it.
pub const ENTRY: Entry = Entry {
    kind: "clock",
    happens: "the node's process is ended by SIGKILL and started again with its clock `ahead` by so much",
    healed: "starting it once more, with the right clock",
    notice: "what `restart` shows; after that nothing, as long as no node believes another's clock or its own former one",
    needs: Need::TimeNamespace,
    of_a_node: true,
    simulated: true,
};

/// How long before its next start the process is ended.
const GONE: Duration = Duration::from_millis(1);

/// What it does if it fires now.
pub fn aim(aim: &Aim<'_>, target: &NodeTarget, ahead: Duration) -> Result<Hit, FaultError> {
    let node = aim.node(target)?;
    let clock = Harm::Ahead(node, ahead);
    let step = |after, what: &str, harms| Step { after, what: what.to_owned(), harms };
    let ended = |after| step(after, "ended", vec![clock.clone(), Harm::Dead(node, Death::Signal)]);
    let mut steps = vec![ended(Duration::ZERO)];
    if aim.span > GONE {
        steps.push(step(GONE, &format!("{} ahead", format_duration(ahead)), vec![clock.clone()]));
    }
    // A clock is not put right while a process looks at it.
    if aim.heals && aim.span > 2 * GONE {
        steps.push(ended(aim.span - GONE));
    }
    Ok(Hit::of_a_node(aim, node, steps))
}
