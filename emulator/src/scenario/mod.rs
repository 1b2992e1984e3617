//! What the user asks for. [`parse`] reads the text, purely and strictly, and finds every mistake in
//! one pass; [`resolve`] checks meaning and turns it into a [`Scenario`], in which nothing is left to choose.

mod cluster;
pub mod error;
mod fault;
mod grade;
mod load;
pub mod network;
pub mod overrides;
pub mod parse;
pub mod resolve;
pub mod schema;
mod sound;
pub mod source;
pub mod template;
pub mod workload;

use std::path::PathBuf;
use std::time::Duration;

use node::config::{Bandwidth, Deploy};
use planner::cluster::Energy;
use planner::codec::Codec;
use planner::strategy::{Objective, Replicas, Spares, StrategyKind};
use planner::units::{ByteSize, duration};
use serde::{Deserialize, Serialize};

use network::Network;

pub use error::ScenarioErrors;
pub use fault::{DiskPace, FaultKind, FaultSpec, NodeTarget, PairTarget, RateStep, ShapeChange};
pub use grade::Grade;
pub use load::{Loaded, load, read};
pub use overrides::Overrides;
pub use parse::choice::Aim;
pub use resolve::capacity::{Shortage, check_capacity};
pub use sound::LONGEST;
pub use workload::{Commands, Inference, Workload};

/// A scenario with every default filled in and every name resolved: what a run does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scenario {
    /// Short name; results land in a folder of this name.
    pub name: String,
    /// The story, for people.
    pub description: String,
    /// Seed of everything random in the run.
    pub seed: u64,
    /// How long load is offered, warm-up included.
    #[serde(with = "duration")]
    pub duration: Duration,
    /// How long at the start nothing counts towards throughput and latency.
    #[serde(with = "duration")]
    pub warmup: Duration,
    /// How long after the end outstanding requests are waited for.
    #[serde(with = "duration")]
    pub drain: Duration,
    /// The nodes, in the order of their addresses.
    pub nodes: Vec<NodeSpec>,
    /// What connects them.
    pub network: Network,
    /// What runs on them.
    #[serde(flatten)]
    pub workload: Workload,
    /// What breaks, each as one planned instance: `every` is unrolled, random choices are drawn, those of `[chaos]` too.
    pub faults: Vec<FaultSpec>,
    /// What must hold for exit code 0.
    pub expect: Expect,
}

/// The model of a scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// Where it comes from.
    pub source: ModelSource,
    /// How tensors are encoded between stages.
    pub codec: Codec,
    /// How segments reach the workers.
    pub deploy: Deploy,
    /// Where workers read the model file from.
    #[serde(default)]
    pub store: Store,
}

/// Where workers read the model file from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Store {
    /// All from the same file of the host, which no fault reaches.
    #[default]
    Host,
    /// Each from a copy of its own in its state folder.
    Node,
}

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelSource {
    /// A model of the zoo, by name.
    Zoo(String),
    /// An ONNX file.
    File {
        /// The file.
        path: PathBuf,
        /// The shape of its input; `None` if the file says it.
        shape: Option<Vec<usize>>,
    },
}

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Offers load.
    Client,
    /// Plans and dispatches.
    Dispatcher,
    /// Holds stages.
    Worker,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeSpec {
    /// Its name, also its hostname.
    pub name: String,
    /// What it does.
    pub role: Role,
    /// Memory its process may use.
    pub memory: ByteSize,
    /// Memory that the dispatcher believes it has; `None`: what it has.
    #[serde(default)]
    pub claims: Option<ByteSize>,
    /// Cores of this host its process may use at most (0.5 is half a core); `None`: no limit.
    pub cpu: Option<f64>,
    /// How many times longer it computes than the profiled host.
    pub slowdown: f64,
    /// Size of its state folder.
    pub storage: ByteSize,
    /// What it uses of energy, as the scenario says it; nothing is measured.
    #[serde(default)]
    pub energy: Energy,
}

/// How the plan is found and kept.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PlanSpec {
    /// How plans are found.
    pub strategy: StrategyKind,
    /// How the rates and delays that it rests on become known.
    #[serde(default)]
    pub bandwidth: Bandwidth,
    /// What a plan should be best at.
    #[serde(default)]
    pub objective: Objective,
    /// How many chains a plan may have.
    #[serde(default)]
    pub replicas: Replicas,
    /// How many segments are held ready beside the stages.
    #[serde(default)]
    pub spares: Spares,
    /// Whether answers go out in the order in which the requests were accepted.
    #[serde(default)]
    pub order: bool,
    /// How often a worker sends a heartbeat.
    #[serde(with = "duration")]
    pub heartbeat: Duration,
    /// How many heartbeats in a row may be missing.
    pub missed_heartbeats: u32,
    /// Most requests inside each chain at once; `None`: two for each stage and two more.
    pub window: Option<u32>,
    /// Most accepted requests that wait in front of the pipeline.
    pub queue: u32,
    /// From how many times as slow as the others on a stage is taken for slow; `None`: none is.
    #[serde(default)]
    pub straggler: Option<f64>,
}

/// What must hold for exit code 0, besides what must hold in every run ([`crate::record::invariant`]).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Expect {
    /// Completed requests per second, at least.
    pub throughput_per_s: Option<f64>,
    /// 99th percentile of latency, at most, in milliseconds.
    pub p99_ms: Option<f64>,
    /// Completed requests, at least.
    pub completed: Option<u64>,
    /// Errors that the client saw, at most.
    pub errored: Option<u64>,
    /// Time from a fault's effect to the first result afterwards, at most, in milliseconds.
    pub recovery_ms: Option<f64>,
    /// Throughput as a share of the plan's bound, at least (a run without faults).
    pub of_bound: Option<f64>,
    /// How much resident memory any process may gain in an hour, at most.
    #[serde(default)]
    pub memory_growth_per_hour: Option<ByteSize>,
    /// How many file descriptors any process may gain in an hour, at most.
    #[serde(default)]
    pub descriptor_growth_per_hour: Option<u64>,
    /// The worst that the emulation's own fidelity may be.
    #[serde(default)]
    pub verdict: Option<Grade>,
}
