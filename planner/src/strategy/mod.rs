//! How a plan is found. One file per algorithm, all behind one trait.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::cluster::Cluster;
use crate::codec::Codec;
use crate::plan::Plan;
use crate::profile::ModelProfile;
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

/// An algorithm that finds a plan.
pub trait Strategy {
    /// Finds a plan. The same problem and seed give the same plan.
    ///
    /// # Errors
    /// When the strategy finds no plan that respects memory and connectivity; see [`PlanError`].
    fn plan(&self, problem: &Problem<'_>, seed: u64) -> Result<Plan, PlanError>;
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
        "the part of the model between {from:?} and {to:?} needs {need}, more than any available node has ({most}); give the nodes more memory"
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
    /// The strategy found no placement.
    #[error(
        "no placement of the model on the {available} available nodes was found: together they have {memory}, the model needs about {need}"
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
