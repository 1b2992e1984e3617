//! `summary.json`: what came out of a run, computed from the scenario and the tally of its event log.
//!
//! Times ending in `_s` are seconds since load began; what did not happen is `null`.

mod compute;
mod faults;
mod measured;
mod probe;
mod processes;
pub(crate) mod words;

use serde::{Deserialize, Serialize};

use super::event::{ExitCause, SIMULATED};
use super::fidelity::{Fidelity, HostSummary};
use super::invariant::Finding;
use super::trial::LinkTrial;
use crate::fabric::Counters;

/// Version of the summary's form. Fields may be added without a new version, never changed or removed.
pub const SCHEMA_VERSION: u32 = 1;

/// Exit code of a run whose record stops in the middle: killed, as a shell shows it.
const INTERRUPTED: u8 = 137;

/// What came out of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// See [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The model: its name in the zoo, or its file; empty where programs of others run.
    pub model: String,
    /// Seed of everything random in the run.
    pub seed: u64,
    /// The carrier that bore the links.
    pub carrier: Option<String>,
    /// Number of nodes.
    pub nodes: usize,
    /// Whether the run ended in order and was not interrupted.
    pub complete: bool,
    /// The exit code of `emu run`, as far as the record tells.
    pub exit: u8,
    /// The time that throughput and latency are of: the load without its warm-up.
    pub window: Span,
    /// Requests of the whole run, warm-up included.
    pub requests: Requests,
    /// Results that arrived in the window, per second.
    pub throughput_per_s: f64,
    /// What the throughput could have been at most.
    pub bound: Option<Bound>,
    /// From the instant at which a request was to be sent until its result; of requests scheduled in the window.
    pub latency_ms: Option<Latency>,
    /// From the instant at which it was sent: what a client without coordinated-omission correction would report.
    pub latency_uncorrected_ms: Option<Latency>,
    /// Each thing that was measured of programs of others; empty where a model runs.
    #[serde(default)]
    pub measured: Vec<MeasuredSummary>,
    /// Checks that were made of them.
    #[serde(default)]
    pub checks: Vec<CheckSummary>,
    /// How far the rates that were measured before the first plan are from those of the scenario; `None`
    /// if nothing was measured.
    #[serde(default)]
    pub probe: Option<ProbeSummary>,
    /// The plan in force when load began.
    pub plan: Option<PlanSummary>,
    /// Every plan that was made.
    pub plans: Vec<PlanChange>,
    /// Nodes that proved to be slower than they should be.
    #[serde(default)]
    pub slow: Vec<SlowNode>,
    /// Stages that could not be held where a plan had put them.
    #[serde(default)]
    pub refused: Vec<RefusedStage>,
    /// The scenario's faults, in its order.
    pub faults: Vec<FaultSummary>,
    /// Whether the emulation was what the scenario describes; `None` if nobody watched it.
    #[serde(default)]
    pub fidelity: Option<Fidelity>,
    /// What links did when they were tried before the load.
    #[serde(default)]
    pub trials: Vec<LinkTrial>,
    /// What the host did while load was offered.
    #[serde(default)]
    pub host: Option<HostSummary>,
    /// What passed all links together.
    pub traffic: Counters,
    /// Processes that ended though nothing asked them to, by node.
    pub died: Vec<Death>,
    /// What the processes held while the run lasted, a line for each. A node that was started again has another.
    #[serde(default)]
    pub processes: Vec<ProcessSummary>,
    /// Phases of set-up and teardown.
    pub phases: Vec<Phase>,
    /// In what respect the result may not be trustworthy.
    pub warnings: Vec<String>,
    /// What must hold in every run, and whether it did.
    #[serde(default)]
    pub invariants: Vec<Finding>,
    /// What must hold in every run, or was expected by the scenario, and did not.
    pub violations: Vec<String>,
    /// Largest resident memory of `emu` itself, in bytes.
    pub peak_memory_bytes: Option<u64>,
}

/// What is said instead of a model's name where there is none.
pub const NO_MODEL: &str = "programs of others";

/// What came of a probe, or of what programs told of themselves, in the whole run; latency of what was due in the window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeasuredSummary {
    /// Its name; of what programs told, that of their node.
    pub name: String,
    /// `ping`, `tcp`, `http`, `command`, or `own` for what programs told.
    pub kind: String,
    /// From which node.
    pub from: String,
    /// To which node, if that is known.
    pub to: Option<String>,
    /// Attempts that were due.
    pub offered: u64,
    /// Those that were answered.
    pub completed: u64,
    /// Those that failed.
    pub errored: u64,
    /// Why the first of these failed.
    pub first_error: Option<String>,
    /// From the instant at which each was due until its answer.
    pub latency_ms: Option<Latency>,
}

