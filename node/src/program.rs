//! The program: reads its configuration, opens telemetry, runs its role.
//!
//! Exit codes: 0 when it was asked to end (by [`Command::Exit`], SIGTERM or SIGINT) or its work was done,
//! 1 when it could not go on, 2 when its command line or configuration is wrong.

use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use nix::sys::signal::{SigSet, Signal};
use planner::profile::ModelProfile;

use crate::config::{Bandwidth, NodeConfig, RoleConfig};
use crate::telemetry::{self, Command, Telemetry};
use crate::wire::codec::CodecError;
use crate::wire::connection::{ConnectError, ListenError};
use crate::{client, dispatcher, foreign, memory, probe, worker};

/// Command line of a node.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct NodeArgs {
    /// The node's configuration, a JSON file
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// Open file descriptor of a connected Unix stream socket: events go out, commands come in, as lines of JSON
    #[arg(long, value_name = "N")]
    pub telemetry_fd: Option<RawFd>,
}

/// Why a node could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// The configuration could not be read, or does not say what it must.
    #[error("configuration {path}: {source}")]
    Config {
        /// The file.
        path: PathBuf,
        /// Why.
        source: FileError,
    },
    /// A file named by the configuration could not be read, or is not what it should be.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: FileError,
    },
    /// The telemetry socket can't be used.
    #[error("telemetry socket: {0}")]
    Telemetry(#[source] io::Error),
    /// A port of this node can't be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A connection without which there is nothing to do could not be made.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The model's input can't be sent.
    #[error("the model's input can't be sent: {0}")]
    Input(#[from] CodecError),
    /// A program of others can't be started.
    #[error("the program {program} can't be started: {source}")]
    Foreign {
        /// Which.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// The system refused what every node needs (a thread, a socket, signals).
    #[error("the system refused {what}: {source}")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// Why a JSON file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It could not be read.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// It is not what it should be.
    #[error("{0}")]
    Parse(#[from] serde_json::Error),
    /// It says what can't be.
    #[error("{0}")]
    Unsound(&'static str),
}

/// Reads a JSON file.
///
/// # Errors
/// See [`FileError`].
pub fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, FileError> {
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}

/// Reads the profile of a model.
///
/// # Errors
/// [`ProgramError::File`].
pub fn read_profile(path: &Path) -> Result<ModelProfile, ProgramError> {
    let profile = read_json(path).and_then(|profile: ModelProfile| match profile.unsound() {
        None => Ok(profile),
        Some(reason) => Err(FileError::Unsound(reason)),
    });
    profile.map_err(|source| ProgramError::File { path: path.to_owned(), source })
}

/// The whole program: logs to standard error (`RUST_LOG` chooses what, `info` by default).
pub fn main(args: &NodeArgs) -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // A second subscriber in one process is refused, and the first one does as well.
    // What can't be logged, on a full disk, is not logged: a complaint about it would panic.
    let _ =
        tracing_subscriber::fmt().log_internal_errors(false).with_env_filter(filter).with_writer(io::stderr).try_init();
    let outcome = args.telemetry_fd.map(telemetry::inherited).transpose().map_err(ProgramError::Telemetry);
    let outcome = outcome.and_then(|socket| {
        let config = read_json(&args.config).and_then(|config: NodeConfig| match config.unsound() {
            None => Ok(config),
            Some(reason) => Err(FileError::Unsound(reason)),
        });
        let config = config.map_err(|source| ProgramError::Config { path: args.config.clone(), source })?;
        run(&config, socket)
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            match error {
                ProgramError::Config { .. } | ProgramError::Telemetry(_) | ProgramError::Input(_) => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// Runs the node until it is asked to end.
///
/// # Errors
/// See [`ProgramError`].
pub fn run(config: &NodeConfig, telemetry: Option<OwnedFd>) -> Result<(), ProgramError> {
    memory::separate_heaps();
    let (sender, commands) = channel();
    // Signals first: every thread made later inherits that they are blocked.
    await_signals(sender.clone())?;
    let telemetry = match telemetry {
        Some(socket) => Telemetry::open(socket, sender).map_err(ProgramError::Telemetry)?,
        None => Telemetry::silent(),
    };
    tracing::info!(node = config.name, address = %config.address, "starts");
    if config.bandwidth == Bandwidth::Probed {
        probe::agent::start(config.address)?;
    }
    let outcome = match &config.role {
        RoleConfig::Client(role) => client::run(config, role, telemetry.clone(), commands),
        RoleConfig::Dispatcher(role) => dispatcher::run(config, role, telemetry.clone(), commands),
        RoleConfig::Worker(role) => worker::run(config, role, telemetry.clone(), commands),
        RoleConfig::Foreign(role) => foreign::run(config, role, telemetry.clone(), commands),
    };
    telemetry.flush();
    outcome
}

/// SIGTERM and SIGINT become [`Command::Exit`], so that a role waits in one place only.
fn await_signals(commands: Sender<Command>) -> Result<(), ProgramError> {
    let signals = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]);
    let refused = |source| ProgramError::System { what: "signals", source };
    signals.thread_block().map_err(|error| refused(error.into()))?;
    let wait = move || while signals.wait().is_ok() && commands.send(Command::Exit).is_ok() {};
    thread::Builder::new().name("signals".into()).spawn(wait).map_err(refused)?;
    Ok(())
}
