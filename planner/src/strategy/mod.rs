//! How a plan is found. One file per algorithm, all behind one trait.
//!
//! ```text
//! let plan = StrategyKind::Greedy.strategy().plan(&problem, seed)?;
//! ```

mod greedy;
mod instance;
mod random;
mod search;

pub use greedy::Greedy;
pub use random::Random;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::cluster::{Cluster, Path};
use crate::codec::Codec;
use crate::plan::Plan;
use crate::profile::{ModelProfile, Segment};
use crate::units::ByteSize;

/// What a strategy is asked: put this model on this cluster.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'a> {
    /// The model.
    pub profile: &'a ModelProfile,
    /// The cluster.
    pub cluster: &'a Cluster,
    /// How tensors are encoded between stages.
    pub codec: Codec,
    /// Nodes that may hold no stage (dead, or suspected).
    pub excluded: &'a BTreeSet<usize>,
    /// Ordered pairs of nodes between which nothing arrives.
    pub severed: &'a BTreeSet<(usize, usize)>,
    /// The plan in force; of equally good answers, one that moves fewer stages is wanted.
    pub current: Option<&'a Plan>,
}

impl<'a> Problem<'a> {
    /// A model on a cluster on which nothing has happened yet.
    pub fn new(profile: &'a ModelProfile, cluster: &'a Cluster, codec: Codec) -> Problem<'a> {
        static NO_NODE: BTreeSet<usize> = BTreeSet::new();
        static NO_PAIR: BTreeSet<(usize, usize)> = BTreeSet::new();
        Problem { profile, cluster, codec, excluded: &NO_NODE, severed: &NO_PAIR, current: None }
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

/// An algorithm that finds a plan.
pub trait Strategy {
    /// Finds a plan. The same problem and seed give the same plan.
    ///
    /// # Errors
    /// When the strategy finds no plan that respects memory and connectivity; see [`PlanError`].
    fn plan(&self, problem: &Problem<'_>, seed: u64) -> Result<Plan, PlanError>;
}

/// What no strategy can change: whether there is a worker at all, and whether the smallest parts fit anywhere.
fn check(problem: &Problem<'_>) -> Result<Vec<usize>, PlanError> {
    let Problem { profile, cluster, .. } = *problem;
    let available: Vec<usize> = (0..cluster.nodes.len()).filter(|node| problem.available(*node)).collect();
    let most = available.iter().map(|node| cluster.nodes[*node].memory).max().ok_or(PlanError::NoWorker)?;
    let (client, dispatcher) = (cluster.client, cluster.dispatcher);
    for (from, to) in [(client, dispatcher), (dispatcher, client)] {
        if cluster.path(from, to).is_none() {
            let name = |node: usize| cluster.nodes.get(node).map_or_else(String::new, |device| device.name.clone());
            return Err(PlanError::NoPath { from: name(from), to: name(to) });
        }
    }
    for piece in 0..profile.pieces.len() {
        let need = profile.memory(Segment { from: piece, to: piece + 1 });
        if need > most {
            let tensor = |cut: usize| profile.cuts[cut].tensor.clone();
            return Err(PlanError::PieceTooLarge { from: tensor(piece), to: tensor(piece + 1), need, most });
        }
    }
    Ok(available)
}

fn no_placement(problem: &Problem<'_>, available: &[usize]) -> PlanError {
    PlanError::NoPlacement {
        available: available.len(),
        memory: available.iter().map(|node| problem.cluster.nodes[*node].memory).sum(),
        need: problem.profile.memory(problem.profile.whole()),
    }
}

/// Which algorithm to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StrategyKind {
    /// From every start node, the next stage goes where it costs least.
    #[default]
    Greedy,
    /// Random legal cuts on random distinct nodes.
    Random,
}

impl StrategyKind {
    /// Every strategy, in the order they are documented.
    pub const ALL: [StrategyKind; 2] = [StrategyKind::Greedy, StrategyKind::Random];

    /// The name used in scenarios and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            StrategyKind::Greedy => "greedy",
            StrategyKind::Random => "random",
        }
    }
}

impl StrategyKind {
    /// The algorithm.
    pub fn strategy(self) -> Box<dyn Strategy> {
        match self {
            StrategyKind::Greedy => Box::new(Greedy),
            StrategyKind::Random => Box::new(Random),
        }
    }
}

impl fmt::Display for StrategyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A strategy name that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a strategy (greedy or random)")]
pub struct UnknownStrategy(pub String);

impl FromStr for StrategyKind {
    type Err = UnknownStrategy;
    fn from_str(name: &str) -> Result<StrategyKind, UnknownStrategy> {
        StrategyKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| UnknownStrategy(name.to_owned()))
    }
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// Some part of the model can't be cut smaller and fits on no node.
    #[error(
        "the part of the model between {from:?} and {to:?} needs {:.1} MiB, more than any available node has ({:.1} MiB); give the nodes more memory",
        need.mib(), most.mib()
    )]
    PieceTooLarge {
        /// The tensor before it.
        from: String,
        /// The tensor behind it.
        to: String,
        /// The memory it needs.
        need: ByteSize,
        /// The largest memory of any available node.
        most: ByteSize,
    },
    /// No worker is left.
    #[error("no worker node is available")]
    NoWorker,
    /// Client and dispatcher can't speak to each other.
    #[error("no path leads from {from} to {to}: requests or results can't pass")]
    NoPath {
        /// The sender.
        from: String,
        /// The receiver.
        to: String,
    },
    /// The strategy found no placement.
    #[error(
        "no placement of the model on the {available} available nodes was found: together they have {:.1} MiB, the model on one of them would need {:.1} MiB",
        memory.mib(), need.mib()
    )]
    NoPlacement {
        /// How many nodes were available.
        available: usize,
        /// Their memory together.
        memory: ByteSize,
        /// What the whole model needs on one node.
        need: ByteSize,
    },
}
