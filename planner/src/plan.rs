//! Stages on nodes, and what the cost model says of them.
//!
//! A plan's **chains** are the ways through it: a request takes one of them, from the first segment to the
//! last. A plan with one chain is SEIFER's pipeline. With several, nodes that would stand idle work too:
//! chains may have no stage in common (replicas of the whole model), or some (a replicated stage).
//!
//! The model: a stage receives, computes and sends at the same time, so requests leave the plan as fast as its
//! busiest part is done with its share of them: the **bottleneck** is the longest time for which any
//! stage computes, or any path is occupied, for each request that passes the *plan* (a chain that takes a
//! fourth of the requests keeps its parts busy for a fourth of the time that one request needs). The paths
//! are client → dispatcher (input), dispatcher → first stage, stage → stage, last stage → dispatcher and
//! dispatcher → client (result). A request that meets no other takes the sum of all of them and of the paths'
//! delays.
//!
//! Simplified: each path is taken to be alone on its links, unless its medium's airtime is shared. On a
//! medium with its own rate for each ordered pair that is so; where two of a plan's paths share a link (the
//! dispatcher's in a star, say), they share its rate, and the true throughput is lower than predicted. What
//! flows against the data (acknowledgements, heartbeats, control) is not counted.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cluster::{Energy, Path};
use crate::profile::Segment;
use crate::strategy::{Objective, Problem};
use crate::units::{ByteSize, duration};

/// Bytes of tensor in a full-size packet: 1500 less 20 for IPv4 and 32 for TCP with timestamps.
const PAYLOAD: u64 = 1448;
/// Bytes a packet needs besides: those and 14 of Ethernet.
const HEADERS: u64 = 66;

/// Bytes that `size` bytes of TCP payload are on the wire, in full-size packets with their headers.
pub fn wire_size(size: ByteSize) -> ByteSize {
    ByteSize::from_bytes(size.bytes().saturating_add(size.bytes().div_ceil(PAYLOAD).saturating_mul(HEADERS)))
}

/// A model spread over a cluster: segments on distinct nodes, and the ways through them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The stages: those of the first chain from the model's input to its output, then what the second has
    /// beside them, and so on.
    pub stages: Vec<Stage>,
    /// The ways through the stages; at least one.
    pub chains: Vec<Chain>,
    /// What the cost model expects of them.
    pub prediction: Prediction,
    /// How good the plan is known to be, if its strategy can tell.
    pub proof: Option<Proof>,
}

/// A way from the model's input to its output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chain {
    /// Its stages, by their index in [`Plan::stages`], in the order in which a request passes them.
    pub stages: Vec<usize>,
    /// The part of all requests that should take this way; those of a plan sum up to 1.
    pub share: f64,
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
    /// Time its input occupies the path from the previous stage (from the dispatcher, for the first); the
    /// longest, where several chains meet.
    #[serde(with = "duration")]
    pub receive: Duration,
}

/// What the cost model expects of a plan without faults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The longest time that any stage, path or medium is busy for each request that passes the plan.
    #[serde(with = "duration")]
    pub bottleneck: Duration,
    /// What that is.
    pub limit: Limit,
    /// End-to-end latency of a request that meets no other, from the client and back; the mean over the chains.
    #[serde(with = "duration")]
    pub latency: Duration,
    /// Energy of one inference, in joules, while requests come as fast as the plan can take them: what its stages' nodes
    /// use, computing or idle, and what the bytes cost that they and the dispatcher send and receive.
    #[serde(default)]
    pub joules: f64,
}

/// How good a plan is known to be. Values are in seconds (of bottleneck or latency) or joules, as the objective is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// What was to be as small as possible.
    pub objective: Objective,
    /// The plan's value.
    pub value: f64,
    /// No plan has a lower one (of one chain, or of several if the strategy was allowed so many; but if the plan's
    /// chains have no stage in common, of plans of which that is true).
    pub bound: f64,
}

