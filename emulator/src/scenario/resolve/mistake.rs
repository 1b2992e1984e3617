//! What can be wrong with the meaning of a scenario whose form is right.

use std::time::Duration;

use planner::cluster::matrix::MatrixError;
use planner::units::format_duration;

use crate::scenario::parse::mistake::{alternatives, listed};

/// A mistake of meaning. `Display` is the headline; [`label`](Mistake::label) stands at the caret;
/// [`help`](Mistake::help) says how to put it right.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Mistake {
    /// A name that nothing has.
    #[error("there is no {what} named {name:?}")]
    UnknownName {
        /// What should have it: `node`, `node or switch`, `model`.
        what: &'static str,
        /// The name.
        name: String,
        /// The name that was probably meant.
        nearest: Option<String>,
        /// The names there are.
        known: Vec<String>,
    },
    /// A name that two things have.
    #[error("two hosts are named {0:?}")]
    DuplicateName(String),
    /// A name that two classes have.
    #[error("two classes are named {0:?}")]
    DuplicateClass(String),
    /// A pair of classes with two rates.
    #[error("the rate between {0:?} and {1:?} is given twice")]
    PairTwice(String, String),
    /// A pair of classes without a rate.
    #[error("there is no rate between {0:?} and {1:?}")]
    PairMissing(String, String),
    /// A node in a list twice.
    #[error("{0:?} is named twice")]
    NamedTwice(String),
    /// A `[[node]]` without a name, or with both kinds.
    #[error("a [[node]] has either a `name` or a list of `names`")]
    NameOrNames,
    /// `[[node]]` and the like outside a graph.
    #[error("{table} belongs to a topology of kind \"graph\", and this one is of kind {kind:?}")]
    NotAGraph {
        /// The table.
        table: &'static str,
        /// The kind that the topology has.
        kind: &'static str,
    },
    /// A graph without `[[node]]`.
    #[error("a topology of kind \"graph\" needs its nodes listed: [[node]]")]
    NoNodesListed,
    /// Too few or too many nodes.
    #[error("a cluster has from 2 to 1000 nodes, and this one has {0}")]
    NodeCount(usize),
    /// A link with one end or three.
    #[error("a link has 2 ends, and this one has {0}")]
    EndCount(usize),
    /// A link from a host to itself.
    #[error("a link can't join {0:?} to itself")]
    SelfLink(String),
    /// A second link between the same two.
    #[error("{0:?} and {1:?} are linked twice")]
    LinkedTwice(String, String),
    /// A host that some other can't reach.
    #[error("no way leads from {from:?} to {to:?}")]
    Unconnected {
        /// From which.
        from: String,
        /// To which.
        to: String,
        /// All that `from` can't reach.
        unreached: Vec<String>,
    },
    /// Two nodes with a role that only one can have.
    #[error("there can be only one {0}")]
    SecondOfRole(&'static str),
    /// A role for many nodes at once.
    #[error("a `role` belongs to one node")]
    RoleOfMany,
    /// No node is left for a role.
    #[error("no node is left to be the {0}")]
    NoneOfRole(&'static str),
    /// Reordering without a delay to skip.
    #[error("packets can overtake others only by skipping a delay, and there is none")]
    ReorderWithoutDelay,
    /// A key that says more about another, which isn't given.
    #[error("this has no effect without `{0}`")]
    NoEffectWithout(&'static str),
    /// Neither `name` nor `path`.
    #[error("[model] has neither `name` nor `path`")]
    NoModel,
    /// Both `name` and `path`.
    #[error("[model] has both `name` and `path`")]
    TwoModels,
    /// A file that isn't there.
    #[error("can't read {path}: {reason}")]
    NoFile {
        /// The file.
        path: String,
        /// What the system says.
        reason: String,
    },
    /// A model file that can't be used.
    #[error("{reason}")]
    UnusableModel {
        /// Why not; it names the file.
        reason: String,
        /// The shape of its input as the file has it, where that leaves too much open.
        open: Option<String>,
    },
    /// A shape for a model that has one.
    #[error("{0:?} has a shape of its own")]
    ShapeOfZoo(String),
    /// A matrix that isn't one.
    #[error("{0}")]
    Matrix(#[from] MatrixError),
    /// A warm-up that leaves nothing to measure.
    #[error("the warm-up is as long as the whole run")]
    WarmupTooLong,
    /// A fault that would come too late.
    #[error("this fault would fire at {}, but the run ends at {}", format_duration(*.at), format_duration(*.end))]
    PastTheEnd {
        /// When.
        at: Duration,
        /// When the run ends.
        end: Duration,
    },
    /// A fault that would fire again before it is healed.
    #[error("this fault would fire again before it is healed")]
    Overlapping {
        /// How long it lasts.
        lasting: Duration,
    },
    /// A fault without end that would fire again.
    #[error("this fault is never healed, so it can't happen again")]
    AgainWithoutHealing,
    /// `times` without `every`.
    #[error("`times` says how often, but not how long in between")]
    TimesWithoutEvery,
    /// A fault that would fire absurdly often.
    #[error("this fault would fire {0} times")]
    TooOften(u128),
    /// A fault whose target is needed to measure.
    #[error("the {role} can't be the target of a fault of kind {kind:?}")]
    Spared {
        /// What it is.
        role: &'static str,
        /// The fault.
        kind: &'static str,
    },
    /// A stage that no plan could have.
    #[error("there can be no stage {stage}: the cluster has {workers} workers")]
    NoSuchStage {
        /// The stage.
        stage: u16,
        /// The number of workers.
        workers: usize,
    },
    /// Two hosts without a link.
    #[error("{a:?} and {b:?} are not neighbours")]
    NotNeighbours {
        /// One.
        a: String,
        /// The other.
        b: String,
        /// The neighbours of the first.
        neighbours: Vec<String>,
    },
    /// A pair of a host and itself.
    #[error("a pair needs two different hosts, and this is {0:?} twice")]
    NotAPair(String),
    /// More to be drawn than there is.
    #[error("{count} can't be drawn from {available}")]
    PoolTooSmall {
        /// How many are asked for.
        count: usize,
        /// How many there are.
        available: usize,
    },
    /// A degraded link whose values all stay.
    #[error("this fault changes nothing")]
    NothingDegraded,
    /// A trace with nothing to follow.
    #[error("this trace has no record to follow")]
    NoRecord,
    /// A trace with two records.
    #[error("a trace follows one record")]
    TwoRecords,
    /// Copies of the model that nobody would read.
    #[error("nobody would read the model from a node's own storage")]
    StoreUnread,
    /// A failing disk of which nothing fails.
    #[error("none of what this disk is asked fails")]
    NoOperations,
    /// A slow disk that is as fast as ever.
    #[error("this disk is as fast as before")]
    NothingSlower,
    /// A link that would be down always or never.
    #[error("a link that is down for all of each period, or for nothing of it, does not flap")]
    NoFlap,
    /// More loss than bursts of this length can make up.
    #[error("packets that are lost {length} in a row can't be more than {:.0} % of all", *.most * 100.0)]
    BurstsTooShort {
        /// How many packets are lost in a row.
        length: u32,
        /// The share that is lost when one packet passes between two bursts.
        most: f64,
    },
    /// A fault that would do absurdly much.
    #[error("this fault would change {0} times before it is over")]
    TooManySteps(u128),
    /// A record of rates that isn't one.
    #[error("{0}")]
    Trace(#[from] super::faults::TraceError),
    /// A file that no state folder has.
    #[error("{0:?} is no file in a node's state folder")]
    OutsideOfState(String),
    /// A partition of nobody.
    #[error("a partition has either `groups` or a `split`")]
    NoGroups,
    /// A partition in two ways.
    #[error("this partition has `groups` and a `split`")]
    GroupsAndSplit,
    /// A cluster too small to be split so.
    #[error("{workers} workers can't be split this way")]
    TooFewToSplit {
        /// How many there are.
        workers: usize,
        /// How many there must be.
        needed: usize,
    },
    /// One group alone.
    #[error("a partition needs two groups or more, and this one has {0}")]
    TooFewGroups(usize),
    /// A group without nodes.
    #[error("this group has no nodes")]
    EmptyGroup,
    /// Two groups of all others.
    #[error("only one group can be [\"*\"]")]
    TwoRests,
    /// A `[chaos]` that draws nothing.
    #[error("no kind of fault has a weight")]
    ChaosWithoutKinds,
    /// Bounds the wrong way round.
    #[error("the longest fault is shorter than the shortest, which is {}", format_duration(*.shortest))]
    LongestIsShorter {
        /// The shortest.
        shortest: Duration,
    },
    /// A `[chaos]` that may hit no worker.
    #[error("nobody can be hit: {left} workers are to stay whole, and there are {workers}")]
    ChaosLeavesAll {
        /// How many stay whole.
        left: usize,
        /// How many there are.
        workers: usize,
    },
    /// A `[chaos]` that can fire nothing.
    #[error("there is no time for a fault: begin, shortest fault and quiet end take {}, and the run {}", format_duration(*.needed), format_duration(*.end))]
    ChaosHasNoTime {
        /// What is needed.
        needed: Duration,
        /// What there is.
        end: Duration,
    },
    /// A bound that a faulty run can't keep.
    #[error("`of_bound` compares with the plan's bound, which holds for runs without faults")]
    BoundWithFaults,
    /// A floor of what is to be as high as possible anyway.
    #[error("a `floor` is for an objective other than the throughput")]
    FloorOfThroughput,
    /// Energy of an inference at no rate.
    #[error("without a rate of requests, nodes would idle for ever")]
    EnergyWithoutFloor,
    /// Several chains for something else than throughput.
    #[error("several chains are for the throughput, and the objective is another")]
    ReplicasWithoutThroughput,
    /// About what runs on the nodes.
    #[error(transparent)]
    Workload(#[from] super::workload::WorkloadMistake),
    /// A model that the cluster's memory can't hold.
    #[error(transparent)]
    Capacity(#[from] super::capacity::Shortage),
}

impl Mistake {
    /// What stands at the caret.
    pub fn label(&self) -> Option<String> {
        let text = match self {
            Mistake::UnknownName { nearest: Some(nearest), .. } => return Some(format!("did you mean {nearest:?}?")),
            Mistake::Workload(mistake) => return Some(mistake.label().to_owned()),
            Mistake::UnknownName { .. } => "no such name",
            Mistake::DuplicateName(_) | Mistake::NamedTwice(_) => "again here",
            Mistake::DuplicateClass(_) | Mistake::PairTwice(..) => "again here",
            Mistake::PairMissing(..) => "here",
            Mistake::NameOrNames => "this one",
            Mistake::NotAGraph { .. } => "nothing reads this",
            Mistake::NodeCount(_) | Mistake::NoNodesListed => "here",
            Mistake::EndCount(_) => "name two",
            Mistake::SelfLink(_) | Mistake::NotAPair(_) => "the same twice",
            Mistake::LinkedTwice(..) => "linked again here",
            Mistake::Unconnected { unreached, .. } => {
                return Some(match unreached.as_slice() {
                    [one] => format!("{one:?} is cut off"),
                    many => format!("{} hosts are cut off", many.len()),
                });
            }
            Mistake::SecondOfRole(_) => "the second",
            Mistake::RoleOfMany => "says it of many",
            Mistake::NoneOfRole(_) => "too few nodes for the roles",
            Mistake::ReorderWithoutDelay => "needs a `delay`",
            Mistake::NoEffectWithout(_) => "says more about nothing",
            Mistake::NoModel => "`name` or `path` belongs here",
            Mistake::TwoModels => "which of the two?",
            Mistake::NoFile { .. } => "no such file",
            Mistake::UnusableModel { open: Some(_), .. } => "needs a `shape`",
            Mistake::UnusableModel { .. } => "this model can't be used",
            Mistake::ShapeOfZoo(_) => "only a file is given a shape",
            Mistake::Matrix(_) => "here",
            Mistake::WarmupTooLong => "nothing is left to measure",
            Mistake::PastTheEnd { .. } => "too late",
            Mistake::Overlapping { .. } => "too soon",
            Mistake::AgainWithoutHealing => "again",
            Mistake::TimesWithoutEvery => "needs `every`",
            Mistake::TooOften(_) => "too often",
            Mistake::Spared { .. } => "not this one",
            Mistake::NoSuchStage { .. } => "too high",
            Mistake::NotNeighbours { .. } => "no link joins these",
            Mistake::PoolTooSmall { .. } => "too many",
            Mistake::NothingDegraded => "nothing that changes",
            Mistake::NoOperations => "which?",
            Mistake::NothingSlower => "neither later nor slower",
            Mistake::StoreUnread => "of no use here",
            Mistake::NoRecord => "`file` or `rates` belongs here",
            Mistake::TwoRecords => "beside `file`",
            Mistake::NoFlap => "neither 0 nor 1",
            Mistake::BurstsTooShort { .. } => "too much",
            Mistake::TooManySteps(_) => "too often",
            Mistake::Trace(_) => "here",
            Mistake::OutsideOfState(_) => "not in there",
            Mistake::NoGroups => "whom?",
            Mistake::GroupsAndSplit => "which of the two?",
            Mistake::TooFewToSplit { .. } => "too few",
            Mistake::TooFewGroups(_) => "nobody to be cut off from",
            Mistake::EmptyGroup => "empty",
            Mistake::TwoRests => "the second",
            Mistake::ChaosWithoutKinds => "nothing to draw",
            Mistake::LongestIsShorter { .. } => "too short",
            Mistake::ChaosLeavesAll { .. } => "nobody is left to be hit",
            Mistake::ChaosHasNoTime { .. } => "too long",
            Mistake::BoundWithFaults => "can't be kept",
            Mistake::FloorOfThroughput => "has no effect",
            Mistake::EnergyWithoutFloor => "needs a floor",
            Mistake::ReplicasWithoutThroughput => "more than one",
            Mistake::Capacity(_) => "does not fit",
        };
        Some(text.to_owned())
    }

    /// How to put it right.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Mistake::UnknownName { what, known, .. } => names(what, known),
            Mistake::DuplicateName(_) => "every node and switch needs a name of its own".to_owned(),
            Mistake::DuplicateClass(_) => "every class needs a name of its own".to_owned(),
            Mistake::PairTwice(..) => "for another rate the other way, use `back`".to_owned(),
            Mistake::PairMissing(a, b) => {
                format!("write [[topology.pair]] with from = {a:?}, to = {b:?} and a `rate`")
            }
            Mistake::NameOrNames => {
                "write name = \"camera\", or names = [\"pi-1\", \"pi-2\"] for several alike".to_owned()
            }
            Mistake::NotAGraph { table: "[[node]]", .. } => {
                "the nodes of this topology make themselves; describe them with [node] and [node.NAME]".to_owned()
            }
            Mistake::NotAGraph { .. } => "for hosts and links of your own, choose kind = \"graph\"".to_owned(),
            Mistake::NoNodesListed => "write [[node]] with name = \"camera\", once for each".to_owned(),
            Mistake::NodeCount(_) => return None,
            Mistake::EndCount(_) => "write ends = [\"camera\", \"hall\"]".to_owned(),
            Mistake::LinkedTwice(..) => "for different values in each direction, use `a_to_b` and `b_to_a`".to_owned(),
            Mistake::Unconnected { from, unreached, .. } => {
                format!("{from:?} can't reach {}; every host must reach every other", short(unreached))
            }
            Mistake::SecondOfRole(role) => {
                format!("exactly one node has role = {role:?}; without any, the scenario's order decides")
            }
            Mistake::RoleOfMany => "write it in [node.NAME]; without it, the first node is the client, the second the \
                                    dispatcher, and all others are workers"
                .to_owned(),
            Mistake::NoneOfRole(_) => "there must be one client, one dispatcher, and at least one worker".to_owned(),
            Mistake::NoModel => "write name = \"resnet50\", or path = \"model.onnx\"".to_owned(),
            Mistake::TwoModels => "keep `name` for a model of the zoo, or `path` for a file".to_owned(),
            Mistake::NoFile { .. } => "paths are relative to the scenario's file".to_owned(),
            Mistake::UnusableModel { open: Some(shape), .. } => {
                format!("write shape = [{shape}], with a number of your choice for each `?`")
            }
            Mistake::ShapeOfZoo(_) => "leave it out".to_owned(),
            Mistake::WarmupTooLong => "make `warmup` shorter or `duration` longer".to_owned(),
            Mistake::PastTheEnd { .. } => "times of faults count from the moment load begins".to_owned(),
            Mistake::Overlapping { lasting } => {
                format!("`every` must be longer than `for`, which is {}", format_duration(*lasting))
            }
            Mistake::AgainWithoutHealing => "add `for`, or draw the target by lot: target = \"random\"".to_owned(),
            Mistake::TimesWithoutEvery => "add every = \"5 s\", or leave it out".to_owned(),
            Mistake::TooOften(_) => "at most 1000 times; make `every` longer".to_owned(),
            Mistake::Spared { role: "dispatcher", .. } => "only workers compute".to_owned(),
            Mistake::Spared { .. } => "without the client, nothing would be measured; its links can fail".to_owned(),
            Mistake::NoSuchStage { workers, .. } => {
                format!("stages are numbered from 0, so the highest possible is {}", workers.saturating_sub(1))
            }
            Mistake::NotNeighbours { a, neighbours, .. } => {
                format!("the neighbours of {a:?} are {}", short(neighbours))
            }
            Mistake::PoolTooSmall { .. } => "what is drawn for one fault is drawn without putting back".to_owned(),
            Mistake::NothingDegraded => "give at least one of rate, delay, jitter, loss, …".to_owned(),
            Mistake::NoRecord | Mistake::TwoRecords => {
                "give the name of a `file`, or the `rates` themselves".to_owned()
            }
            Mistake::StoreUnread => "leave `store` away, or use deploy = \"local\"".to_owned(),
            Mistake::NoOperations => {
                "name one or more of \"read\", \"write\" and \"sync\"; all three fail when not given".to_owned()
            }
            Mistake::NothingSlower => "give a `delay`, a `rate`, or both".to_owned(),
            Mistake::NoFlap => "for a link that stays down, use kind = \"down\"".to_owned(),
            Mistake::BurstsTooShort { .. } => "make `length` longer, or `loss` less".to_owned(),
            Mistake::TooManySteps(_) => {
                format!("at most {} times; let it last shorter (`for`), or its turns longer", crate::fault::steps::MOST)
            }
            Mistake::OutsideOfState(_) => "write its name from there, such as file = \"journal\"".to_owned(),
            Mistake::NoGroups => {
                "write groups = [[\"n02\", \"n03\"], [\"*\"]], or split = \"majority\" to draw them".to_owned()
            }
            Mistake::GroupsAndSplit => "keep `groups` for nodes by name, or `split` for nodes by lot".to_owned(),
            Mistake::TooFewToSplit { needed, .. } => format!("there must be {needed} workers or more"),
            Mistake::TooFewGroups(_) => {
                "write groups = [[\"n00\", \"n01\"], [\"*\"]], the second being all others".to_owned()
            }
            Mistake::EmptyGroup => "name its nodes, or leave it out".to_owned(),
            Mistake::ChaosWithoutKinds => "give one, such as kinds = { kill = 1 }, or leave `kinds` out".to_owned(),
            Mistake::LongestIsShorter { .. } => "make `longest` longer or `shortest` shorter".to_owned(),
            Mistake::ChaosLeavesAll { workers: 0 | 1, .. } => "chaos needs two workers or more".to_owned(),
            Mistake::ChaosLeavesAll { workers, .. } => format!("say left = {} or less", workers - 1),
            Mistake::ChaosHasNoTime { .. } => "make `begin` or `quiet` shorter, or `duration` longer".to_owned(),
            Mistake::BoundWithFaults => "leave out `of_bound`, or the faults".to_owned(),
            Mistake::FloorOfThroughput => {
                "leave it out, or say objective = \"latency\", \"energy\" or \"nodes\"".to_owned()
            }
            Mistake::EnergyWithoutFloor => "say the rate, such as floor = \"2 /s\"".to_owned(),
            Mistake::ReplicasWithoutThroughput => "leave out `replicas`, or `objective`".to_owned(),
            Mistake::Workload(mistake) => return mistake.help().map(str::to_owned),
            Mistake::Capacity(shortage) => shortage.help(),
            Mistake::NamedTwice(_)
            | Mistake::SelfLink(_)
            | Mistake::NotAPair(_)
            | Mistake::ReorderWithoutDelay
            | Mistake::NoEffectWithout(_)
            | Mistake::UnusableModel { open: None, .. }
            | Mistake::Matrix(_)
            | Mistake::Trace(_)
            | Mistake::TwoRests => return None,
        })
    }
}

fn names(what: &str, known: &[String]) -> String {
    match known {
        [] => format!("there is no {what} at all"),
        [one] => format!("the only one is {one:?}"),
        known => format!("there are {}", short(known)),
    }
}

/// All of a few names, the ends of many.
fn short(names: &[String]) -> String {
    match names {
        [first, .., last] if names.len() > 12 => format!("`{first}` … `{last}`, {} in all", names.len()),
        names if names.iter().any(|name| name.contains(' ')) => alternatives(names),
        names => listed(names),
    }
}
