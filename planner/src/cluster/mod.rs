//! The machines a model can be spread over: memory, speed, and the bandwidth between each pair.
//!
//! [`wifi`], [`classes`] and [`matrix`] make the rates between nodes; [`paths`] turns a network of links and media
//! into what each node can send to each other.

pub mod classes;
pub mod matrix;
pub mod paths;
pub mod wifi;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::{ByteSize, EnergyPerByte, Power, Rate};

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

    /// Energy that two nodes use for `size` to pass from one to the other, in joules.
    pub fn joules(&self, from: usize, to: usize, size: ByteSize) -> f64 {
        let ends = if from == to { [None, None] } else { [self.nodes.get(from), self.nodes.get(to)] };
        ends.into_iter().flatten().map(|device| device.energy.per_byte.joules_for(size)).sum()
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
    /// What it uses of energy; [`Energy::default`] when not given.
    #[serde(default)]
    pub energy: Energy,
}

/// What a node uses of energy.
///
/// The default is a Raspberry Pi 4: about 2.3 W idle and 5.2 W with busy cores and radio, as measured
/// by <https://chipwired.com/raspberry-pi-power-use/>, rounded to 2 W and 5 W. 50 nJ/B is a round
/// figure of our own: 0.3 W more while 50 Mbit/s pass.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Energy {
    /// Power while it computes.
    pub busy: Power,
    /// Power while it does not.
    pub idle: Power,
    /// Energy for each byte it sends or receives, besides.
    pub per_byte: EnergyPerByte,
}

impl Energy {
    /// What a Raspberry Pi 4 uses; see [`Energy`].
    pub const RASPBERRY_PI: Energy = Energy {
        busy: Power::from_watts(5.0),
        idle: Power::from_watts(2.0),
        per_byte: EnergyPerByte::from_nanojoules(50.0),
    };
}

impl Default for Energy {
    fn default() -> Energy {
        Energy::RASPBERRY_PI
    }
}

/// What one node can send to another, over however many hops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Path {
    /// Rate of the slowest hop; `None` when no hop is limited.
    pub rate: Option<Rate>,
    /// Sum of the hops' delays.
    #[serde(with = "crate::units::duration")]
    pub delay: Duration,
    /// Number of the medium whose airtime the pair shares with all others of the same number: while
    /// one of them sends, the others can't. `None`: the rate is the pair's own.
    #[serde(default)]
    pub air: Option<usize>,
}

impl Path {
    /// Time for which `size` occupies the slowest hop.
    pub fn occupancy(&self, size: ByteSize) -> Duration {
        self.rate.map_or(Duration::ZERO, |rate| rate.time_for(size))
    }
}
