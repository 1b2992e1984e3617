//! `kill`: the process of a node is ended by SIGKILL. Healed, it starts again with an empty memory
//! and the state folder it left.

use super::damage::Harm;
use super::target::Aim;
use super::{FaultError, Hit};
use crate::scenario::NodeTarget;

pub fn aim(aim: &Aim<'_>, target: &NodeTarget) -> Result<Hit, FaultError> {
    let node = aim.node(target)?;
    Ok(Hit { target: aim.names[node].clone(), nodes: vec![node], harms: vec![Harm::Dead(node)] })
}
