//! Whether a run was what its scenario describes: a verdict on the emulation itself, not on the system under test.
//!
//! A pure function of the record. Each signal ([`signals`]) estimates by how much it could have biased the throughput and the latency; what
//! could not be noticed in the scenario's figures is no doubt. docs/fidelity.md has the signals, their arithmetic and the
//! thresholds with their reasons.

mod host;
mod signals;
#[cfg(test)]
mod tests;
mod trials;
mod view;

use node::clock::Instant;
use serde::{Deserialize, Serialize};

pub use host::{HostSummary, Spread, Throttling, host};

use super::tally::{Tally, Window};
pub use crate::scenario::Grade;
use crate::scenario::Scenario;
use view::View;

/// A bias from here on is told: less disappears in what two runs of the same scenario differ by.
pub const DEGRADED: f64 = 0.1;
/// A figure that may be off by this much or more says nothing.
pub const INVALID: f64 = 0.5;

/// The verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fidelity {
    /// Of the window that throughput and latency are of: the worst of its doubts.
    pub verdict: Grade,
    /// Its doubts, the worst first.
    pub doubts: Vec<Doubt>,
    /// Of each fault that was fired while load was offered, from its effect until it was healed and the full rate reached.
    pub faults: Vec<FaultFidelity>,
}

/// The verdict on the time of one fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultFidelity {
    /// Its index in the scenario.
    pub fault: usize,
    /// Its beginning.
    pub from_s: f64,
    /// Its end.
    pub to_s: f64,
    /// The worst of the doubts.
    pub verdict: Grade,
    /// The doubts, the worst first.
    pub doubts: Vec<Doubt>,
}

/// Something that makes the figures doubtful.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Doubt {
    /// `unwatched`, `compute`, `processors`, `forwarder`, `queue`, `drops`, `links`, `trials` or `timers`.
    pub signal: String,
    /// How bad.
    pub grade: Grade,
    /// What was seen, in words.
    pub what: String,
    /// When it was first seen.
    pub from_s: f64,
    /// When it was last seen.
    pub to_s: f64,
    /// Estimate: by which share the throughput may be lower than it should be.
    pub throughput: f64,
    /// Estimate: by which share of its median the latency may be higher than it should be.
    pub latency: f64,
}

/// The time of a fault.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaultTime {
    /// Its index.
    pub fault: usize,
    /// From its effect until it was healed and the full rate reached.
    pub time: Window,
}

/// The verdict on a run; `None` if nobody watched it: it was simulated, ended before its load, or is of an earlier version.
pub fn judge(scenario: &Scenario, tally: &Tally, faults: &[FaultTime]) -> Option<Fidelity> {
    let origin = origin(tally)?;
    let doubts = doubts(scenario, tally, tally.window(scenario));
    let of_fault = |of: &FaultTime| {
        let doubts = self::doubts(scenario, tally, of.time);
        let (from_s, to_s) = (seconds(origin, of.time.from), seconds(origin, of.time.to));
        FaultFidelity { fault: of.fault, from_s, to_s, verdict: worst(&doubts), doubts }
    };
    Some(Fidelity { verdict: worst(&doubts), doubts, faults: faults.iter().map(of_fault).collect() })
}

/// What makes the figures of a window doubtful, the worst first; nothing if nobody watched.
pub fn doubts(scenario: &Scenario, tally: &Tally, window: Window) -> Vec<Doubt> {
    let Some(origin) = origin(tally) else { return Vec::new() };
    let view = View::of(scenario, tally, window, origin);
    let mut doubts: Vec<Doubt> = signals::ALL.iter().filter_map(|signal| signal(&view)).collect();
    doubts.sort_by(|a, b| b.grade.cmp(&a.grade).then(b.bias().total_cmp(&a.bias())));
    doubts
}

/// When the load began of a run that was watched.
fn origin(tally: &Tally) -> Option<Instant> {
    tally.load_started.filter(|_| !tally.host.seconds.is_empty())
}

impl Doubt {
    /// The larger of the two estimates.
    pub fn bias(&self) -> f64 {
        self.throughput.max(self.latency)
    }
}

fn grade(bias: f64) -> Grade {
    match bias {
        bias if bias >= INVALID => Grade::Invalid,
        bias if bias >= DEGRADED => Grade::Degraded,
        _ => Grade::Faithful,
    }
}

fn worst(doubts: &[Doubt]) -> Grade {
    doubts.iter().map(|doubt| doubt.grade).max().unwrap_or(Grade::Faithful)
}

/// Since load began, to the millisecond.
fn seconds(origin: Instant, at: Instant) -> f64 {
    rounded(at.since(origin).as_secs_f64() - origin.since(at).as_secs_f64())
}

fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
