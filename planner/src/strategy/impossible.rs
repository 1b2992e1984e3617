//! Why there is no plan, and what would have to be different.

use super::optimal::{Answer, within};
use super::search::Search;
use super::{Chain, Instance, Objective, Optimal, Problem, Stop, Strategy};
use crate::profile::{Piece, Segment};
use crate::units::ByteSize;

/// Steps of each search for any chain at all. The answer is an advice, so it must not take long.
const EFFORT: usize = 512;
/// Stages that a greedy search may try for each start node before that.
const GREEDY: usize = 64;

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// Some part of the model can't be cut smaller and fits on no node.
    #[error(
        "the part of the model between {from:?} and {to:?} ({operators}) can't be cut and needs {:.1} MiB, more than any available node has ({:.1} MiB); give at least one node {} MiB",
        need.mib(), most.mib(), whole_mib(*need)
    )]
    PieceTooLarge {
        /// The tensor before it.
        from: String,
        /// The tensor behind it.
        to: String,
        /// Its operators, in words.
        operators: String,
        /// The memory it needs; no other part needs more.
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
    /// Every part fits somewhere, but not all of them at once, on nodes that can speak to each other.
    #[error(
        "no placement of the model on the {available} available nodes was found: together they have {:.1} MiB, the model on one of them would need {:.1} MiB{}",
        memory.mib(), need.mib(), advice(*each, *apart)
    )]
    NoPlacement {
        /// How many nodes were available.
        available: usize,
        /// Their memory together.
        memory: ByteSize,
        /// What the whole model needs on one node.
        need: ByteSize,
        /// If every node had at least so much there would be a plan: the least whole number of MiB for which one was
        /// found. Nothing where time ran out.
        each: Option<ByteSize>,
        /// If all nodes could speak to each other, their memory would do.
        apart: bool,
    },
    /// There are plans, but none with the throughput that the objective wants.
    #[error(
        "no plan was found that sustains {floor_per_s}/s: the best has {best_per_s:.3}/s, and none more than {most_per_s:.3}/s"
    )]
    TooSlow {
        /// Requests per second that were wanted.
        floor_per_s: f64,
        /// Requests per second of the best plan found.
        best_per_s: f64,
        /// No plan has more.
        most_per_s: f64,
    },
    /// There are plans, but the strategy found none.
    #[error("the strategy found no placement of the model, but there is one: try the strategy \"optimal\"")]
    Missed,
}

fn whole_mib(size: ByteSize) -> u64 {
    size.bytes().div_ceil(1 << 20)
}

fn advice(each: Option<ByteSize>, apart: bool) -> String {
    let memory = each.map(|each| format!("; with {} MiB on each there is one", whole_mib(each)));
    let paths = apart.then_some("; their memory would do if all of them could speak to each other");
    format!("{}{}", memory.unwrap_or_default(), paths.unwrap_or_default())
}

/// What no strategy can change: whether there is a worker at all, and whether the smallest parts fit anywhere.
pub(super) fn check(problem: &Problem<'_>) -> Result<Vec<usize>, PlanError> {
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
    let need = |piece: usize| profile.memory(Segment { from: piece, to: piece + 1 });
    match (0..profile.pieces.len()).max_by_key(|piece| need(*piece)) {
        Some(piece) if need(piece) > most => {
            let tensor = |cut: usize| profile.cuts[cut].name();
            let operators = profile.pieces.get(piece).map(Piece::named).unwrap_or_default();
            Err(PlanError::PieceTooLarge {
                from: tensor(piece),
                to: tensor(piece + 1),
                operators,
                need: need(piece),
                most,
            })
        }
        _ => Ok(available),
    }
}

/// Why a strategy found nothing on the available nodes, although every piece fits on one of them.
pub(super) fn no_placement(problem: &Problem<'_>, available: &[usize], stop: Stop<'_>) -> PlanError {
    let Problem { profile, cluster, objective, .. } = *problem;
    let instance = Instance::new(problem, available);
    if any_chain(&instance, stop) {
        let fastest = Optimal::QUICK.place(&instance, Objective::Throughput, 0, stop);
        return match fastest {
            Ok(fastest) if fastest.value > objective.longest() => PlanError::TooSlow {
                floor_per_s: 1.0 / objective.longest(),
                best_per_s: 1.0 / fastest.value,
                most_per_s: 1.0 / fastest.bound,
            },
            _ => PlanError::Missed,
        };
    }
    let mut raised = cluster.clone();
    let mut enough = |mib: u64| {
        for node in available {
            raised.nodes[*node].memory = cluster.nodes[*node].memory.max(ByteSize::from_bytes(mib << 20));
        }
        any_chain(&Instance::new(&Problem { cluster: &raised, ..*problem }, available), stop)
    };
    let need = profile.memory(profile.whole());
    let least = available.iter().map(|node| cluster.nodes[*node].memory).min().unwrap_or_default();
    // As much as the smallest node has is too little; with room for the whole model any node would do.
    let (mut low, mut high) = (least.bytes() >> 20, whole_mib(need));
    let possible = enough(high);
    while possible && high - low > 1 && !stop() {
        let middle = low.midpoint(high);
        if enough(middle) { high = middle } else { low = middle }
    }
    PlanError::NoPlacement {
        available: available.len(),
        memory: available.iter().map(|node| cluster.nodes[*node].memory).sum(),
        need,
        each: (possible && !stop()).then(|| ByteSize::from_bytes(high << 20)),
        apart: any_chain(&instance.all_connected(), stop),
    }
}

/// Whether a chain that respects memory and connectivity is found with little effort.
fn any_chain(instance: &Instance, stop: Stop<'_>) -> bool {
    if stop() {
        return false;
    }
    let unpinned = vec![None; instance.end + 1];
    let mut found = false;
    Search::new(instance, &unpinned, f64::INFINITY, &|| false).search_each_start(GREEDY, |chain: Chain| {
        found = instance.value(Objective::Throughput, &chain).is_finite();
        found
    });
    found || matches!(within(instance, f64::INFINITY, EFFORT, stop), Answer::Chain(_))
}
