//! One run, from the scenario to the record: the story that the rest of the crate makes possible.

mod ground;
mod holders;
mod tally;

use std::path::{Path, PathBuf};
use std::time::Duration;

use node::clock::Instant;
use node::telemetry::{Command, Event};

use crate::exit::Exit;
use crate::fabric::{CarrierChoice, Fabric, FabricError};
use crate::fault::timeline::Timeline;
use crate::fleet::{self, Fleet, FleetError};
use crate::model::{self, Inputs, ModelError, Prepared};
use crate::record::event::{ExitCause, RunEvent};
use crate::record::{RecordError, Recorder};
use crate::report::progress::Progress;
use crate::report::{self, terminal};
use crate::sandbox::{self, Sandbox, SandboxError, Signals};
use crate::scenario::Scenario;

use ground::Testbed;
use holders::Roster;
use tally::Tally;

/// What the user chose on the command line.
#[derive(Debug, Clone)]
pub struct Options {
    /// What carries the links.
    pub links: CarrierChoice,
    /// Whether software links spin for the last microseconds.
    pub precise: bool,
    /// Folder that results are put into.
    pub results: PathBuf,
    /// Whether the summary goes to standard output.
    pub json: bool,
    /// Whether standard error is a terminal.
    pub terminal: bool,
}

/// Why a run ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The model.
    #[error("the model can't be used: {0}")]
    Model(#[from] ModelError),
    /// The sandbox.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The network.
    #[error("the network could not be built: {0}")]
    Fabric(#[from] FabricError),
    /// The processes.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// The results.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The nodes came up but can't do what is asked of them.
    #[error("the cluster can't run this model: {0}")]
    Unplannable(String),
    /// A node ended while the cluster was being set up.
    #[error("node {node} ended during set-up ({cause}); its output is in {log}")]
    NodeEnded {
        /// Which.
        node: String,
        /// How.
        cause: ExitCause,
        /// Where to look.
        log: PathBuf,
    },
    /// The cluster did not get ready.
    #[error("{phase} took longer than {limit:?}; the nodes' output is in {logs}")]
    TooSlow {
        /// What was waited for.
        phase: &'static str,
        /// How long.
        limit: Duration,
        /// Where to look.
        logs: PathBuf,
    },
    /// The user interrupted set-up.
    #[error("interrupted")]
    Interrupted(Exit),
}

impl RunError {
    /// The way of ending that this error means.
    pub fn exit(&self) -> Exit {
        match self {
            RunError::Sandbox(_) => Exit::HostLacks,
            RunError::Fabric(error) if error.is_unavailable() => Exit::HostLacks,
            RunError::Interrupted(exit) => *exit,
            _ => Exit::SetupFailed,
        }
    }
}

/// How long set-up may wait for the nodes to do something.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often progress is shown and the record is flushed.
const BEAT: Duration = Duration::from_millis(100);

/// Runs a scenario in a sandbox of its own, and leaves its results in a folder of their own.
///
/// # Errors
/// When the run could not be begun or set up; what was recorded until then is kept, marked incomplete.
pub fn run(scenario: &Scenario, text: &str, options: &Options) -> Result<Exit, RunError> {
    let began = Instant::now();
    crate::fleet::cgroup::remove_stale();
    let code = sandbox::run(|sandbox| match inside(scenario, text, options, sandbox, began) {
        Ok(exit) => exit.code(),
        Err(error) => {
            crate::cli::complain(&error);
            error.exit().code()
        }
    })?;
    Ok(Exit::from_code(code).unwrap_or(Exit::SetupFailed))
}

/// The run itself, as the first process of the sandbox.
fn inside(scenario: &Scenario, text: &str, options: &Options, sandbox: &Sandbox, began: Instant) -> Result<Exit, RunError> {
    let recorder = Recorder::create(&options.results, scenario, text, began)?;
    let mut run = Run { scenario, options, sandbox, recorder, progress: Progress::new(options.terminal), ended: None };
    let outcome = run.all();
    run.close(outcome)
}

struct Run<'a> {
    scenario: &'a Scenario,
    options: &'a Options,
    sandbox: &'a Sandbox,
    recorder: Recorder,
    progress: Progress,
    ended: Option<Exit>,
}
