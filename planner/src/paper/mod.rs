//! SEIFER's study (Parthasarathy and Krishnamachari, arXiv 2304.11941), repeated: models × capacities × numbers of nodes ×
//! bandwidth classes, 50 seeded clusters each; k-path matching, joint greedy, random placement, and two that plan by
//! computing time, held against the
//! proven optimum, by the published rules and by true ones.

mod published;
mod study;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Serialize, Serializer};

pub use published::Tables;
use study::study;

/// What the device of the true rules computes: about one core of a Raspberry Pi 4 with a good matrix kernel.
pub const DEVICE_FLOPS: f64 = 10e9;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rules {
    /// What the authors count; see [`seifer::points`](crate::seifer::points) and
    /// [`Instance::published`](crate::strategy::Instance::published).
    Seifer,
    /// Each tensor as it is, once, with its packets' headers; weights and the largest tensor of every stage; computing on
    /// a device of [`DEVICE_FLOPS`]; input and result over the dispatcher's own paths, the dispatcher at a random
    /// place of the same square.
    True,
}

impl Rules {
    /// The name in files and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Rules::Seifer => "seifer",
            Rules::True => "true",
        }
    }
}

/// Who plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contender {
    /// The proven optimum.
    Optimal,
    /// K-path matching, with so many bandwidth classes.
    KPath {
        /// How many.
        classes: usize,
    },
    /// Joint greedy.
    Greedy,
    /// Cuts by computing time alone; by the published rules, where computing costs nothing, by FLOPs all the same.
    Compute,
    /// HEFT; by the published rules, with the FLOPs' time on a device of [`DEVICE_FLOPS`].
    Heft,
    /// Random placement.
    Random,
}

impl Contender {
    /// The strategy's name.
    pub const fn name(self) -> &'static str {
        match self {
            Contender::Optimal => "optimal",
            Contender::KPath { .. } => "kpath",
            Contender::Greedy => "greedy",
            Contender::Compute => "compute",
            Contender::Heft => "heft",
            Contender::Random => "random",
        }
    }

    /// The number of bandwidth classes, where there are any.
    pub const fn classes(self) -> Option<usize> {
        match self {
            Contender::KPath { classes } => Some(classes),
            _ => None,
        }
    }
}

impl Serialize for Contender {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What is studied.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// Rules.
    pub rules: Vec<Rules>,
    /// Models, by their names in the zoo.
    pub models: Vec<&'static str>,
    /// Memory of every node, in MiB.
    pub capacities_mib: Vec<u64>,
    /// Numbers of nodes.
    pub nodes: Vec<usize>,
    /// Numbers of bandwidth classes.
    pub classes: Vec<usize>,
    /// Clusters of each kind; their seeds are 0, 1, 2, …
    pub clusters: u64,
    /// After so long a search for the optimum is ended, and its gap told.
    pub patience: Duration,
}

impl Grid {
    /// All of it.
    pub fn whole() -> Grid {
        Grid {
            rules: vec![Rules::Seifer, Rules::True],
            models: crate::zoo::NAMES.into_iter().filter(|name| *name != "tiny-cnn").collect(),
            capacities_mib: vec![64, 128, 256, 512],
            nodes: vec![5, 10, 15, 20, 50],
            classes: (2..=20).step_by(3).collect(),
            clusters: 50,
            patience: Duration::from_secs(10),
        }
    }

    /// What says most, in less than a minute.
    pub fn quick() -> Grid {
        Grid {
            models: vec!["resnet50", "mobilenet-v2"],
            capacities_mib: vec![64, 128],
            nodes: vec![5, 20, 50],
            classes: vec![2, 20],
            ..Grid::whole()
        }
    }

    /// One cell for all contenders on the same clusters.
    fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for rules in &self.rules {
            for model in &self.models {
                for capacity_mib in &self.capacities_mib {
                    for nodes in &self.nodes {
                        cells.push(Cell { rules: *rules, model, capacity_mib: *capacity_mib, nodes: *nodes });
                    }
                }
            }
        }
        cells
    }
}

/// A kind of cluster and a model.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cell {
    rules: Rules,
    model: &'static str,
    capacity_mib: u64,
    nodes: usize,
}

/// How one contender did on the clusters of a kind. Times are bottleneck latencies.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Rules.
    pub rules: Rules,
    /// The model.
    pub model: &'static str,
    /// Memory of every node, in MiB.
    pub capacity_mib: u64,
    /// Number of nodes.
    pub nodes: usize,
    /// Who planned.
    pub strategy: Contender,
    /// Number of bandwidth classes, for k-path matching.
    pub classes: Option<usize>,
    /// How many clusters there were.
    pub clusters: u64,
    /// On how many of them a plan was found.
    pub found: u64,
    /// Of the others, how many are proven to have none.
    pub impossible: u64,
    /// The mean over the plans found, in seconds.
    pub mean_s: Option<f64>,
    /// The mean's standard error, in seconds.
    pub error_s: Option<f64>,
    /// The mean number of stages of the plans found.
    pub stages: Option<f64>,
    /// The mean of value / optimum (1 where both are 0).
    pub to_optimum: Option<f64>,
    /// The worst of these.
    pub worst_to_optimum: Option<f64>,
    /// On how many clusters the value was below the optimum's bound: must be none.
    pub below_bound: u64,
    /// The authors' ratio: value / (largest chosen transfer / largest bandwidth of the cluster), the mean.
    pub published_ratio: Option<f64>,
    /// For the optimum: how many of the answers are proven.
    pub proven: Option<u64>,
    /// The longest that one search took, in seconds.
    pub slowest_s: f64,
    /// The published mean, in seconds.
    pub published_s: Option<f64>,
}

impl Row {
    /// Our mean as a part of the published one; 1 where both are nothing.
    pub fn to_published(&self) -> Option<f64> {
        match (self.mean_s?, self.published_s?) {
            (0.0, 0.0) => Some(1.0),
            (ours, theirs) => Some(ours / theirs),
        }
    }
}

/// Studies a grid with so many threads. Tells `progress` how many cells of how many are done. Rows are in the grid's
/// order, whatever the threads did.
pub fn run(grid: &Grid, threads: usize, progress: &(dyn Fn(usize, usize) + Sync)) -> Vec<Row> {
    let (cells, tables) = (grid.cells(), Tables::new());
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results: Mutex<Vec<(usize, Vec<Row>)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                // From the end: the longest searches first, so that no thread is left alone with one.
                while let Some(index) = cells.len().checked_sub(next.fetch_add(1, Ordering::Relaxed) + 1) {
                    let rows = study(grid, cells[index], &tables);
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((index, rows));
                    progress(done.fetch_add(1, Ordering::Relaxed) + 1, cells.len());
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().flat_map(|(_, rows)| rows).collect()
}
