//! Values that are chosen by a word.

use node::config::{Arrival, Bandwidth, Deploy};
use planner::codec::Codec;
use planner::strategy::{Objective, Replicas, Spares, StrategyKind};
use schemars::json_schema;

use super::leaf::{Whole, leaf_schema};
use super::mistake::Mistake;
use super::reader::{Read, Reader};
use super::tree::{Node, Value};
use crate::sandbox::layer::Access;
use crate::scenario::network::{Airtime, Aqm};
use crate::scenario::{Grade, Role, Store};

/// More chains than this have no use: a cluster has 500 nodes at most.
const MOST_CHAINS: u64 = 500;
/// Segments that can be asked to be held ready.
const MOST_SPARES: u64 = 1000;

/// A value that is chosen by a word.
pub trait Word: Copy + 'static {
    /// The words and what they choose.
    const WORDS: &'static [(&'static str, Self)];
    /// How one is written, as TOML.
    const EXAMPLE: &'static str;
}

/// One of some words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice<T: Word>(pub T);

impl<T: Word> Read for Choice<T> {
    const WHAT: &'static str = "one of some words";
    const EXAMPLE: &'static str = T::EXAMPLE;
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let words: Vec<&str> = T::WORDS.iter().map(|(word, _)| *word).collect();
        let Value::Text(found) = &node.value else {
            reader.wrong_type_as(node, &super::mistake::alternatives(&owned(&words)), T::EXAMPLE);
            return None;
        };
        let chosen = reader.choice(found, &words, node.place)?;
        T::WORDS.iter().find(|(word, _)| *word == chosen).map(|(_, value)| Choice(*value))
    }
}
leaf_schema!(Choice<T> where [T: Word], "Choice", {
    let words: Vec<&str> = T::WORDS.iter().map(|(word, _)| *word).collect();
    json_schema!({ "type": "string", "enum": words })
});

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

impl Word for Codec {
    const WORDS: &'static [(&'static str, Codec)] = &[
        (Codec::Raw.name(), Codec::Raw),
        (Codec::F16.name(), Codec::F16),
        (Codec::Lz4.name(), Codec::Lz4),
        (Codec::U8Lz4.name(), Codec::U8Lz4),
    ];
    const EXAMPLE: &'static str = "\"raw\"";
}

impl Word for Deploy {
    const WORDS: &'static [(&'static str, Deploy)] = &[("local", Deploy::Local), ("network", Deploy::Network)];
    const EXAMPLE: &'static str = "\"local\"";
}

impl Word for Store {
    const WORDS: &'static [(&'static str, Store)] = &[("host", Store::Host), ("node", Store::Node)];
    const EXAMPLE: &'static str = "\"node\"";
}

impl Word for Access {
    const WORDS: &'static [(&'static str, Access)] =
        &[("read", Access::Read), ("write", Access::Write), ("sync", Access::Sync)];
    const EXAMPLE: &'static str = "\"write\"";
}

impl Word for Bandwidth {
    const WORDS: &'static [(&'static str, Bandwidth)] =
        &[("configured", Bandwidth::Configured), ("probed", Bandwidth::Probed)];
    const EXAMPLE: &'static str = "\"probed\"";
}

impl Word for Role {
    const WORDS: &'static [(&'static str, Role)] =
        &[("client", Role::Client), ("dispatcher", Role::Dispatcher), ("worker", Role::Worker)];
    const EXAMPLE: &'static str = "\"worker\"";
}

impl Word for Arrival {
    const WORDS: &'static [(&'static str, Arrival)] = &[("constant", Arrival::Constant), ("poisson", Arrival::Poisson)];
    const EXAMPLE: &'static str = "\"poisson\"";
}

/// A distribution that a word is enough for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// [`Distribution::Normal`](crate::scenario::network::Distribution::Normal).
    Normal,
    /// [`Distribution::Uniform`](crate::scenario::network::Distribution::Uniform).
    Uniform,
    /// [`Distribution::Pareto`](crate::scenario::network::Distribution::Pareto).
    Pareto,
}

impl Word for Family {
    const WORDS: &'static [(&'static str, Family)] =
        &[("normal", Family::Normal), ("uniform", Family::Uniform), ("pareto", Family::Pareto)];
    const EXAMPLE: &'static str = "\"normal\"";
}

impl Word for Aqm {
    const WORDS: &'static [(&'static str, Aqm)] = &[("drop-tail", Aqm::DropTail), ("codel", Aqm::Codel)];
    const EXAMPLE: &'static str = "\"codel\"";
}

/// A run is never expected to be invalid.
impl Word for Grade {
    const WORDS: &'static [(&'static str, Grade)] =
        &[(Grade::Faithful.word(), Grade::Faithful), (Grade::Degraded.word(), Grade::Degraded)];
    const EXAMPLE: &'static str = "\"faithful\"";
}

impl Word for Airtime {
    const WORDS: &'static [(&'static str, Airtime)] =
        &[("independent", Airtime::Independent), ("shared", Airtime::Shared)];
    const EXAMPLE: &'static str = "\"shared\"";
}

/// What a plan should be best at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Aim {
    /// The most requests per second.
    Throughput,
    /// The shortest time from request to result.
    Latency,
    /// The least energy for one inference while requests come at the floor.
    Energy,
    /// The fewest nodes.
    Nodes,
}

