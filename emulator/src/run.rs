//! One run, from the scenario to the record: the story that the rest of the crate makes possible.

mod capacity;
mod foreign;
mod ground;
mod holdings;
mod launch;
mod leftover;
mod needs;
mod outlets;
pub(crate) mod results;
pub(crate) mod roster;
mod sampler;
mod visitors;
mod watch;

use std::path::{Path, PathBuf};
use std::time::Duration;

use node::clock::Instant;
use planner::plan::Plan;
use planner::units::ByteSize;

use crate::capture::{CaptureError, Captures, Target};
use crate::exit::Exit;
use crate::fabric::{CarrierChoice, CarrierError, Fabric, FabricError, Network, trial};
use crate::fault::catalogue::Need;
use crate::fleet::FleetError;
use crate::fleet::cgroup::{self, RunGroup};
use crate::live::Live;
use crate::live::metrics::MetricsError;
use crate::live::screen::ScreenError;
use crate::model::{self, Inputs, ModelError, Prepared};
use crate::record::env::ModelId;
use crate::record::event::RunEvent;
use crate::record::trial::{LinkTrial, amiss};
use crate::report::progress::Progress;
use crate::report::terminal::Looks;
use crate::sandbox::probe::Capability;
use crate::sandbox::{self, Sandbox, SandboxError};
use crate::scenario::{Inference, Loaded, ScenarioErrors, Workload};
use crate::shell::alive::Alive;

use launch::Work;
use outlets::{Outlets, Show, Shown};
use results::{Results, ResultsError};
use watch::Watch;

/// What the user chose on the command line.
#[derive(Debug, Clone)]
pub struct Options {
    /// What carries the links.
    pub links: CarrierChoice,
    /// Folder that results are put into.
    pub results: PathBuf,
    /// Whether the summary goes to standard output.
    pub json: bool,
    /// Whether an invalid emulation is an exit code of its own.
    pub strict: bool,
    /// How what is said on standard error may look.
    pub looks: Looks,
    /// Whether the cluster stays up when the load is over, until the user ends it.
    pub keep: bool,
    /// The run that this one repeats.
    pub repeated: Option<Repeated>,
    /// Whether the run is shown on the terminal as it goes on.
    pub ui: bool,
    /// Where its figures are served meanwhile.
    pub metrics: Option<String>,
    /// Where packets are captured.
    pub captures: Vec<Target>,
}

/// What a run must have in common with the one that it repeats, besides the scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeated {
    /// Its name.
    pub run: String,
    /// Its model.
    pub model: ModelId,
    /// The cache that the model came in, if not the user's own.
    pub cache: Option<PathBuf>,
}

