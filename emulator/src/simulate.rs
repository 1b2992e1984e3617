//! A scenario simulated instead of run: [`planner::simulate`] for the cluster, and around it what a run has, too:
//! the faults' timeline, the record, the report.

mod faults;
mod told;

use std::path::PathBuf;
use std::time::Duration;

use node::clock::Instant;
use node::config::{Deploy, Load};
use planner::simulate::{self, Overheads, Question, Setup, Simulation};
use planner::strategy::{PlanError, Problem};

use crate::exit::Exit;
use crate::fabric::CarrierChoice;
use crate::model::{self, Inputs, ModelError};
use crate::record::event::RunEvent;
use crate::report::progress::Progress;
use crate::report::terminal::Looks;
use crate::run;
use crate::run::results::{Results, ResultsError};
use crate::scenario::{Loaded, Scenario, ScenarioErrors};

use faults::Faults;

/// What the user chose on the command line.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folder that results are put into.
    pub results: PathBuf,
    /// Whether the summary goes to standard output.
    pub json: bool,
    /// How what is said on standard error may look.
    pub looks: Looks,
}

/// Why nothing could be simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The cluster can't hold the model.
    #[error("the cluster can't hold the model")]
    Capacity(#[from] ScenarioErrors),
    /// Programs of others run in it.
    #[error("the scenario runs programs of others, and what these do can't be simulated; emu run runs them")]
    Foreign,
    /// The model.
    #[error("the model can't be used: {0}")]
    Model(#[from] ModelError),
    /// The results.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// This program can't find itself.
    #[error("this program's own file can't be found")]
    Program(#[source] std::io::Error),
    /// There is no plan.
    #[error("the cluster can't run this model: {0}")]
    Unplannable(#[from] PlanError),
}

impl SimulateError {
    /// The way of ending that this error means: the same as that of a run.
    pub fn exit(&self) -> Exit {
        match self {
            SimulateError::Capacity(_) | SimulateError::Foreign => Exit::Usage,
            _ => Exit::SetupFailed,
        }
    }
}

/// How long a plan may be improved or proven, as in the dispatcher.
const PATIENCE: Duration = Duration::from_millis(250);

/// What processes take besides computing and sending, as measured; docs/simulate.md has the figures.
const OVERHEADS: Overheads = Overheads {
    hop: Duration::ZERO,
    plan: Duration::from_millis(1),
    load: Duration::from_millis(60),
    load_per_mib: Duration::from_micros(8500),
    start: Duration::from_millis(100),
};

/// Simulates a scenario, and leaves its results in a folder of their own.
///
/// # Errors
/// See [`SimulateError`].
pub fn run(loaded: &Loaded, options: &Options) -> Result<Exit, SimulateError> {
    let began = Instant::now();
    let mut progress = Progress::new(options.looks.width.is_some());
    let scenario = &loaded.scenario;
    let Some(inference) = scenario.inference() else { return Err(SimulateError::Foreign) };
    let program = std::env::current_exe().map_err(SimulateError::Program)?;
    let inputs = Inputs { count: inference.inputs, seed: scenario.seed };
    progress.phase("model");
    let profile = model::prepare(&program, &inference.model.source, inputs)?.profile;
    loaded.check_capacity(&profile)?;
    let mut results = Results::create(&options.results, "-simulated", loaded, began)?;
    results.simulated(&profile);
    results.phase_done("model", began, &mut progress);

    progress.phase("plan");
    let clock = Instant::now();
    let routes = scenario.network.routes();
    let cluster = scenario.cluster_over(&routes);
    let planner = |question: &Question<'_>| {
        let Question { excluded, severed, current } = *question;
        let problem = Problem {
            objective: inference.plan.objective,
            replicas: inference.plan.replicas,
            excluded,
            severed,
            current,
            ..Problem::new(&profile, &cluster, inference.model.codec)
        };
        let begun = Instant::now();
        inference.plan.strategy.plan(&problem, scenario.seed, &|| Instant::now().since(begun) > PATIENCE)
    };
    let simulation = Simulation::new(Setup {
        profile: &profile,
        cluster: &cluster,
        routes: Some(&routes),
        codec: inference.model.codec,
        load: load(scenario),
        duration: scenario.duration,
        heartbeat: inference.plan.heartbeat,
        missed: inference.plan.missed_heartbeats,
        window: inference.plan.window,
        queue: inference.plan.queue,
        ship: inference.model.deploy == Deploy::Network,
        overheads: OVERHEADS,
        planner: Box::new(planner),
    });
    let simulation = match simulation {
        Ok(simulation) => simulation,
        Err(error) => {
            results.close(Exit::SetupFailed, &close_with(options))?;
            return Err(error.into());
        }
    };
    results.phase_done("plan", clock, &mut progress);

    progress.phase("simulation");
    let clock = Instant::now();
    replay(scenario, simulation, &mut results);
    results.phase_done("simulation", clock, &mut progress);
    progress.finish();
    Ok(results.close(Exit::Success, &close_with(options))?)
}

/// The load with the client's own schedule.
fn load(scenario: &Scenario) -> simulate::Load<'static> {
    match scenario.load() {
        Load::Closed { concurrency } => simulate::Load::Closed { concurrency },
        Load::Open { rate_per_s, arrival } => {
            simulate::Load::Open(Box::new(node::client::schedule(rate_per_s, arrival, scenario.seed)))
        }
    }
}

/// Load and faults until all requests are answered or waited for long enough.
fn replay(scenario: &Scenario, mut simulation: Simulation<'_>, results: &mut Results) {
    // Events are recorded as if load had begun now and time passed as it does in the simulation.
    let origin = Instant::now();
    let at = |time: Duration| origin + time;
    if scenario.network.directions().any(|(_, shape)| shape.is_random()) {
        results.warn("a simulation knows no chance: jitter, loss, duplicates and damage on the links are left out");
    }
    results.happened_at(origin, RunEvent::LoadStarted);
    let mut faults = Faults::new(scenario);
    let end = scenario.duration + scenario.drain;
    let step = |simulation: &mut Simulation<'_>, until: Duration, results: &mut Results| {
        simulation.run_until(until, &mut |time, event| {
            let (name, said) = told::told(scenario, origin, time, event);
            results.said(&name, said);
        });
    };
    loop {
        let over = faults.now() >= scenario.duration && simulation.outstanding() == 0;
        let next = faults.next().unwrap_or(Duration::MAX);
        // In steps while the last requests drain, so that their end is seen.
        let look = if faults.now() < scenario.duration { scenario.duration } else { faults.now() + DRAINING };
        let until = next.min(look).min(end);
        if over || faults.now() >= end {
            break;
        }
        step(&mut simulation, until, results);
        for (time, event) in faults.turn(until, &mut simulation) {
            results.happened_at(at(time), event);
        }
    }
    results.happened_at(at(scenario.duration), RunEvent::LoadEnded);
}

/// How often it is looked whether requests are outstanding after the load has ended.
const DRAINING: Duration = Duration::from_millis(10);

fn close_with(options: &Options) -> run::Options {
    let Options { results, json, looks, .. } = options.clone();
    let (strict, keep, repeated, ui, metrics, captures) = (false, false, None, false, None, Vec::new());
    run::Options {
        links: CarrierChoice::default(),
        results,
        json,
        strict,
        looks,
        keep,
        repeated,
        ui,
        metrics,
        captures,
    }
}