impl Proof {
    /// How much greater the value is than the bound: 0.02 means that at most 2 % could be won.
    pub fn gap(&self) -> f64 {
        if self.value <= self.bound { 0.0 } else { self.value / self.bound.max(f64::MIN_POSITIVE) - 1.0 }
    }

    /// Whether the plan is proven to be the best: nothing is left to win but rounding.
    pub fn optimal(&self) -> bool {
        self.gap() <= 1e-6
    }
}

impl Prediction {
    /// Requests per second: the inverse of the bottleneck latency.
    pub fn throughput_per_s(&self) -> f64 {
        1.0 / self.bottleneck.as_secs_f64().max(1e-9)
    }
}

/// What limits a plan's throughput. Nodes are indices into the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// The airtime that all pairs of a medium share.
    Air {
        /// The medium ([`crate::cluster::Path::air`]).
        medium: usize,
    },
}

/// Why a placement is not a plan. Nodes are indices into the cluster.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Misplaced {
    /// The segments don't follow each other from the model's input to its output.
    #[error("the segments don't cover the model once, in order: cut {expected} should begin stage {stage}")]
    NotCovering {
        /// The first stage that doesn't begin where the one before it ended (one too many: the end is missing).
        stage: usize,
        /// The cut at which it should begin.
        expected: usize,
    },
    /// A node that holds two stages, is no worker, is excluded, or doesn't exist.
    #[error("node {node} can't hold stage {stage}: it is no worker, is excluded, or holds another")]
    Unavailable {
        /// The stage.
        stage: usize,
        /// The node.
        node: usize,
    },
    /// A stage needs more memory than its node has.
    #[error("stage {stage} needs {need}, node {node} has {memory}")]
    TooLarge {
        /// The stage.
        stage: usize,
        /// The node.
        node: usize,
        /// What it needs.
        need: ByteSize,
        /// What there is.
        memory: ByteSize,
    },
    /// Nothing can be sent from one node to another, or nothing comes back.
    #[error("node {from} and node {to} can't speak to each other")]
    NoPath {
        /// The sender.
        from: usize,
        /// The receiver.
        to: usize,
    },
}

/// Segments on nodes, in order: what a plan's chain is before it is costed.
pub type Placement = Vec<(usize, Segment)>;

impl Plan {
    /// The node that a stage sends to, on the first chain that goes through it; `dispatcher` behind the last one.
    pub fn behind(&self, stage: usize, dispatcher: usize) -> Option<usize> {
        let chain = self.chains.iter().find(|chain| chain.stages.contains(&stage))?;
        match chain.stages.iter().skip_while(|other| **other != stage).nth(1) {
            Some(next) => self.stages.get(*next).map(|next| next.node),
            None => Some(dispatcher),
        }
    }

    /// What the cost model says of a single chain, and whether it is a plan at all.
    ///
    /// # Errors
    /// See [`Plan::evaluate_chains`].
    pub fn evaluate(problem: &Problem<'_>, placement: &[(usize, Segment)]) -> Result<Plan, Misplaced> {
        Plan::evaluate_chains(problem, &[(placement.to_vec(), 1.0)])
    }

    /// What the cost model says of chains, each with its share of the requests, and whether they are a plan at all.
    /// Shares count in proportion to their sum.
    ///
    /// # Errors
    /// When a chain's segments don't cover the model exactly once in order, a node isn't available or would
    /// hold two segments, memory doesn't suffice, or two nodes that must speak can't (see [`Problem::connected`]).
    pub fn evaluate_chains(problem: &Problem<'_>, chains: &[(Placement, f64)]) -> Result<Plan, Misplaced> {
        let (stages, chains, cost) = Plan::cost(problem, chains)?;
        let prediction = cost.prediction().ok_or(Misplaced::NotCovering { stage: 0, expected: 0 })?;
        Ok(Plan { stages, chains, prediction, proof: None })
    }

