//! `pause`: the process of a node is frozen. Its connections stay open and say nothing: the failure
//! that only heartbeats can tell.

use super::damage::Harm;
use super::target::Aim;
use super::{FaultError, Hit};
use crate::scenario::NodeTarget;

pub fn aim(aim: &Aim<'_>, target: &NodeTarget) -> Result<Hit, FaultError> {
    let node = aim.node(target)?;
    Ok(Hit { target: aim.names[node].clone(), nodes: vec![node], harms: vec![Harm::Frozen(node)] })
}
