//! The dispatcher.

use std::sync::mpsc::Receiver;

use crate::config::{DispatcherConfig, NodeConfig};
use crate::program::ProgramError;
use crate::telemetry::{Command, Telemetry};

/// Runs the dispatcher.
///
/// # Errors
/// See [`ProgramError`].
pub fn run(_: &NodeConfig, _: &DispatcherConfig, _: Telemetry, _: Receiver<Command>) -> Result<(), ProgramError> {
    Ok(())
}