    fn cost(problem: &Problem<'_>, chains: &[(Placement, f64)]) -> Result<(Vec<Stage>, Vec<Chain>, Cost), Misplaced> {
        let Problem { profile, cluster, codec, .. } = *problem;
        let end = profile.pieces.len();
        let bytes = |cut| wire_size(profile.transfer(cut, codec));
        let outside = |from, to| cluster.path(from, to).ok_or(Misplaced::NoPath { from, to });
        let (client, dispatcher) = (cluster.client, cluster.dispatcher);
        let sum: f64 = chains.iter().map(|(_, share)| share).sum();
        let mut cost = Cost::default();
        let mut stages: Vec<Stage> = Vec::new();
        let mut ways = Vec::with_capacity(chains.len());
        for (placement, share) in chains {
            covers(placement, end)?;
            cost.share = share / sum;
            cost.transfer(client, dispatcher, outside(client, dispatcher)?, bytes(0));
            let mut before = dispatcher;
            let mut way: Vec<usize> = Vec::with_capacity(placement.len());
            for (index, &(node, segment)) in placement.iter().enumerate() {
                let known = stages.iter().position(|stage| stage.node == node);
                let taken = known.is_some_and(|stage| stages[stage].segment != segment || way.contains(&stage));
                if !problem.available(node) || taken {
                    return Err(Misplaced::Unavailable { stage: index, node });
                }
                let (device, need) = (&cluster.nodes[node], profile.memory(segment));
                if need > device.memory {
                    return Err(Misplaced::TooLarge { stage: index, node, need, memory: device.memory });
                }
                let path = problem.connected(before, node).ok_or(Misplaced::NoPath { from: before, to: node })?;
                let receive = cost.transfer(before, node, path, bytes(segment.from));
                cost.joules += cost.share * cluster.joules(before, node, bytes(segment.from));
                let compute = scaled(profile.time(segment), device.slowdown);
                cost.compute(node, compute);
                let Energy { busy, idle, .. } = device.energy;
                cost.joules += (busy.watts() - idle.watts()) * compute.as_secs_f64() * cost.share;
                if known.is_none() {
                    cost.idle_watts += idle.watts();
                }
                way.push(known.unwrap_or(stages.len()));
                match known {
                    Some(stage) => stages[stage].receive = stages[stage].receive.max(receive),
                    None => stages.push(Stage { node, segment, memory: need, compute, receive }),
                }
                before = node;
            }
            let back =
                problem.connected(before, dispatcher).ok_or(Misplaced::NoPath { from: before, to: dispatcher })?;
            cost.transfer(before, dispatcher, back, bytes(end));
            cost.joules += cost.share * cluster.joules(before, dispatcher, bytes(end));
            cost.transfer(dispatcher, client, outside(dispatcher, client)?, bytes(end));
            ways.push(Chain { stages: way, share: cost.share });
        }
        Ok((stages, ways, cost))
    }

    /// How many times better this plan is than the one in force, as the problem's objective sees it; infinite if that one can't
    /// go on under the problem's conditions, or does not sustain what is wanted at least.
    pub fn gain(&self, problem: &Problem<'_>) -> f64 {
        let kept = problem.current.and_then(|current| Plan::evaluate_chains(problem, &current.placements()).ok());
        let Some(kept) = kept else { return f64::INFINITY };
        let sustains = |plan: &Plan| plan.prediction.bottleneck.as_secs_f64() <= problem.objective.longest();
        if sustains(self) && !sustains(&kept) {
            return f64::INFINITY;
        }
        let value = |plan: &Plan| match problem.objective {
            Objective::Throughput => plan.prediction.bottleneck.as_secs_f64(),
            Objective::Latency { .. } => plan.prediction.latency.as_secs_f64(),
            Objective::Nodes { .. } => plan.stages.len() as f64,
            Objective::Energy { .. } => plan.prediction.joules,
        };
        value(&kept) / value(self).max(f64::MIN_POSITIVE)
    }