impl Aim {
    /// The objective with a floor of throughput; `None` where there must be one and is none.
    pub fn objective(self, floor_per_s: f64) -> Option<Objective> {
        match self {
            Aim::Throughput => Some(Objective::Throughput),
            Aim::Latency => Some(Objective::Latency { floor_per_s }),
            Aim::Energy => (floor_per_s > 0.0).then_some(Objective::Energy { floor_per_s }),
            Aim::Nodes => Some(Objective::Nodes { floor_per_s }),
        }
    }
}

impl Word for Aim {
    const WORDS: &'static [(&'static str, Aim)] =
        &[("throughput", Aim::Throughput), ("latency", Aim::Latency), ("energy", Aim::Energy), ("nodes", Aim::Nodes)];
    const EXAMPLE: &'static str = "\"latency\"";
}

/// How groups are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// A minority of the workers and all others.
    Majority,
    /// Half of the workers and all others, with one worker between them.
    Bridge,
}

impl Word for Split {
    const WORDS: &'static [(&'static str, Split)] = &[("majority", Split::Majority), ("bridge", Split::Bridge)];
    const EXAMPLE: &'static str = "\"majority\"";
}

/// How many chains a plan may have: a number, or `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaCount(pub Replicas);

impl Read for ReplicaCount {
    const WHAT: &'static str = "a number of chains or \"auto\"";
    const EXAMPLE: &'static str = "\"auto\"";
    fn read(node: &Node, reader: &mut Reader) -> Option<ReplicaCount> {
        match &node.value {
            Value::Text(word) => reader.choice(word, &["auto"], node.place).map(|_| ReplicaCount(Replicas::Auto)),
            Value::Integer(_) => {
                let Whole(count) = Whole::<1, MOST_CHAINS>::read(node, reader)?;
                Some(ReplicaCount(if count == 1 { Replicas::One } else { Replicas::Most(count as u32) }))
            }
            _ => {
                reader.wrong_type::<ReplicaCount>(node);
                None
            }
        }
    }
}
leaf_schema!(
    ReplicaCount,
    "ReplicaCount",
    json_schema!({
        "title": "number of chains",
        "oneOf": [{ "type": "integer", "minimum": 1, "maximum": MOST_CHAINS }, { "const": "auto" }]
    })
);

/// How many segments are held ready: a number, or `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpareCount(pub Spares);

impl Read for SpareCount {
    const WHAT: &'static str = "a number of segments or \"auto\"";
    const EXAMPLE: &'static str = "\"auto\"";
    fn read(node: &Node, reader: &mut Reader) -> Option<SpareCount> {
        match &node.value {
            Value::Text(word) => reader.choice(word, &["auto"], node.place).map(|_| SpareCount(Spares::Auto)),
            Value::Integer(_) => {
                let Whole(count) = Whole::<0, MOST_SPARES>::read(node, reader)?;
                Some(SpareCount(Spares::Most(count as u32)))
            }
            _ => {
                reader.wrong_type::<SpareCount>(node);
                None
            }
        }
    }
}
leaf_schema!(
    SpareCount,
    "SpareCount",
    json_schema!({
        "title": "number of segments",
        "oneOf": [{ "type": "integer", "minimum": 0, "maximum": MOST_SPARES }, { "const": "auto" }]
    })
);

/// From how many times as slow as the others on a stage is slow; `None`: none is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlowFrom(pub Option<f64>);

impl SlowFrom {
    const LEAST: f64 = 1.25;
    const MOST: f64 = 1000.0;
}

impl Read for SlowFrom {
    const WHAT: &'static str = "a factor or \"off\"";
    const EXAMPLE: &'static str = "2";
    fn read(node: &Node, reader: &mut Reader) -> Option<SlowFrom> {
        let found = match &node.value {
            Value::Text(word) => return reader.choice(word, &["off"], node.place).map(|_| SlowFrom(None)),
            Value::Integer(value) => *value as f64,
            Value::Float(value) => *value,
            _ => {
                reader.wrong_type::<SlowFrom>(node);
                return None;
            }
        };
        if found == 0.0 || (SlowFrom::LEAST..=SlowFrom::MOST).contains(&found) {
            return Some(SlowFrom((found > 0.0).then_some(found)));
        }
        let range = format!("0 (off), or from {} to {}", SlowFrom::LEAST, SlowFrom::MOST);
        let key = reader.key();
        reader.note(Mistake::OutOfRange { key, found: found.to_string(), range }, node.place);
        None
    }
}
leaf_schema!(
    SlowFrom,
    "SlowFrom",
    json_schema!({
        "title": "factor",
        "oneOf": [
            { "type": "number", "minimum": SlowFrom::LEAST, "maximum": SlowFrom::MOST },
            { "const": 0 },
            { "const": "off" }
        ]
    })
);

impl Word for StrategyKind {
    const WORDS: &'static [(&'static str, StrategyKind)] = &{
        let mut words = [("", StrategyKind::Optimal); StrategyKind::ALL.len()];
        let mut index = 0;
        while index < words.len() {
            words[index] = (StrategyKind::ALL[index].name(), StrategyKind::ALL[index]);
            index += 1;
        }
        words
    };
    const EXAMPLE: &'static str = "\"optimal\"";
}
