//! How a plan is found. One file per algorithm, all behind one trait.
//!
//! ```text
//! let plan = StrategyKind::Optimal.plan(&problem, seed, &|| false)?;
//! ```
//!
//! A [`Problem`] becomes an [`Instance`] (tables of numbers), a [`Strategy`] finds a chain in it, `repair` prefers
//! one that moves fewer stages of the plan in force, and [`Plan::evaluate_chains`] says what it costs.

mod compute;
mod cuts;
mod greedy;
mod heft;
mod impossible;
mod instance;
mod kpath;
mod optimal;
mod packing;
mod pareto;
mod random;
mod rehearsal;
mod repair;
mod replicas;
mod search;

pub use compute::Compute;
pub use greedy::Greedy;
pub use heft::{Heft, Scheduled, TaskGraph};
pub use impossible::PlanError;
pub use instance::{Chain, Costs, Instance};
pub use kpath::KPath;
pub use optimal::Optimal;
pub use pareto::{Front, Point};
pub use random::Random;
pub use rehearsal::{MARGIN, Rehearsal, Spares, rehearse, substituted};
pub use repair::KEEP;
pub use replicas::Replicas;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use impossible::{check, no_placement};
use serde::{Deserialize, Serialize};

use crate::cluster::{Cluster, Path};
use crate::codec::Codec;
use crate::plan::{Plan, Proof};
use crate::profile::{ModelProfile, Segment};

/// What is to be as small as possible.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Objective {
    /// The bottleneck latency: the most requests per second.
    #[default]
    Throughput,
    /// The end-to-end latency of a request that meets no other.
    Latency {
        /// Requests per second that the plan must sustain; 0: any.
        floor_per_s: f64,
    },
    /// The number of nodes in use: what is left can serve other chains.
    Nodes {
        /// Requests per second that the plan must sustain; 0: any.
        floor_per_s: f64,
    },
    /// The energy of one inference while requests come at the floor.
    Energy {
        /// Requests per second that the plan must sustain; more than 0, or nodes would idle for ever.
        floor_per_s: f64,
    },
}

impl Objective {
    /// Two parts of a chain together: a bottleneck is the longer, the others are sums.
    pub fn join(self, a: f64, b: f64) -> f64 {
        match self {
            Objective::Throughput => a.max(b),
            Objective::Latency { .. } | Objective::Nodes { .. } | Objective::Energy { .. } => a + b,
        }
    }

    /// Nothing may be busy for longer than this with one request, in seconds.
    pub fn longest(self) -> f64 {
        match self {
            Objective::Throughput => f64::INFINITY,
            Objective::Latency { floor_per_s }
            | Objective::Nodes { floor_per_s }
            | Objective::Energy { floor_per_s } => 1.0 / floor_per_s,
        }
    }
}

/// What a strategy is asked: put this model on this cluster.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'a> {
    /// The model.
    pub profile: &'a ModelProfile,
    /// The cluster.
    pub cluster: &'a Cluster,
    /// How tensors are encoded between stages.
    pub codec: Codec,
    /// What is to be as small as possible.
    pub objective: Objective,
    /// How many chains the plan may have.
    pub replicas: Replicas,
    /// Nodes that may hold no stage (dead, or suspected).
    pub excluded: &'a BTreeSet<usize>,
    /// Ordered pairs of nodes between which nothing arrives.
    pub severed: &'a BTreeSet<(usize, usize)>,
    /// The plan in force; of equally good answers, one that moves fewer stages is wanted.
    pub current: Option<&'a Plan>,
}

impl<'a> Problem<'a> {
    /// A model on a cluster on which nothing has happened yet, for the highest throughput.
    pub fn new(profile: &'a ModelProfile, cluster: &'a Cluster, codec: Codec) -> Problem<'a> {
        static NO_NODE: BTreeSet<usize> = BTreeSet::new();
        static NO_PAIR: BTreeSet<(usize, usize)> = BTreeSet::new();
        Problem {
            profile,
            cluster,
            codec,
            objective: Objective::Throughput,
            replicas: Replicas::One,
            excluded: &NO_NODE,
            severed: &NO_PAIR,
            current: None,
        }
    }

    /// Whether a stage may be put on `node`: a worker, not excluded, that the dispatcher can speak to.
    pub fn available(&self, node: usize) -> bool {
        self.cluster.nodes.get(node).is_some_and(|device| device.worker)
            && !self.excluded.contains(&node)
            && self.connected(self.cluster.dispatcher, node).is_some()
            && self.connected(node, self.cluster.dispatcher).is_some()
    }

    /// The path from one node to another, if both ways are open: tensors and control go over TCP,
    /// whose acknowledgements must come back.
    pub fn connected(&self, from: usize, to: usize) -> Option<Path> {
        let open = |a, b| self.cluster.path(a, b).filter(|_| !self.severed.contains(&(a, b)));
        open(to, from).and(open(from, to))
    }
}

/// Asked now and then by a strategy that may take long: `true` when it must come to an end.
pub type Stop<'a> = &'a dyn Fn() -> bool;