    /// For how long a request that takes this chain keeps each thing busy.
    ///
    /// # Errors
    /// See [`Plan::evaluate_chains`].
    pub fn occupancy(
        problem: &Problem<'_>,
        placement: &[(usize, Segment)],
    ) -> Result<Vec<(Limit, Duration)>, Misplaced> {
        let (_, _, cost) = Plan::cost(problem, &[(placement.to_vec(), 1.0)])?;
        Ok(cost.busy)
    }

    /// The nodes and their segments along a chain, without what they cost.
    pub fn chain(&self, chain: &Chain) -> Placement {
        chain.stages.iter().filter_map(|stage| self.stages.get(*stage)).map(|s| (s.node, s.segment)).collect()
    }

    /// All chains' nodes and segments, with their shares: what [`Plan::evaluate_chains`] takes.
    pub fn placements(&self) -> Vec<(Placement, f64)> {
        self.chains.iter().map(|chain| (self.chain(chain), chain.share)).collect()
    }

    /// How many stages of this plan are on a node that held no such segment in `other`.
    pub fn moved_from(&self, other: &Plan) -> usize {
        let held = |stage: &&Stage| !other.stages.iter().any(|o| (o.node, o.segment) == (stage.node, stage.segment));
        self.stages.iter().filter(held).count()
    }
}

/// Sums what requests cost.
#[derive(Default)]
struct Cost {
    /// The chain's part of all requests.
    share: f64,
    /// For how long each thing is busy for each request, in the order in which a request meets them.
    busy: Vec<(Limit, Duration)>,
    latency: Duration,
    /// What computing and sending use above idling.
    joules: f64,
    /// What the stages' nodes use together when idle.
    idle_watts: f64,
}

impl Cost {
    fn add(&mut self, limit: Limit, time: Duration) {
        let time = weighted(time, self.share);
        match self.busy.iter_mut().find(|(other, _)| *other == limit) {
            Some((_, busy)) => *busy = busy.saturating_add(time),
            None => self.busy.push((limit, time)),
        }
    }

    fn compute(&mut self, node: usize, time: Duration) {
        self.add(Limit::Compute { node }, time);
        self.latency = self.latency.saturating_add(weighted(time, self.share));
    }

    fn transfer(&mut self, from: usize, to: usize, path: Path, size: ByteSize) -> Duration {
        let busy = path.occupancy(size);
        self.add(Limit::Path { from, to }, busy);
        if let Some(medium) = path.air {
            self.add(Limit::Air { medium }, busy);
        }
        self.latency = self.latency.saturating_add(weighted(busy.saturating_add(path.delay), self.share));
        busy
    }

    fn prediction(self) -> Option<Prediction> {
        // Of things that are equally busy, the first that a request meets is named.
        let (limit, bottleneck) = self.busy.into_iter().reduce(|a, b| if b.1 > a.1 { b } else { a })?;
        let joules = self.joules + self.idle_watts * bottleneck.as_secs_f64();
        Some(Prediction { bottleneck, limit, latency: self.latency, joules })
    }
}

/// `time` for a part of the requests. All of them take it exactly, without a float's rounding.
fn weighted(time: Duration, share: f64) -> Duration {
    if share == 1.0 { time } else { scaled(time, share) }
}

fn covers(placement: &[(usize, Segment)], end: usize) -> Result<(), Misplaced> {
    let mut expected = 0;
    for (stage, (_, segment)) in placement.iter().enumerate() {
        if segment.from != expected || segment.to <= segment.from || segment.to > end {
            return Err(Misplaced::NotCovering { stage, expected });
        }
        expected = segment.to;
    }
    if expected == end && end > 0 { Ok(()) } else { Err(Misplaced::NotCovering { stage: placement.len(), expected }) }
}

