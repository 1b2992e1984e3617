//! What one node is told at start: a JSON file, the same on an emulated node and on a real device.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use planner::cluster::Cluster;
use planner::codec::Codec;
use planner::element::Element;
use planner::strategy::{Objective, Replicas, Spares, StrategyKind};
use planner::units::{ByteSize, duration};
use serde::{Deserialize, Serialize};

use crate::wire::secret::Secret;

/// Port on which a worker takes the dispatcher's control connection (TCP).
pub const CONTROL_PORT: u16 = 7001;
/// Port on which a worker takes tensors from the stage before it, and the dispatcher from the last (TCP).
pub const DATA_PORT: u16 = 7002;
/// Port on which the dispatcher takes clients (TCP).
pub const CLIENT_PORT: u16 = 7003;
/// Port on which the dispatcher takes heartbeats (UDP).
pub const HEARTBEAT_PORT: u16 = 7004;

/// Port on which a node of a probed cluster measures and is measured (TCP and UDP).
pub const PROBE_PORT: u16 = 7005;

/// Time for measuring all pairs of nodes of a probed cluster; what is not measured then has no path.
pub const PROBE_LIMIT: Duration = Duration::from_secs(120);

/// Configuration of one node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeConfig {
    /// The node's name.
    pub name: String,
    /// Its own address, which it listens on and sends from.
    pub address: IpAddr,
    /// The secret that all nodes of a run share: who does not know it can't join.
    pub secret: Secret,
    /// A folder it may write to.
    pub state: PathBuf,
    /// How rates between nodes become known.
    #[serde(default)]
    pub bandwidth: Bandwidth,
    /// What it does.
    pub role: RoleConfig,
}

/// How the rates and delays between nodes become known to the dispatcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bandwidth {
    /// They are those of the configured cluster.
    #[default]
    Configured,
    /// They are measured before the first plan, while the cluster is idle: see [`crate::probe`].
    Probed,
}

/// What a node does, and what it needs to know for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "kebab-case")]
pub enum RoleConfig {
    /// Offers load.
    Client(ClientConfig),
    /// Plans, deploys, dispatches.
    Dispatcher(Box<DispatcherConfig>),
    /// Holds a segment.
    Worker(WorkerConfig),
}

/// Configuration of the client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientConfig {
    /// The dispatcher's address.
    pub dispatcher: IpAddr,
    /// Shape of the model's input.
    pub input_shape: Vec<usize>,
    /// Type of the elements of the model's input.
    pub input_element: Element,
    /// How the input is encoded.
    pub codec: Codec,
    /// How many different inputs are used in turn: request `r` carries input `r % inputs`.
    pub inputs: u32,
    /// Seed of the inputs and of Poisson arrivals.
    pub seed: u64,
    /// What load is offered.
    pub load: Load,
}

/// What load is offered.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Load {
    /// A fixed number of requests is always outstanding: the next is scheduled when one completes.
    Closed {
        /// How many.
        concurrency: u32,
    },
    /// Requests are scheduled at a rate, whether or not earlier ones have completed.
    Open {
        /// Requests per second.
        rate_per_s: f64,
        /// How they are spaced.
        arrival: Arrival,
    },
}

/// How the requests of an open load are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrival {
    /// Evenly.
    #[default]
    Constant,
    /// With exponential gaps.
    Poisson,
}

/// Configuration of the dispatcher.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DispatcherConfig {
    /// The cluster, this node and the client among its nodes.
    pub cluster: Cluster,
    /// Address of each node of the cluster, in its order.
    pub addresses: Vec<IpAddr>,
    /// File with the model's profile ([`planner::profile::ModelProfile`], JSON).
    pub profile: PathBuf,
    /// The model file: read only with [`Deploy::Network`], to send segments of it.
    pub model: PathBuf,
    /// How segments reach the workers.
    pub deploy: Deploy,
    /// How tensors are encoded between stages.
    pub codec: Codec,
    /// How plans are found.
    pub strategy: StrategyKind,
    /// What a plan should be best at.
    pub objective: Objective,
    /// How many chains a plan may have.
    pub replicas: Replicas,
    /// How many segments are held ready beside the stages, for when a node is lost.
    #[serde(default)]
    pub spares: Spares,
    /// Seed of the strategy.
    pub seed: u64,
    /// How often a worker sends a heartbeat.
    #[serde(with = "duration")]
    pub heartbeat: Duration,
    /// How many heartbeats in a row may be missing before a worker is taken for dead.
    pub missed_heartbeats: u32,
    /// Most requests inside each chain at once; `None`: two for each stage and two more.
    pub window: Option<u32>,
    /// Whether answers go out in the order in which the requests were admitted.
    pub order: bool,
    /// Most accepted requests that wait in front of the pipeline; beyond it the client is not read from,
    /// or refused while there is no plan.
    pub queue: u32,
    /// A stage that takes so many times longer than planned, compared with the others, is slow, and a better plan is looked
    /// for; `None`: nobody looks.
    #[serde(default)]
    pub straggler: Option<f64>,
}

/// How segments reach the workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deploy {
    /// Each device has the model file in its storage and loads its segment from there.
    #[default]
    Local,
    /// The dispatcher sends each worker its segment over the network.
    Network,
}

/// Configuration of a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerConfig {
    /// The model file in the device's own storage.
    pub model: PathBuf,
    /// File with the model's profile.
    pub profile: PathBuf,
    /// How many times longer this device computes than the profiled host: a stage's result is held
    /// back until `slowdown` times the profiled time has passed since it started.
    pub slowdown: f64,
    /// Memory that the device has for this worker: a segment that needs more is refused, and none is prepared that does not
    /// fit. `None`: what the kernel says.
    #[serde(default)]
    pub memory: Option<ByteSize>,
}