/// A check that was made when load was over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckSummary {
    /// On which node.
    pub node: String,
    /// Whether all was as it must be.
    pub passed: bool,
    /// How it ended, and its last words.
    pub said: String,
}

impl Summary {
    /// What ran.
    pub fn what(&self) -> &str {
        if self.has_model() { &self.model } else { NO_MODEL }
    }

    /// Whether a model ran, so that outputs could be compared.
    pub fn has_model(&self) -> bool {
        !self.model.is_empty()
    }

    /// Whether nothing was run.
    pub fn is_simulated(&self) -> bool {
        self.carrier.as_deref() == Some(SIMULATED)
    }
}

/// A time with a beginning and an end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// Its beginning.
    pub from_s: f64,
    /// Its end.
    pub to_s: f64,
}

/// What became of the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Requests {
    /// Their scheduled instant came.
    pub offered: u64,
    /// The dispatcher said that it has them; of programs of others, those that were answered.
    pub accepted: u64,
    /// A result arrived.
    pub completed: u64,
    /// An error arrived, and no result.
    pub errored: u64,
    /// Accepted, but neither came in time.
    pub lost: u64,
    /// A second result arrived.
    pub duplicated: u64,
    /// A result arrived that differs from the unsplit model's.
    pub wrong: u64,
    /// Requests whose results were compared with the unsplit model's.
    pub checked: u64,
    /// Offered, but neither accepted nor answered.
    pub unaccepted: u64,
    /// Sent through the pipeline again after a failure.
    pub replayed: u64,
    /// Results that the dispatcher dropped because they came twice or too late.
    pub stale_dropped: u64,
}

/// Latency, in milliseconds. Percentiles are exact (nearest rank).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Number of requests.
    pub count: u64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p999: f64,
    /// Largest.
    pub max: f64,
}

/// What the throughput could have been at most, without faults: the least of what the plan's slowest
/// part, the offered load, and the machine that computes for all nodes allow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// Requests per second.
    pub throughput_per_s: f64,
    /// What sets it, in words.
    pub limit: String,
    /// Throughput as a share of it.
    pub reached: f64,
}

/// Rates that were measured, against those of the scenario. An error is `measured / configured - 1`,
/// without its sign; pairs without a limit are not counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeSummary {
    /// Ordered pairs of nodes that have a rate and were measured.
    pub pairs: usize,
    /// Ordered pairs of nodes that have a path and of which nothing was measured.
    pub missing: usize,
    /// Median of the errors.
    pub median_error: Option<f64>,
    /// Largest error.
    pub worst_error: Option<f64>,
    /// The pair with the largest error.
    pub worst: Option<ProbedPair>,
    /// How long measuring took.
    pub took_s: f64,
}

/// A pair's rate, measured and configured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbedPair {
    /// The sender.
    pub from: String,
    /// The receiver.
    pub to: String,
    /// What was measured; `None`: more than can be told.
    pub measured_mbits: Option<f64>,
    /// What the scenario says.
    pub configured_mbits: f64,
}

/// A plan and what was predicted of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanSummary {
    /// Its epoch.
    pub epoch: u32,
    /// Its stages.
    pub stages: Vec<StageSummary>,
    /// The ways through them.
    pub chains: Vec<ChainSummary>,
    /// Requests per second that the cost model expects at most.
    pub predicted_throughput_per_s: f64,
    /// What it expects to be slowest, in words.
    pub limit: String,
    /// Latency that it expects of a request that meets no other.
    pub predicted_latency_ms: f64,
}

/// A way through the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChainSummary {
    /// Its stages by their number, in the order in which a request passes them.
    pub stages: Vec<usize>,
    /// The part of the requests that was planned to take it.
    pub share: f64,
}

/// A segment on a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageSummary {
    /// Its place in the pipeline, from zero.
    pub stage: usize,
    /// The node.
    pub node: String,
    /// The cut that is its input, and that tensor's name.
    pub from: CutName,
    /// The cut that is its output.
    pub to: CutName,
    /// Memory it was expected to need, in bytes.
    pub memory_bytes: u64,
    /// Memory that the node's process may use, in bytes.
    pub memory_limit_bytes: u64,
    /// Resident memory of its process after loading, in bytes.
    pub resident_bytes: Option<u64>,
    /// Time it was expected to compute for a request.
    pub compute_ms: f64,
    /// Time it computed for a request, on average.
    pub measured_compute_ms: Option<f64>,
    /// Time its input was expected to occupy the path to it.
    pub receive_ms: f64,
}

/// A cut by its index and its tensor's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutName {
    /// Its index.
    pub cut: usize,
    /// The tensor, if the record names it.
    pub tensor: Option<String>,
}