/// Why a run ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The cluster can't hold the model.
    #[error("the cluster can't hold the model")]
    Capacity(#[from] ScenarioErrors),
    /// A program of the scenario is not on this host.
    #[error("the program {program:?}, which the scenario runs, is not on this host")]
    NoProgram {
        /// Which.
        program: String,
        /// The package that it is in, if the scenario says it.
        package: Option<String>,
    },
    /// A fault needs what this host doesn't have.
    #[error("faults of kind {kind:?} can't be fired on this host: {reason}")]
    FaultNeeds {
        /// The kind.
        kind: &'static str,
        /// What it needs.
        need: Need,
        /// Why that isn't there.
        reason: String,
    },
    /// A node's state folder is too small for the model.
    #[error("the state folder of {node} holds {} MiB, and the model's file, which is to lie in it, has {} MiB", storage.mib(), need.mib().ceil())]
    Store {
        /// The node.
        node: String,
        /// The size of its state folder.
        storage: ByteSize,
        /// What must fit.
        need: ByteSize,
    },
    /// The model.
    #[error("the model can't be used: {0}")]
    Model(#[from] ModelError),
    /// The model of the run to be repeated has changed.
    #[error("{run} was of the model {} with digest {}, and here that has digest {now}", was.name, was.digest)]
    OtherModel {
        /// The run to be repeated.
        run: String,
        /// Its model.
        was: ModelId,
        /// The digest of the model here.
        now: String,
    },
    /// The sandbox.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The network.
    #[error("the network can't be built")]
    Fabric(#[from] FabricError),
    /// What passes it.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The processes.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// The live view.
    #[error(transparent)]
    Screen(#[from] ScreenError),
    /// The figures of the live view.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The results.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// This program can't find itself.
    #[error("this program's own file can't be found")]
    Program(#[source] std::io::Error),
    /// The system gives no random bytes.
    #[error("no secret can be drawn for the run: {0}")]
    Random(#[source] std::io::Error),
    /// The dispatcher finds no plan.
    #[error("the cluster can't run this model: {0}")]
    Unplannable(String),
    /// The host is too small, and figures that are not the scenario's are not wanted.
    #[error("{0}")]
    TooLittle(String),
    /// A link is not what was asked, and figures that are not the scenario's are not wanted.
    #[error("{0}")]
    NotAsAsked(String),
    /// A node ended while the cluster was being set up.
    #[error("node {node} ended during set-up: {how}; what it said is in {} there{said}", log.display())]
    NodeEnded {
        /// Which.
        node: String,
        /// How.
        how: String,
        /// Where to look, in the folder of results.
        log: PathBuf,
        /// The last lines of it, where a program of others ran.
        said: String,
    },
    /// What runs on a node did not begin to serve.
    #[error("{node} was not ready within {} s{said}", limit.as_secs_f64())]
    NotReady {
        /// Which.
        node: String,
        /// How long it had.
        limit: Duration,
        /// The last lines of its logs.
        said: String,
    },
    /// The cluster did not get ready.
    #[error("{phase} took longer than {} s; what the nodes said is in {} there", limit.as_secs(), logs.display())]
    TooSlow {
        /// What was waited for.
        phase: &'static str,
        /// How long.
        limit: Duration,
        /// Where to look, in the folder of results.
        logs: PathBuf,
    },
    /// The user interrupted it.
    #[error("interrupted")]
    Interrupted(Exit),
}

impl RunError {
    /// What the user can do about it.
    fn fix(&self) -> Option<String> {
        let fix = match self {
            RunError::NoProgram { package, .. } => {
                return Some(match package {
                    Some(package) => format!("install it; on Debian and Ubuntu: apt-get install {package}"),
                    None => "install it, or name its path".to_owned(),
                });
            }
            RunError::Fabric(FabricError::Carrier(CarrierError::Unavailable { carrier, .. })) => Some(match *carrier {
                "netem" => Capability::NetemLinks.fix(),
                _ => Capability::SoftwareLinks.fix(),
            }),
            RunError::Store { .. } => Some("give the node more `storage`, or leave `model.store` away"),
            RunError::OtherModel { .. } => Some("put that model's file back, or run the scenario anew with `emu run`"),
            RunError::TooLittle(_) => Some("ask for less, or leave --strict away: then it is a warning"),
            RunError::FaultNeeds { need, .. } => need.capability().map(Capability::fix),
            _ => None,
        };
        fix.map(str::to_owned)
    }

    /// Says it on standard error, with what the user can do about it.
    pub fn tell(&self) {
        match self {
            RunError::Capacity(errors) => crate::cli::check::print(errors),
            error => crate::cli::complain(error),
        }
        if let Some(fix) = self.fix() {
            eprintln!("  fix: {fix}");
        }
    }

    /// The way of ending that this error means.
    pub fn exit(&self) -> Exit {
        match self {
            RunError::Sandbox(error) => Exit::from_code(error.exit_code()).unwrap_or(Exit::SetupFailed),
            RunError::Fabric(FabricError::Carrier(CarrierError::Unavailable { .. }))
            | RunError::Fabric(FabricError::Carrier(CarrierError::Unsupported { .. }))
            | RunError::NoProgram { .. }
            | RunError::FaultNeeds { .. } => Exit::HostLacks,
            RunError::Capacity(_) | RunError::Store { .. } | RunError::OtherModel { .. } => Exit::Usage,
            RunError::Screen(ScreenError::NoTerminal(_)) => Exit::Usage,
            RunError::TooLittle(_) | RunError::NotAsAsked(_) => Exit::Inconclusive,
            RunError::Interrupted(exit) => *exit,
            _ => Exit::SetupFailed,
        }
    }
}

/// How long set-up waits for the nodes to get something done.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often links are tried that are not what was asked.
const TRIALS: u32 = 3;
/// How long nodes may take to end when they are asked to.
const FAREWELL: Duration = Duration::from_secs(3);

/// Runs a scenario in a sandbox of its own, and leaves its results in a folder of their own.
///
/// # Errors
/// When the run could not be begun. What goes wrong later is said on standard error and is in the exit code.
pub fn run(loaded: &Loaded, options: &Options) -> Result<Exit, RunError> {
    if let Some(commands) = loaded.scenario.commands() {
        foreign::check_programs(commands)?;
    }
    let began = Instant::now();
    // An interrupt waits until there is somebody to heed it, and until what it would leave behind has been put right.
    let held = sandbox::Held::hold();
    let program = std::env::current_exe().map_err(RunError::Program)?;
    // Both belong to the host: a socket to its network, keys to the process in the terminal's foreground.
    let Outlets { show, terminal, attendance } = Outlets::open(options)?;
    cgroup::remove_stale();
    let groups = RunGroup::create();
    // Here, where processes have the ids that everybody else knows them by.
    let alive = Alive::own();
    let inside = |sandbox: &Sandbox| {
        let host = Host { program: &program, sandbox, groups: &groups, alive: &alive };
        match inside(loaded, options, &host, began, show) {
            Ok(exit) => exit.code(),
            Err(error) => {
                error.tell();
                error.exit().code()
            }
        }
    };
    let code = sandbox::run_attended(inside, attendance);
    drop(terminal);
    let left = groups.remove();
    left.iter().for_each(|error| eprintln!("warning: left behind: {error}"));
    drop(held);
    match Exit::from_code(code?) {
        Some(Exit::Success) if !left.is_empty() => Ok(Exit::LeftBehind),
        exit => Ok(exit.unwrap_or(Exit::SetupFailed)),
    }
}

/// What a run stands on.
#[derive(Clone, Copy)]
struct Host<'a> {
    program: &'a Path,
    sandbox: &'a Sandbox,
    groups: &'a RunGroup,
    alive: &'a Alive,
}

/// The run, inside the sandbox. Whatever happens, the results are closed.
fn inside(loaded: &Loaded, options: &Options, host: &Host<'_>, began: Instant, show: Show) -> Result<Exit, RunError> {
    let (loaded, left_out) = &needs::afforded(loaded, host)?;
    let live = Live::new(&loaded.scenario);
    let mut results = Results::create(&options.results, "", loaded, began)?;
    results.mark_alive(host.alive)?;
    results.show_on(&live);
    let shown = show.start(&live)?;
    left_out.iter().for_each(|warning| results.warn(warning));
    let mut progress = match shown.screen {
        Some(_) => Progress::on_screen(&live),
        None => Progress::new(options.looks.width.is_some()),
    };
    if let (None, Some(place)) = (&shown.screen, &shown.metrics) {
        progress.line(&format!("metrics are served at {place}"));
    }
    let story = Story { loaded, options, host, shown: &shown, live: &live };
    let outcome = emulate(&story, &mut results, &mut progress);
    progress.finish();
    drop(shown);
    let exit = outcome.as_ref().copied().unwrap_or_else(|error| error.exit());
    let exit = results.close(exit, options)?;
    outcome.map(|_| exit)
}

/// What a run is told by, and shown on.
#[derive(Clone, Copy)]
struct Story<'a> {
    loaded: &'a Loaded,
    options: &'a Options,
    host: &'a Host<'a>,
    shown: &'a Shown,
    live: &'a Live,
}

/// Tries links until they are what was asked, or it is no moment's matter that they are not; returns what they are then.
fn try_links(
    fabric: &Fabric,
    network: &Network,
    names: &[String],
    results: &mut Results,
) -> Result<Option<String>, RunError> {
    let mut trials = Vec::new();
    for _ in 0..TRIALS {
        let tried = trial::run(fabric, trial::covering(network))?;
        trials = tried.into_iter().map(|trial| LinkTrial::of(trial, names)).collect();
        if amiss(&trials).is_none() {
            break;
        }
    }
    let amiss = amiss(&trials);
    results.happened(RunEvent::Tried { trials });
    Ok(amiss)
}

/// Says that there is too little of something, or ends the run.
fn told(
    shortages: impl IntoIterator<Item = capacity::Shortage>,
    strict: bool,
    results: &mut Results,
) -> Result<(), RunError> {
    for shortage in shortages {
        if strict {
            return Err(RunError::TooLittle(shortage.to_string()));
        }
        results.warn(shortage);
    }
    Ok(())
}

/// The model of a scenario, made ready.
fn model(
    story: &Story<'_>,
    inference: &Inference,
    results: &mut Results,
    progress: &mut Progress,
) -> Result<Prepared, RunError> {
    progress.phase("model");
    let clock = Instant::now();
    let inputs = Inputs { count: inference.inputs, seed: story.loaded.scenario.seed };
    let model = match story.options.repeated.as_ref().and_then(|repeated| repeated.cache.as_ref()) {
        Some(cache) => model::prepare_in(cache, story.host.program, &inference.model.source, inputs)?,
        None => model::prepare(story.host.program, &inference.model.source, inputs)?,
    };
    story.loaded.check_capacity(&model.profile)?;
    if let Some(Repeated { run, model: was, .. }) = &story.options.repeated
        && was.digest != model.profile.digest
    {
        let (run, was, now) = (run.clone(), was.clone(), model.profile.digest.clone());
        return Err(RunError::OtherModel { run, was, now });
    }
    results.model(&model, inference.model.codec)?;
    results.phase_done("model", clock, progress);
    told(capacity::of_memory(&story.loaded.scenario, &model.profile), story.options.strict, results)?;
    Ok(model)
}

/// Scenario → model → network → processes → plan → load and faults → teardown.
fn emulate(story: &Story<'_>, results: &mut Results, progress: &mut Progress) -> Result<Exit, RunError> {
    let Story { loaded, options, host, shown, live } = *story;
    let scenario = &loaded.scenario;
    let work = match &scenario.workload {
        Workload::Inference(inference) => {
            Work::Inference(inference, Box::new(model(story, inference, results, progress)?))
        }
        Workload::Commands(commands) => Work::Commands(commands),
    };
    progress.phase("network");
    let clock = Instant::now();
    let (names, routes) = (scenario.host_names(), scenario.network.routes());
    let links = options.links.for_what_netem_cannot(scenario.is_beyond_netem());
    let fabric = Fabric::build(&scenario.network, &names, &routes.next_hop, links, scenario.seed)?;
    results.host(&fabric, host.sandbox, host.groups);
    let captures = Captures::start(&options.captures, scenario, &fabric, results.folder())?;
    results.mark_on(captures.marks());
    let amiss = try_links(&fabric, &scenario.network, &names, results)?;
    if let (Some(what), true) = (amiss, options.strict) {
        return Err(RunError::NotAsAsked(what));
    }
    told(capacity::of_rates(scenario, &fabric), options.strict, results)?;
    results.phase_done("network", clock, progress);

    progress.phase("processes");
    let clock = Instant::now();
    let mut fleet = launch::fleet(scenario, &work, &fabric, host, results)?;
    let mut watch = Watch::new(scenario, host.sandbox, results, progress, (live, shown));
    let mut exit = watch.until_ready(&mut fleet).and_then(|()| {
        watch.phase_done("processes", clock);
        if let Work::Inference(inference, model) = &work {
            let clock = Instant::now();
            watch.until_deployed(&mut fleet, inference.plan.bandwidth)?;
            watch.phase_done("plan and load", clock);
            let few = |plan: &Plan| capacity::of_plan(scenario, plan, &model.profile, &fabric);
            let shortages = watch.plan().map(few);
            told(shortages.into_iter().flatten(), options.strict, watch.results())?;
        }
        watch.load(&mut fleet, &fabric)
    });
    if let Err(RunError::Interrupted(how)) = exit {
        exit = Ok(how);
    }
    if options.keep && !matches!(exit, Ok(Exit::Interrupted | Exit::Terminated)) {
        let kept = watch.keep(&mut fleet, exit.as_ref().err());
        exit = exit.and_then(|exit| kept.map(|()| exit));
    }

    let clock = Instant::now();
    let errors = watch.teardown(fleet);
    watch.look_around();
    watch.phase_done("teardown", clock);
    captures.finish().iter().for_each(|told| results.warn(told));
    match exit {
        Ok(Exit::Success) if !errors.is_empty() => Ok(Exit::LeftBehind),
        exit => exit,
    }
}
