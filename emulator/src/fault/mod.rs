//! What breaks, and when. One file per kind of fault; the [`timeline`] fires and heals them on time.
//!
//! A fault is a list of timed [`steps`]; what one step does is a list of harms, and there are few sorts of those: no
//! process, a frozen one, a slower one, one with less of the processors, another clock, a defect of its storage, a slow or failing disk, a
//! spoilt file, another shape, nothing delivered.
//!
//! Faults overlap. Each one adds its own **damage** to what it hits and takes only that away when it
//! heals ([`damage`]): a link that two faults hold down comes up when the second lets go of it.

pub mod catalogue;
pub mod damage;
pub mod steps;
pub mod timeline;
mod words;

mod bit_flip;
mod blackhole;
mod clock;
mod corrupt;
mod cpu;
mod crash_loop;
mod degrade;
mod disk_full;
mod down;
mod duplicate;
mod eio;
mod flap;
mod intermittent;
mod kill;
mod loss_burst;
mod oom;
mod partition;
mod pause;
mod read_only;
mod reorder;
mod restart;
mod slow;
mod straggler;
mod target;
mod trace;
mod truncate;

use std::time::Duration;

use crate::fabric::FabricError;
use crate::fleet::FleetError;
use crate::sandbox::Defects;
use crate::sandbox::layer::{Errors, Trouble};
use crate::scenario::FaultKind;
use crate::scenario::network::{Direction, Network, Shape};

use damage::{Death, Spoil};
use steps::Step;
use target::Aim;

pub use words::asked;

/// What faults act on: the processes and the network of a run.
///
/// Hosts are numbered as in [`Network`]; nodes come first, in the order of the scenario.
pub trait Ground {
    /// Ends a node's process. When it has ended is seen later.
    ///
    /// # Errors
    /// When there is none, or it can't be done.
    fn kill(&mut self, node: usize, how: Death) -> Result<(), FleetError>;
    /// Starts a node's process again.
    ///
    /// # Errors
    /// When it can't be started.
    fn start(&mut self, node: usize) -> Result<(), FleetError>;
    /// Lets the clock of the processes that a node starts from now on be ahead by so much.
    fn advance(&mut self, node: usize, ahead: Duration);
    /// Freezes or thaws a node's process. When it stands still is seen later.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn freeze(&mut self, node: usize, frozen: bool) -> Result<(), FleetError>;
    /// Lets a node compute so many times slower than its device does.
    ///
    /// # Errors
    /// When it can't be told.
    fn slow(&mut self, node: usize, factor: f64) -> Result<(), FleetError>;
    /// Lets a node's process use no more than so many cores; `None`: what it may by itself.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn throttle(&mut self, node: usize, cores: Option<f64>) -> Result<(), FleetError>;
    /// Gives a node's state folder these defects and no others.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn store(&mut self, node: usize, defects: Defects) -> Result<(), FleetError>;
    /// Makes a node's disk slow and faulty in this way and in no other.
    ///
    /// # Errors
    /// When there is no layer over its state folder.
    fn trouble(&mut self, node: usize, trouble: Trouble) -> Result<(), FleetError>;
    /// Spoils a file that a node has stored.
    ///
    /// # Errors
    /// When there is none, or it can't be written.
    fn spoil(&mut self, node: usize, spoil: &Spoil) -> Result<(), FleetError>;
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
    /// There is no delay that packets could skip.
    #[error("{0} has no delay that packets could skip")]
    NoDelay(String),
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
    /// The damage, in order of time. The first step is due when the fault is.
    pub steps: Vec<Step>,
}

impl Hit {
    fn of_a_node(aim: &Aim<'_>, node: usize, steps: Vec<Step>) -> Hit {
        Hit { target: aim.names[node].clone(), nodes: vec![node], steps }
    }

    fn of_a_pair(aim: &Aim<'_>, pair: Direction, both: bool, steps: Vec<Step>) -> Hit {
        Hit { target: aim.arrow(pair, both), nodes: vec![pair.from, pair.to], steps }
    }
}

/// What a fault of this kind does if it fires now and can last for `span`, after which it `heals` or the run is over.
///
/// # Errors
/// When nobody has the role that it aims at, or it can't be done there.
pub fn aim(
    kind: &FaultKind,
    (span, heals): (Duration, bool),
    names: &[String],
    network: &Network,
    holders: &dyn Holders,
) -> Result<Hit, FaultError> {
    let aim = &Aim { names, network, holders, span, heals };
    match kind {
        FaultKind::Kill { target } => kill::aim(aim, target),
        FaultKind::Restart { target } => restart::aim(aim, target),
        FaultKind::Pause { target } => pause::aim(aim, target),
        FaultKind::CrashLoop { target, up, down } => crash_loop::aim(aim, target, *up, *down),
        FaultKind::Clock { target, ahead } => clock::aim(aim, target, *ahead),
        FaultKind::Oom { target } => oom::aim(aim, target),
        FaultKind::Cpu { target, cores, from, over } => cpu::aim(aim, target, [*from, *cores], *over),
        FaultKind::Straggler { target, factor, over } => straggler::aim(aim, target, *factor, *over),
        FaultKind::Intermittent { target, on, off, jitter, seed } => {
            intermittent::aim(aim, target, [*on, *off], *jitter, *seed)
        }
        FaultKind::DiskFull { target } => disk_full::aim(aim, target),
        FaultKind::ReadOnly { target } => read_only::aim(aim, target),
        FaultKind::Slow { target, pace } => slow::aim(aim, target, *pace),
        FaultKind::Eio { target, share, operations, seed } => {
            let errors = Errors { share: *share, operations: operations.clone(), seed: *seed };
            eio::aim(aim, target, errors)
        }
        FaultKind::BitFlip { target, file, seed } => bit_flip::aim(aim, target, file.clone(), *seed),
        FaultKind::Truncate { target, file, keep } => truncate::aim(aim, target, file.clone(), *keep),
        FaultKind::Down { target } => down::aim(aim, target),
        FaultKind::Flap { target, period, duty } => flap::aim(aim, target, *period, *duty),
        FaultKind::Blackhole { target, both } => blackhole::aim(aim, target, *both),
        FaultKind::Degrade { target, change, both } => degrade::aim(aim, target, change, *both),
        FaultKind::LossBurst { target, loss, length, both } => loss_burst::aim(aim, target, *loss, *length, *both),
        FaultKind::Reorder { target, share, delay, both } => reorder::aim(aim, target, *share, *delay, *both),
        FaultKind::Duplicate { target, share, both } => duplicate::aim(aim, target, *share, *both),
        FaultKind::Corrupt { target, share, both } => corrupt::aim(aim, target, *share, *both),
        FaultKind::Trace { target, rates, period, both, .. } => trace::aim(aim, target, (rates, *period), *both),
        FaultKind::Partition { groups, one_way } => partition::aim(aim, groups, *one_way),
    }
}

/// The name of a kind of fault, as scenarios write it.
pub fn name(kind: &FaultKind) -> &'static str {
    catalogue::entry(kind).kind
}