/// That a plan was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanChange {
    /// Its epoch.
    pub epoch: u32,
    /// Why it was needed.
    pub reason: String,
    /// When it was made.
    pub planned_s: f64,
    /// When every stage was ready.
    pub deployed_s: Option<f64>,
    /// The nodes of its stages, in order.
    pub nodes: Vec<String>,
    /// The nodes that had to load a segment.
    pub loaded: Vec<String>,
    /// The nodes that had theirs prepared.
    #[serde(default)]
    pub prepared: Vec<String>,
    /// Requests per second that the cost model expects at most.
    pub predicted_throughput_per_s: f64,
}

/// That a node proved to be slow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlowNode {
    /// The node.
    pub node: String,
    /// How many times slower it computes than its device should.
    pub factor: f64,
    /// When the dispatcher found it.
    pub at_s: f64,
}

/// That a stage could not be held where a plan had put it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefusedStage {
    /// The node.
    pub node: String,
    /// The epoch of the plan.
    pub epoch: u32,
    /// When the dispatcher learned of it.
    pub at_s: f64,
    /// Memory that it would have needed, in bytes, if that was why and the node could tell.
    pub need_bytes: Option<u64>,
    /// Memory that it had.
    pub limit_bytes: Option<u64>,
    /// Why.
    pub reason: String,
}

/// A fault and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultSummary {
    /// What kind.
    pub kind: String,
    /// What it hit; before it is fired, what it is to hit.
    pub target: String,
    /// What it was to hit, as the scenario says it (`stage:2`).
    pub asked: String,
    /// When it was to be fired.
    pub planned_s: f64,
    /// When it was fired.
    pub fired_s: Option<f64>,
    /// When its effect was seen.
    pub effect_s: Option<f64>,
    /// When the dispatcher first suspected what it hit.
    pub detected_s: Option<f64>,
    /// What told it: `heartbeat`, `connection`, `refused`, `path` or `pace`.
    pub detected_by: Option<String>,
    /// When a plan was made anew.
    #[serde(default)]
    pub replanned_s: Option<f64>,
    /// When every stage of that plan was ready.
    #[serde(default)]
    pub deployed_s: Option<f64>,
    /// Whether all that the plan needed anew had been prepared.
    #[serde(default)]
    pub spare: bool,
    /// When the pipeline had recovered: see [`crate::record::recovery`].
    pub recovered_s: Option<f64>,
    /// When results came at the full rate again: see [`crate::record::impact`], also for the rest.
    #[serde(default)]
    pub full_rate_s: Option<f64>,
    /// Results that were to be expected until then and did not come.
    #[serde(default)]
    pub lost_results: Option<f64>,
    /// Requests that were sent again meanwhile.
    #[serde(default)]
    pub replayed: u64,
    /// Latency of the requests that were due before it, in milliseconds; `None` without any.
    #[serde(default)]
    pub latency_before_ms: Option<Latency>,
    /// Of those that were due while it had an effect.
    #[serde(default)]
    pub latency_during_ms: Option<Latency>,
    /// Of those that were due afterwards.
    #[serde(default)]
    pub latency_after_ms: Option<Latency>,
    /// When it was healed.
    pub healed_s: Option<f64>,
    /// Why it could not be fired.
    pub failed: Option<String>,
    /// Whether a person wanted it while the run went on; the scenario doesn't have it.
    #[serde(default)]
    pub by_hand: bool,
}

/// A process that ended though nothing asked it to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// Its node.
    pub node: String,
    /// How.
    pub cause: ExitCause,
}

/// What a process held, from the first look at it to the last. Growth is that of the later half: see
/// [`crate::record::growth`]; `None` if there were too few looks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessSummary {
    /// Its node, or [`TESTBED`](super::event::TESTBED).
    pub process: String,
    /// Its process id inside the sandbox.
    pub pid: i32,
    /// When it was first looked at.
    pub from_s: f64,
    /// When it was last looked at.
    pub to_s: f64,
    /// Resident memory, in bytes.
    pub resident_bytes: Held,
    /// Open file descriptors.
    pub descriptors: Held,
}

/// How much of something a process held.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// At first.
    pub first: u64,
    /// At last.
    pub last: u64,
    /// At most.
    pub most: u64,
    /// How much more it would be in an hour.
    pub per_hour: Option<f64>,
    /// How much more it became in the time that was looked at.
    pub grew: Option<f64>,
}

impl Held {
    /// How much more it would be in an hour, if what was gained is more than noise, however short that was.
    pub fn growth_beyond(&self, noise: u64) -> Option<f64> {
        self.per_hour.filter(|_| self.grew.is_some_and(|grew| grew >= noise as f64))
    }
}

/// A phase of set-up or teardown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// How long it took.
    pub took_s: f64,
}