/// `time` on a device that computes `slowdown` times longer; a slowdown that is no number counts as for ever.
pub(crate) fn scaled(time: Duration, slowdown: f64) -> Duration {
    Duration::try_from_secs_f64(time.as_secs_f64() * slowdown).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cluster::{Cluster, Device};
    use crate::codec::Codec;
    use crate::profile::{Cut, ModelProfile, PROFILE_VERSION, Piece};
    use crate::units::Rate;

    #[test]
    fn a_plan_costs_what_one_reckons_by_hand() {
        // Tensors of 1448, 144800 and 1448 bytes: 1, 100 and 1 full-size packets.
        let cut = |packets: u64| Cut {
            tensors: Vec::new(),
            encoded: BTreeMap::from([(Codec::Raw, ByteSize::from_bytes(packets * 1448))]),
        };
        let piece = |millis| Piece {
            operators: vec![],
            parameters: ByteSize::from_mib(1),
            activations: ByteSize::from_mib(1),
            flops: 0,
            time: Duration::from_millis(millis),
            timings: Vec::new(),
            digest: None,
        };
        let profile = ModelProfile {
            version: PROFILE_VERSION,
            model: String::new(),
            digest: String::new(),
            host: String::new(),
            process_memory: ByteSize::from_mib(1),
            footprint: crate::profile::Footprint::Process,
            cuts: vec![cut(1), cut(100), cut(1)],
            pieces: vec![piece(30), piece(7)],
        };
        let memory = ByteSize::from_bytes(6_000_000);
        let energy = Energy::default();
        let device = |worker, slowdown| Device { name: String::new(), worker, memory, slowdown, energy };
        let rate = Some(Rate::from_bits_per_second(1514 * 8 * 1000));
        let path = Path { rate, delay: Duration::from_millis(2), air: None };
        let cluster = Cluster {
            nodes: vec![device(false, 1.0), device(true, 2.0), device(true, 1.0)],
            paths: (0..3).map(|a| (0..3).map(|b| (a != b).then_some(path)).collect()).collect(),
            client: 0,
            dispatcher: 0,
        };
        let problem = Problem::new(&profile, &cluster, Codec::Raw);
        let (first, second) = (Segment { from: 0, to: 1 }, Segment { from: 1, to: 2 });

        let plan = Plan::evaluate(&problem, &[(2, first), (1, second)]).unwrap();
        assert_eq!(plan.prediction.limit, Limit::Path { from: 2, to: 1 });
        assert_eq!(plan.prediction.bottleneck, Duration::from_millis(100));
        // 1 + 100 + 1 ms of transfers, three delays, 30 ms and twice 7 ms of computing.
        assert_eq!(plan.prediction.latency, Duration::from_millis(102 + 6 + 30 + 14));
        assert_eq!(plan.stages[1].receive, Duration::from_millis(100));
        assert!((plan.prediction.throughput_per_s() - 10.0).abs() < 1e-9);
        // Two nodes of 2 W idle for 100 ms, 3 W more while they compute; 50 nJ at both ends for each of 102 packets.
        let joules = 2.0 * 2.0 * 0.1 + 3.0 * 0.044 + 2.0 * 50e-9 * 102.0 * 1514.0;
        assert!((plan.prediction.joules - joules).abs() < 1e-9, "{}", plan.prediction.joules);

        let whole = [(1, profile.whole())];
        assert!(matches!(Plan::evaluate(&problem, &whole), Err(Misplaced::TooLarge { stage: 0, node: 1, .. })));
        let twice = [(1, first), (1, second)];
        assert_eq!(Plan::evaluate(&problem, &twice), Err(Misplaced::Unavailable { stage: 1, node: 1 }));
        assert_eq!(Plan::evaluate(&problem, &[(1, first)]), Err(Misplaced::NotCovering { stage: 1, expected: 1 }));
    }
}
