//! A plan at work under load and faults, with no kernel underneath: a discrete-event simulation.
//!
//! It has no clock, no threads and no chance of its own: the same setup and the same faults at the same instants give
//! the same events. What happens in a run happens here, in coarser steps: the client's schedule, the
//! dispatcher's queue, windows and choice of chain, tensors that take their turn on lines (`network`) and at nodes
//! (`stages`), and what the dispatcher concludes from silence (`membership`), re-plans and sends again (`deployment`,
//! `requests`).
//!
//! ```text
//! let mut simulation = Simulation::new(setup)?;
//! simulation.run_until(instant, &mut |at, event| …);
//! simulation.kill(node);
//! ```
//!
//! Times are since load began. The model is that of the plan's prediction ([`crate::plan`]) and what that leaves
//! out: queues, windows, links that several paths share. docs/simulate.md says what this leaves out in turn.

mod agenda;
mod deployment;
mod event;
mod membership;
mod network;
mod requests;
mod severed;
mod stages;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

pub use event::Event;

use self::agenda::{Agenda, Due};
use self::membership::Worker;
use self::network::{Line, Network, Parcel, Place};
use self::requests::Requests;
use self::severed::Severed;
use self::stages::{Bench, benches};
use crate::chains::Chains;
use crate::cluster::Cluster;
use crate::cluster::paths::Routes;
use crate::codec::Codec;
use crate::plan::{Limit, Plan, Prediction};
use crate::profile::ModelProfile;
use crate::strategy::PlanError;

/// Finds a plan.
pub type Planner<'a> = Box<dyn FnMut(&Question<'_>) -> Result<Plan, PlanError> + 'a>;

/// What is simulated.
pub struct Setup<'a> {
    /// The model.
    pub profile: &'a ModelProfile,
    /// The nodes.
    pub cluster: &'a Cluster,
    /// Over which hops packets go; without, each of the cluster's paths is a hop of its own.
    pub routes: Option<&'a Routes>,
    /// How tensors are encoded between stages.
    pub codec: Codec,
    /// The load.
    pub load: Load<'a>,
    /// How long it is offered.
    pub duration: Duration,
    /// How often a worker sends a heartbeat.
    pub heartbeat: Duration,
    /// How many in a row may be missing.
    pub missed: u32,
    /// Most requests in each chain at once; `None`: two for each stage and two more.
    pub window: Option<u32>,
    /// Most requests that wait in front of the chains.
    pub queue: u32,
    /// Segments are sent to the workers over the network.
    pub ship: bool,
    /// What things take that the model doesn't explain.
    pub overheads: Overheads,
    /// Finds plans.
    pub planner: Planner<'a>,
}

/// How requests come.
pub enum Load<'a> {
    /// A new one whenever an answer arrives, so that so many are always under way.
    Closed {
        /// How many.
        concurrency: u32,
    },
    /// At these instants since load began, which don't decrease.
    Open(Box<dyn Iterator<Item = Duration> + 'a>),
}

/// What the planner is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Workers that may hold no stage.
    pub excluded: &'a BTreeSet<usize>,
    /// Ordered pairs between which nothing arrives.
    pub severed: &'a BTreeSet<(usize, usize)>,
    /// The plan in force.
    pub current: Option<&'a Plan>,
}

/// Times that no cost model explains: what processes need besides computing and sending. The default is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overheads {
    /// From the last byte of a tensor received until something is done with it.
    pub hop: Duration,
    /// To find a plan.
    pub plan: Duration,
    /// To load a segment, whatever its size, …
    pub load: Duration,
    /// … and for each MiB of its weights.
    pub load_per_mib: Duration,
    /// For a process to be ready after it was started.
    pub start: Duration,
}

/// Where the dispatcher stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Planning { attempt: u64 },
    Deploying,
    Serving,
    Stranded { attempt: u64 },
}

/// A run, simulated.
pub struct Simulation<'a> {
    setup: Setup<'a>,
    now: Duration,
    agenda: Agenda,
    network: Network<'a>,
    workers: Vec<Worker>,
    requests: Requests,
    /// Bytes on the wire at each cut.
    bytes: Vec<u64>,
    phase: Phase,
    epoch: u32,
    plan: Plan,
    chains: Chains,
    /// Each chain's lines, from the dispatcher over its stages back to the dispatcher.
    lines: Vec<Vec<Line>>,
    benches: Vec<Bench>,
    /// Pairs of the plan in force between which nothing passes, and since when.
    broken: BTreeMap<(usize, usize), Duration>,
    severed: Severed,
    /// How many pairs were avoided when there was no plan.
    avoided: usize,
    attempts: u64,
    reasons: Vec<String>,
    /// What has become known since the planner was asked.
    news: Option<String>,
    unplannable: Option<String>,
    /// Nodes that load a segment.
    loading: Vec<usize>,
    planned_at: Duration,
    deployed_at: Duration,
    out: Vec<(Duration, Event)>,
}

