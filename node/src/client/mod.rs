//! The client.

use std::sync::mpsc::Receiver;

use crate::config::{ClientConfig, NodeConfig};
use crate::program::ProgramError;
use crate::telemetry::{Command, Telemetry};

/// Runs the client.
///
/// # Errors
/// See [`ProgramError`].
pub fn run(_: &NodeConfig, _: &ClientConfig, _: Telemetry, _: Receiver<Command>) -> Result<(), ProgramError> {
    Ok(())
}