/// An algorithm that finds a chain.
pub trait Strategy {
    /// Finds a chain with a low value of the objective. The same instance and seed give the same chain, unless `stop`
    /// cuts the search short.
    ///
    /// # Errors
    /// When no chain is found that respects memory, connectivity and the objective's floor.
    fn place(&self, instance: &Instance, objective: Objective, seed: u64, stop: Stop<'_>)
    -> Result<Solution, Unplaced>;
}

/// With more nodes than this, every look at all of them takes a while.
const LARGE: usize = 128;

/// A chain, and how good it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    /// The stages.
    pub chain: Chain,
    /// What the objective makes of it: seconds, or joules.
    pub value: f64,
    /// No chain has a lower value. Strategies that know of none say what is true of any chain.
    pub bound: f64,
}

/// No chain was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unplaced {
    /// Whether it is certain that there is none.
    pub proven: bool,
}

/// A value that no chain is below, as far as one sees at once.
fn bound(instance: &Instance, objective: Objective) -> f64 {
    match objective {
        Objective::Throughput => instance.floor(),
        _ => instance.outside_cost(objective),
    }
}

/// Whether a chain has the throughput that the objective wants at least.
fn sustains(instance: &Instance, objective: Objective, chain: &[(usize, Segment)]) -> bool {
    let longest = objective.longest();
    longest.is_infinite() || instance.value(Objective::Throughput, chain) <= longest
}

/// Which algorithm to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StrategyKind {
    /// Cuts and nodes together, proven to be the best.
    #[default]
    Optimal,
    /// SEIFER's k-path matching: cuts by the sum of transfers, then runs of transfers on the widest paths.
    KPath,
    /// SEIFER's joint greedy: the same cuts, then always the neighbour with the most bandwidth.
    Greedy,
    /// Cuts by computing time alone.
    Compute,
    /// Piece by piece where it is done earliest: a list scheduler for the latency of one request.
    Heft,
    /// Random legal cuts on random distinct nodes.
    Random,
}

impl StrategyKind {
    /// Every strategy, in the order they are documented.
    pub const ALL: [StrategyKind; 6] = [
        StrategyKind::Optimal,
        StrategyKind::KPath,
        StrategyKind::Greedy,
        StrategyKind::Compute,
        StrategyKind::Heft,
        StrategyKind::Random,
    ];

    /// The name used in scenarios and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            StrategyKind::Optimal => "optimal",
            StrategyKind::KPath => "kpath",
            StrategyKind::Greedy => "greedy",
            StrategyKind::Compute => "compute",
            StrategyKind::Heft => "heft",
            StrategyKind::Random => "random",
        }
    }

    /// The algorithm.
    pub fn strategy(self) -> Box<dyn Strategy> {
        match self {
            StrategyKind::Optimal => Box::new(Optimal::THOROUGH),
            StrategyKind::KPath => Box::new(KPath::default()),
            StrategyKind::Greedy => Box::new(Greedy),
            StrategyKind::Compute => Box::new(Compute),
            StrategyKind::Heft => Box::new(Heft),
            StrategyKind::Random => Box::new(Random),
        }
    }

    /// Finds a plan. The same problem and seed give the same plan, unless `stop` cuts the search short.
    ///
    /// # Errors
    /// When the strategy finds no plan that respects memory and connectivity; see [`PlanError`].
    pub fn plan(self, problem: &Problem<'_>, seed: u64, stop: Stop<'_>) -> Result<Plan, PlanError> {
        let available = check(problem)?;
        let instance = Instance::new(problem, &available);
        let found = self.strategy().place(&instance, problem.objective, seed, stop);
        if let (Ok(found), true) = (&found, problem.replicas != Replicas::One) {
            let fastest = if problem.objective == Objective::Throughput { found.bound } else { instance.floor() };
            let plan = replicas::replicate(problem, &instance, (&found.chain, fastest), seed, stop);
            return plan.ok_or_else(|| no_placement(problem, &available, stop));
        }
        let fresh = found.as_ref().ok().and_then(|found| {
            let mut plan = Plan::evaluate(problem, &instance.placement(&found.chain)).ok()?;
            plan.proof = Some(Proof { objective: problem.objective, value: found.value, bound: found.bound });
            Some(plan)
        });
        let current = problem.current.filter(|_| problem.objective == Objective::Throughput);
        // A search that was stopped has used up all the time there is, but that few stages move is worth the little that
        // repairing takes; in a large cluster it is not little.
        let repair_stop: Stop<'_> = if instance.nodes.len() <= LARGE { &|| false } else { stop };
        let kept =
            current.and_then(|current| repair::keeping(problem, &instance, current, fresh.as_ref(), repair_stop));
        let kept = kept.map(|mut plan| {
            let value = plan.prediction.bottleneck.as_secs_f64();
            plan.proof = fresh.as_ref().and_then(|fresh| fresh.proof).map(|proof| Proof { value, ..proof });
            plan
        });
        kept.or(fresh).ok_or_else(|| no_placement(problem, &available, stop))
    }
}

impl fmt::Display for StrategyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A strategy name that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a strategy ({list})", list = StrategyKind::ALL.map(StrategyKind::name).join(", "))]
pub struct UnknownStrategy(pub String);

impl FromStr for StrategyKind {
    type Err = UnknownStrategy;
    fn from_str(name: &str) -> Result<StrategyKind, UnknownStrategy> {
        StrategyKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| UnknownStrategy(name.to_owned()))
    }
}