impl fmt::Debug for Simulation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation").field("now", &self.now).field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl<'a> Simulation<'a> {
    /// A run whose first plan is in force and whose load begins now. What it took to get there is in the first two
    /// events, [`Event::Planned`] and [`Event::Deployed`], whose instants are that of the load's beginning.
    ///
    /// # Errors
    /// When there is no plan.
    pub fn new(setup: Setup<'a>) -> Result<Simulation<'a>, PlanError> {
        let (cluster, duration) = (setup.cluster, Duration::ZERO);
        let mut network = Network::new(cluster, setup.routes);
        let (client, dispatcher) = (cluster.client, cluster.dispatcher);
        let lines = [network.line(client, dispatcher, duration), network.line(dispatcher, client, duration)];
        let nothing = Prediction {
            bottleneck: Duration::ZERO,
            limit: Limit::Compute { node: dispatcher },
            latency: Duration::ZERO,
            joules: 0.0,
        };
        let plan = Plan { stages: Vec::new(), chains: Vec::new(), prediction: nothing, proof: None };
        let mut simulation = Simulation {
            bytes: Simulation::wire_bytes(&setup),
            now: Duration::ZERO,
            agenda: Agenda::default(),
            network,
            workers: vec![Worker::up(); cluster.nodes.len()],
            requests: Requests::over(lines),
            phase: Phase::Serving,
            epoch: 0,
            benches: benches(&plan),
            plan,
            chains: Chains::default(),
            lines: Vec::new(),
            broken: BTreeMap::new(),
            severed: Severed::default(),
            avoided: 0,
            attempts: 0,
            reasons: vec!["start".to_owned()],
            news: None,
            unplannable: None,
            loading: Vec::new(),
            planned_at: Duration::ZERO,
            deployed_at: Duration::ZERO,
            out: Vec::new(),
            setup,
        };
        let plan = simulation.find_plan()?;
        simulation.deploy(plan);
        // Load begins when that is done.
        let took = simulation.time_to_deploy();
        simulation.deployed(1);
        for (_, event) in &mut simulation.out {
            if let Event::Deployed { took: told, .. } = event {
                *told = took;
            }
        }
        simulation.begin_load();
        Ok(simulation)
    }

    /// Lets time pass, and tells what happens. Events come in the order in which they become known; each has its instant.
    pub fn run_until(&mut self, until: Duration, tell: &mut dyn FnMut(Duration, Event)) {
        self.out.drain(..).for_each(|(at, event)| tell(at, event));
        while let Some((at, due)) = self.agenda.take(until) {
            self.now = at;
            self.happen(due);
            self.out.drain(..).for_each(|(at, event)| tell(at, event));
        }
        self.now = self.now.max(until);
    }

    /// The plan in force.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Requests that were offered and have no answer.
    pub fn outstanding(&self) -> u64 {
        self.requests.outstanding()
    }

    /// When something happens next.
    pub fn next(&self) -> Option<Duration> {
        self.agenda.next()
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Offer => self.offer_next(),
            Due::Left { line, version } => {
                if let Some((parcel, delay)) = self.network.left(line, version, self.now, &mut self.agenda) {
                    self.sent(&parcel);
                    let arrives = self.in_time(delay + self.setup.overheads.hop);
                    self.agenda.put(arrives, Due::Arrived(Parcel { work: None, ..parcel }));
                }
            }
            Due::Flows { line, changes } => self.network.flows(line, changes, self.now, &mut self.agenda),
            Due::Arrived(parcel) => match parcel.to {
                Place::Dispatcher => self.admit(parcel.request),
                Place::Stage(place) => self.receive(parcel, place),
                Place::Collector => self.settle(&parcel),
                Place::Client => self.complete(parcel.request, parcel.epoch),
            },
            Due::Computed { epoch, stage } => self.computed(epoch, stage),
            Due::Closed { node } => self.lose(node, true),
            Due::Silent { node, since } => self.silent(node, since),
            Due::PathSilent { from, to, epoch, since } => self.path_silent(from, to, epoch, since),
            Due::Retry { node } => self.retry(node),
            Due::Plan { attempt } => self.planned(attempt),
            Due::Deployed { epoch } => self.deployed(epoch),
            Due::Stranded { attempt } => self.look_for_a_way_out(attempt),
        }
    }
}
