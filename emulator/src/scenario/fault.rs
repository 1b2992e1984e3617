//! What breaks, as it is planned.

use std::collections::BTreeMap;
use std::time::Duration;

use planner::units::{Rate, duration};
use serde::{Deserialize, Serialize};

use super::network::Shape;
use crate::sandbox::layer::Access;

/// One fault, once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultSpec {
    /// When, since load began.
    #[serde(with = "duration")]
    pub at: Duration,
    /// How long until it is healed; `None`: never.
    pub lasting: Option<Duration>,
    /// Whether it is left out where this host can't fire it; else the scenario is refused.
    #[serde(default)]
    pub optional: bool,
    /// What.
    pub kind: FaultKind,
}

/// What breaks. [`crate::fault`] has a file for each, which says what it does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FaultKind {
    /// The process is ended by SIGKILL; healed by starting it again.
    Kill {
        /// Whose.
        target: NodeTarget,
    },
    /// The process is ended by SIGKILL and started again as soon as it has ended, or when this is healed.
    Restart {
        /// Whose.
        target: NodeTarget,
    },
    /// The process is frozen; healed by thawing it.
    Pause {
        /// Whose.
        target: NodeTarget,
    },
    /// The process is ended, and again each time it has come up, until healed.
    CrashLoop {
        /// Whose.
        target: NodeTarget,
        /// How long it lives each time.
        #[serde(with = "duration")]
        up: Duration,
        /// How long it is gone each time.
        #[serde(with = "duration")]
        down: Duration,
    },
    /// The process is started again with a clock that is ahead; healed by starting it once more.
    Clock {
        /// Whose.
        target: NodeTarget,
        /// By how much.
        #[serde(with = "duration")]
        ahead: Duration,
    },
    /// The node's memory is taken away until the kernel ends its process; healed by giving it back and starting it again.
    Oom {
        /// Whose.
        target: NodeTarget,
    },
    /// The process may use less of the processors.
    Cpu {
        /// Whose.
        target: NodeTarget,
        /// So many cores.
        cores: f64,
        /// How many at the beginning of the ramp.
        from: f64,
        /// How long the ramp takes; zero: a step.
        #[serde(with = "duration")]
        over: Duration,
    },
    /// The device computes slower.
    Straggler {
        /// Which.
        target: NodeTarget,
        /// How many times slower than it is.
        factor: f64,
        /// How long it takes to get there; zero: a step.
        #[serde(with = "duration")]
        over: Duration,
    },
    /// The node is off and on in turn.
    Intermittent {
        /// Which.
        target: NodeTarget,
        /// How long it is on.
        #[serde(with = "duration")]
        on: Duration,
        /// How long it is off.
        #[serde(with = "duration")]
        off: Duration,
        /// By what share of themselves these vary at most.
        jitter: f64,
        /// Seed of that.
        seed: u64,
    },
    /// Nothing more fits into the node's state folder.
    DiskFull {
        /// Which.
        target: NodeTarget,
    },
    /// The node's state folder can't be changed.
    ReadOnly {
        /// Which.
        target: NodeTarget,
    },
    /// The node's disk is slow.
    Slow {
        /// Whose.
        target: NodeTarget,
        /// How slow.
        #[serde(flatten)]
        pace: DiskPace,
    },
    /// Some of what the node's disk is asked fails with EIO.
    Eio {
        /// Whose.
        target: NodeTarget,
        /// The share of operations that fail.
        share: f64,
        /// Of these.
        operations: Vec<Access>,
        /// Says which ones.
        seed: u64,
    },
    /// A bit of a stored file is flipped.
    BitFlip {
        /// Whose.
        target: NodeTarget,
        /// Its name in the state folder; `None`: the largest.
        file: Option<String>,
        /// Says which bit.
        seed: u64,
    },
    /// The end of a stored file is cut off.
    Truncate {
        /// Whose.
        target: NodeTarget,
        /// Its name in the state folder; `None`: the largest.
        file: Option<String>,
        /// The share of it that is left.
        keep: f64,
    },
    /// Nothing passes a link (or between a pair of nodes on a medium), either way.
    Down {
        /// Which.
        target: PairTarget,
    },
    /// A link (or a pair of nodes on a medium) is down and up in turn.
    Flap {
        /// Which.
        target: PairTarget,
        /// How long once down and up takes.
        #[serde(with = "duration")]
        period: Duration,
        /// For what share of it the link is down.
        duty: f64,
    },
    /// What one node sends to another vanishes at the receiver, however it is routed.
    Blackhole {
        /// Which.
        target: PairTarget,
        /// Also the other way.
        both: bool,
    },
    /// A link (or a pair of nodes on a medium) gets another shape.
    Degrade {
        /// Which.
        target: PairTarget,
        /// The values that change; the others stay.
        change: ShapeChange,
        /// Also the other way.
        both: bool,
    },
    /// Packets are lost in bursts.
    LossBurst {
        /// On which link or pair.
        target: PairTarget,
        /// Share of packets lost.
        loss: f64,
        /// How many in a row, on average.
        length: u32,
        /// Also the other way.
        both: bool,
    },
    /// Packets overtake each other.
    Reorder {
        /// On which link or pair.
        target: PairTarget,
        /// Share of packets that skip the delay.
        share: f64,
        /// The delay meanwhile; `None`: that of the link.
        delay: Option<Duration>,
        /// Also the other way.
        both: bool,
    },
    /// Packets arrive twice.
    Duplicate {
        /// On which link or pair.
        target: PairTarget,
        /// Share of packets.
        share: f64,
        /// Also the other way.
        both: bool,
    },
    /// Packets arrive with a bit flipped.
    Corrupt {
        /// On which link or pair.
        target: PairTarget,
        /// Share of packets.
        share: f64,
        /// Also the other way.
        both: bool,
    },
    /// The rate changes over time, as it was recorded.
    Trace {
        /// Of which link or pair.
        target: PairTarget,
        /// The file it comes from, for people.
        file: String,
        /// The rates, in order of time; the first is at zero.
        rates: Vec<RateStep>,
        /// When it begins anew; `None`: the last rate stays.
        period: Option<Duration>,
        /// Also the other way.
        both: bool,
    },
    /// Groups of nodes that don't hear each other. A node in no group hears everybody.
    Partition {
        /// The groups, by node name.
        groups: Vec<Vec<String>>,
        /// Only the first group is not heard by the others; it hears them.
        #[serde(default)]
        one_way: bool,
    },
}

