//! The machines a model can be spread over: memory, speed, and the bandwidth between each pair.
//!
//! [`wifi`] and [`matrix`] make the rates between nodes; [`paths`] turns a network of links and media
//! into what each node can send to each other.

pub mod matrix;
pub mod paths;
pub mod wifi;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::{ByteSize, Rate};

/// `rates[from][to]`: what one node can send to another; `None` where it can't, and on the diagonal.
pub type Rates = Vec<Vec<Option<Rate>>>;

/// A cluster as the planner sees it. Nodes are named by their index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// The nodes, workers and others.
    pub nodes: Vec<Device>,
    /// `paths[from][to]`: what one node can send to another; `None` where it can't, and on the diagonal.
    pub paths: Vec<Vec<Option<Path>>>,
    /// The node that offers load.
    pub client: usize,
    /// The node that accepts requests, feeds the first stage and collects from the last.
    pub dispatcher: usize,
}

impl Cluster {
    /// The path from one node to another. From a node to itself everything passes at once.
    pub fn path(&self, from: usize, to: usize) -> Option<Path> {
        if from == to {
            return Some(Path { rate: None, delay: Duration::ZERO, air: None });
        }
        *self.paths.get(from)?.get(to)?
    }
}

/// One node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Whether stages may be put on it.
    pub worker: bool,
    /// Memory that a process on it may use.
    pub memory: ByteSize,
    /// How many times longer it computes than the profiled host; 1 is as fast.
    pub slowdown: f64,
}

/// What one node can send to another, over however many hops.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Path {
    /// Rate of the slowest hop; `None` when no hop is limited.
    pub rate: Option<Rate>,
    /// Sum of the hops' delays.
    #[serde(with = "crate::units::duration")]
    pub delay: Duration,
    /// The medium whose airtime it shares with all of that medium's other pairs; `None`: its rate is its own.
    #[serde(default)]
    pub air: Option<usize>,
}

impl Path {
    /// Time for which `size` occupies the slowest hop.
    pub fn occupancy(&self, size: ByteSize) -> Duration {
        self.rate.map_or(Duration::ZERO, |rate| rate.time_for(size))
    }
}
