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

use crate::foreign::ForeignConfig;
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

/// No interval is longer, and no more heartbeats than this may be missing: products of the two never overflow.
pub const LONGEST_INTERVAL: Duration = Duration::from_secs(100 * 86_400);
/// See [`LONGEST_INTERVAL`].
pub const MOST_MISSED: u32 = 1000;
/// Most elements of an input: half of what a frame carries, if each takes a byte.
const MOST_ELEMENTS: usize = 1 << 29;

impl NodeConfig {
    /// What in it can't be, and what it has to be; `None` if all can be. To be asked of a configuration that comes from a file.
    pub fn unsound(&self) -> Option<&'static str> {
        match &self.role {
            RoleConfig::Client(client) => client.unsound(),
            RoleConfig::Dispatcher(dispatcher) => dispatcher.unsound(),
            RoleConfig::Worker(worker) => {
                let possible = worker.slowdown.is_finite() && worker.slowdown > 0.0;
                (!possible).then_some("`slowdown` has to be a number above zero")
            }
            RoleConfig::Foreign(foreign) => foreign.unsound(),
        }
    }
}

impl ClientConfig {
    fn unsound(&self) -> Option<&'static str> {
        let elements = self.input_shape.iter().try_fold(1_usize, |product, dim| product.checked_mul(*dim));
        if elements.is_none_or(|elements| elements > MOST_ELEMENTS) {
            return Some("`input_shape` has more elements than a frame can carry");
        }
        self.load.unsound()
    }
}

impl Load {
    pub(crate) fn unsound(&self) -> Option<&'static str> {
        match *self {
            Load::Closed { concurrency: 0 } => Some("`concurrency` has to be at least one"),
            Load::Open { rate_per_s, .. } if !(rate_per_s.is_finite() && rate_per_s > 0.0) => {
                Some("`rate_per_s` has to be a number above zero")
            }
            _ => None,
        }
    }
}

impl DispatcherConfig {
    fn unsound(&self) -> Option<&'static str> {
        let Cluster { nodes, paths, client, dispatcher } = &self.cluster;
        let count = nodes.len();
        if *client >= count || *dispatcher >= count {
            return Some("`client` and `dispatcher` have to be indices of nodes of the cluster");
        }
        if paths.len() != count || paths.iter().any(|row| row.len() != count) {
            return Some("`paths` needs a row and a column for each node of the cluster");
        }
        if self.addresses.len() != count {
            return Some("`addresses` needs one for each node of the cluster");
        }
        if nodes.iter().any(|node| !(node.slowdown.is_finite() && node.slowdown > 0.0)) {
            return Some("each node's `slowdown` has to be a number above zero");
        }
        if self.heartbeat.is_zero() || self.heartbeat > LONGEST_INTERVAL {
            return Some("`heartbeat` has to be above zero and at most a hundred days");
        }
        if !(1..=MOST_MISSED).contains(&self.missed_heartbeats) {
            return Some("`missed_heartbeats` has to be from 1 to 1000");
        }
        (self.queue == 0).then_some("`queue` has to be at least one")
    }
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
    /// Runs and measures programs of others.
    Foreign(Box<ForeignConfig>),
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn config(role: Value) -> Value {
        json!({ "name": "n", "address": "10.0.0.1", "secret": "00".repeat(16), "state": "/tmp", "role": role })
    }

    fn client() -> Value {
        json!({
            "role": "client", "dispatcher": "10.0.0.2", "input_shape": [1, 3, 8, 8], "input_element": "float32",
            "codec": "raw", "inputs": 4, "seed": 1, "load": { "kind": "open", "rate_per_s": 5.0, "arrival": "constant" },
        })
    }

    fn dispatcher() -> Value {
        let node = |worker: bool| json!({ "name": "n", "worker": worker, "memory": "64 MiB", "slowdown": 1.0 });
        json!({
            "role": "dispatcher",
            "cluster": {
                "nodes": [node(false), node(false), node(true)], "paths": [[null, null, null], [null, null, null], [null, null, null]],
                "client": 0, "dispatcher": 1,
            },
            "addresses": ["10.0.0.1", "10.0.0.2", "10.0.0.3"], "profile": "p", "model": "m", "deploy": "local", "codec": "raw",
            "strategy": "optimal", "objective": Objective::default(), "replicas": Replicas::default(), "seed": 1,
            "heartbeat": "100 ms", "missed_heartbeats": 5, "window": null, "order": false, "queue": 64,
        })
    }

    fn worker() -> Value {
        json!({ "role": "worker", "model": "m", "profile": "p", "slowdown": 2.0 })
    }

    #[test]
    fn what_can_not_be_is_named() {
        let read = |role: &Value| serde_json::from_value::<NodeConfig>(config(role.clone())).unwrap().unsound();
        for role in [client(), dispatcher(), worker()] {
            assert_eq!(read(&role), None, "{role}");
        }
        let wrong = [
            (client(), "/input_shape", json!([usize::MAX, 2]), "input_shape"),
            (client(), "/load/rate_per_s", json!(0.0), "rate_per_s"),
            (client(), "/load", json!({ "kind": "closed", "concurrency": 0 }), "concurrency"),
            (dispatcher(), "/cluster/client", json!(3), "client"),
            (dispatcher(), "/cluster/paths/2", json!([null]), "paths"),
            (dispatcher(), "/cluster/nodes/2/slowdown", json!(-1.0), "slowdown"),
            (dispatcher(), "/addresses", json!(["10.0.0.1"]), "addresses"),
            (dispatcher(), "/heartbeat", json!("0 s"), "heartbeat"),
            (dispatcher(), "/missed_heartbeats", json!(0), "missed_heartbeats"),
            (dispatcher(), "/queue", json!(0), "queue"),
            (worker(), "/slowdown", json!(0.0), "slowdown"),
        ];
        for (mut role, place, value, named) in wrong {
            *role.pointer_mut(place).unwrap() = value;
            assert!(read(&role).is_some_and(|reason| reason.contains(named)), "{place}: {:?}", read(&role));
        }
    }
}
