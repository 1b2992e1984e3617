//! What breaks, and when. One file per kind of fault; the [`timeline`] fires and heals them on time.
//!
//! Faults overlap. Each one adds its own **damage** to what it hits and takes only that away when it
//! heals ([`damage`]): a link that two faults hold down comes up when the second lets go of it.

pub mod damage;
pub mod timeline;

mod blackhole;
mod degrade;
mod down;
mod kill;
mod partition;
mod pause;
mod target;

use crate::fabric::FabricError;
use crate::fleet::FleetError;
use crate::scenario::FaultKind;
use crate::scenario::network::{Direction, Network, Shape};

use damage::Harm;

/// What faults act on: the processes and the network of a run.
///
/// Hosts are numbered as in [`Network`]; nodes come first, in the order of the scenario.
pub trait Ground {
    /// Ends a node's process by SIGKILL.
    ///
    /// # Errors
    /// When the process can't be signalled.
    fn kill(&mut self, node: usize) -> Result<(), FleetError>;
    /// Starts a node's process again.
    ///
    /// # Errors
    /// When it can't be started.
    fn start(&mut self, node: usize) -> Result<(), FleetError>;
    /// Freezes or thaws a node's process. When it stands still is seen later.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn freeze(&mut self, node: usize, frozen: bool) -> Result<(), FleetError>;
    /// Gives a direction a shape, and returns when it was read back.
    ///
    /// # Errors
    /// When the carrier refuses it, or reads back another.
    fn shape(&mut self, direction: Direction, shape: &Shape) -> Result<(), FabricError>;
    /// Lets what one host sends to another vanish at the receiver, or lets it through again.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn block(&mut self, from: usize, to: usize, blocked: bool) -> Result<(), FabricError>;
}

/// Who holds which stage at this moment, as the dispatcher last said.
pub trait Holders {
    /// The node that holds a stage.
    fn stage(&self, stage: u16) -> Option<usize>;
    /// The node that a stage sends to: of the first chain that goes through it, where there are several.
    fn behind(&self, stage: u16) -> Option<usize>;
    /// The first worker that is up and holds no stage.
    fn spare(&self) -> Option<usize>;
}

/// Why a fault could not be fired or healed.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// Its target does not exist at this moment.
    #[error("{0} when the fault fired")]
    NoTarget(String),
    /// The network refused.
    #[error(transparent)]
    Fabric(#[from] FabricError),
    /// The processes refused.
    #[error(transparent)]
    Fleet(#[from] FleetError),
}

/// What a fault does to a run, its targets resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// What it hit, for people.
    pub target: String,
    /// The nodes it hit, or those at the ends of what it hit.
    pub nodes: Vec<usize>,
    /// The damage.
    pub harms: Vec<Harm>,
}

/// What a fault of this kind does if it fires now.
///
/// # Errors
/// [`FaultError::NoTarget`] when nobody has the role that it aims at.
pub fn aim(kind: &FaultKind, names: &[String], network: &Network, holders: &dyn Holders) -> Result<Hit, FaultError> {
    let aim = target::Aim { names, network, holders };
    match kind {
        FaultKind::Kill { target } => kill::aim(&aim, target),
        FaultKind::Pause { target } => pause::aim(&aim, target),
        FaultKind::Down { target } => down::aim(&aim, target),
        FaultKind::Blackhole { target, both } => blackhole::aim(&aim, target, *both),
        FaultKind::Degrade { target, change, both } => degrade::aim(&aim, target, change, *both),
        FaultKind::Partition { groups } => partition::aim(&aim, groups),
    }
}

/// The name of a kind of fault, as scenarios write it.
pub fn name(kind: &FaultKind) -> &'static str {
    match kind {
        FaultKind::Kill { .. } => "kill",
        FaultKind::Pause { .. } => "pause",
        FaultKind::Down { .. } => "down",
        FaultKind::Blackhole { .. } => "blackhole",
        FaultKind::Degrade { .. } => "degrade",
        FaultKind::Partition { .. } => "partition",
    }
}