/// How slow a disk is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DiskPace {
    /// How long each operation takes at least.
    #[serde(with = "duration")]
    pub delay: Duration,
    /// How fast bytes are read and written; `None`: as fast as without the fault.
    pub rate: Option<Rate>,
}

/// A rate from an instant on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RateStep {
    /// From when, since the trace began.
    #[serde(with = "duration")]
    pub after: Duration,
    /// So much; `None`: nothing passes.
    pub rate: Option<Rate>,
}

/// Which node a fault hits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeTarget {
    /// This one.
    Node(String),
    /// Whichever holds this stage when the fault fires.
    Stage(u16),
    /// A worker that holds no stage when the fault fires; the first by name.
    Spare,
}

/// Which ordered pair of nodes a fault hits. In a network of links, a fault of a link needs neighbours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PairTarget {
    /// From one to the other.
    Nodes(String, String),
    /// From whichever holds this stage when the fault fires to whichever holds the next (or the dispatcher).
    AfterStage(u16),
}

/// The values of a [`Shape`] that a fault changes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ShapeChange(pub BTreeMap<String, serde_json::Value>);

impl ShapeChange {
    /// The values in which `to` differs from a shape that does nothing.
    pub fn to(to: &Shape) -> ShapeChange {
        let fields = |shape: &Shape| match serde_json::to_value(shape) {
            Ok(serde_json::Value::Object(fields)) => fields.into_iter().collect(),
            // A shape is always a table.
            _ => BTreeMap::new(),
        };
        let nothing = fields(&Shape::default());
        ShapeChange(fields(to).into_iter().filter(|(name, value)| nothing.get(name) != Some(value)).collect())
    }

    /// The shape with the changed values put in; `None` if a value doesn't fit (checked when the scenario is resolved).
    pub fn apply(&self, shape: &Shape) -> Option<Shape> {
        let mut value = serde_json::to_value(shape).ok()?;
        let fields = value.as_object_mut()?;
        for (name, change) in &self.0 {
            fields.insert(name.clone(), change.clone());
        }
        serde_json::from_value(value).ok()
    }
}
