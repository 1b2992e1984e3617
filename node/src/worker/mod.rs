//! The worker.

use std::sync::mpsc::Receiver;

use crate::config::{NodeConfig, WorkerConfig};
use crate::program::ProgramError;
use crate::telemetry::{Command, Telemetry};

/// Runs the worker.
///
/// # Errors
/// See [`ProgramError`].
pub fn run(_: &NodeConfig, _: &WorkerConfig, _: Telemetry, _: Receiver<Command>) -> Result<(), ProgramError> {
    Ok(())
}
