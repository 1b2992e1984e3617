//! Stages on nodes, and what the cost model says of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::profile::Segment;
use crate::units::{ByteSize, duration};

/// A model spread over a cluster: consecutive segments on distinct nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The stages, from the model's input to its output.
    pub stages: Vec<Stage>,
    /// What the cost model expects of them.
    pub prediction: Prediction,
}

/// A segment placed on a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Index of the node in the cluster.
    pub node: usize,
    /// The part of the model it holds.
    pub segment: Segment,
    /// Memory its process is expected to need.
    pub memory: ByteSize,
    /// Time it computes for one request.
    #[serde(with = "duration")]
    pub compute: Duration,
    /// Time its input occupies the path from the previous stage (from the dispatcher, for the first).
    #[serde(with = "duration")]
    pub receive: Duration,
}

/// What the cost model expects of a plan without faults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The longest time that any stage or path is busy with one request.
    #[serde(with = "duration")]
    pub bottleneck: Duration,
    /// What that is.
    pub limit: Limit,
    /// End-to-end latency of a request that meets no other, from the client and back.
    #[serde(with = "duration")]
    pub latency: Duration,
}

impl Prediction {
    /// Requests per second: the inverse of the bottleneck latency.
    pub fn throughput_per_s(&self) -> f64 {
        1.0 / self.bottleneck.as_secs_f64().max(1e-9)
    }
}

/// What limits a plan's throughput. Nodes are indices into the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// A transfer.
    Path {
        /// The sending node.
        from: usize,
        /// The receiving node.
        to: usize,
    },
    /// A stage's computing.
    Compute {
        /// The node that computes.
        node: usize,
    },
}
