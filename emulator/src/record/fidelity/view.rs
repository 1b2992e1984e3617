//! What signals are computed from: one stretch of a run, and what its figures can notice.

use std::time::Duration;

use node::clock::Instant;
use node::config::Load;

use super::{Doubt, Grade, rounded, seconds};
use crate::record::tally::{Second, Tally, Window};
use crate::scenario::{FaultKind, Scenario};

/// One stretch of a run.
pub(super) struct View<'a> {
    pub scenario: &'a Scenario,
    pub tally: &'a Tally,
    pub window: Window,
    /// The samples of this stretch, in order of time.
    pub seconds: Vec<&'a Second>,
    /// Results that arrived in it.
    pub completed: f64,
    /// Their median latency, in seconds; of the run, or of its plan, if there are too few.
    pub median: f64,
    /// How often a request's data cross the network: to the dispatcher, to each stage, back to the dispatcher and to the client.
    pub crossings: f64,
    origin: Instant,
    /// Nodes from which a fault took the processor, and when.
    excused: Vec<(&'a str, Instant, Instant)>,
}

/// How often what is asked of a program of others crosses the network, at least.
const THERE_AND_BACK: f64 = 2.0;
/// Fewer results than this have no median.
const FEW: usize = 5;
/// How long after a fault that took a node's processor its effects last: what it was computing is late, and so is its next word.
const AFTERMATH: Duration = Duration::from_secs(2);

impl<'a> View<'a> {
    pub fn of(scenario: &'a Scenario, tally: &'a Tally, window: Window, origin: Instant) -> View<'a> {
        let mut latencies: Vec<Duration> = tally.samples(window).map(|sample| sample.latency).collect();
        if latencies.len() < FEW {
            latencies = tally.samples(tally.window(scenario)).map(|sample| sample.latency).collect();
        }
        latencies.sort_unstable();
        let plan = tally.plan_at(window.from).or(tally.plans.values().next()).map(|seen| &seen.plan);
        let predicted = plan.map_or(Duration::from_secs(1), |plan| plan.prediction.latency);
        let median = latencies.get(latencies.len() / 2).copied().unwrap_or(predicted);
        let longest = plan.and_then(|plan| plan.chains.iter().map(|chain| chain.stages.len()).max()).unwrap_or(1);
        let done = tally.requests.values().filter_map(|request| request.completed());
        View {
            scenario,
            tally,
            window,
            seconds: within(tally, window),
            completed: done.filter(|result| window.contains(result.at)).count() as f64,
            median: median.as_secs_f64().max(1e-6),
            crossings: if scenario.inference().is_some() { longest as f64 + 3.0 } else { THERE_AND_BACK },
            origin,
            excused: excused(scenario, tally),
        }
    }

    /// Whether a node was slow at that time because the scenario says so.
    pub fn is_excused(&self, node: &str, from: Instant, to: Instant) -> bool {
        let limited = self.scenario.nodes.iter().any(|spec| spec.name == node && spec.cpu.is_some());
        limited || self.excused.iter().any(|(other, since, until)| *other == node && *since < to && from < *until)
    }

    /// What the throughput loses when each request takes longer by such a share of the median latency: with a fixed number of
    /// requests under way, as many fewer are done (Little's law); requests that come by themselves come just the same.
    pub fn throughput_lost(&self, latency: f64) -> f64 {
        match self.scenario.load() {
            Load::Closed { .. } => latency / (1.0 + latency),
            Load::Open { .. } => 0.0,
        }
    }

    /// A doubt, if the bias can be noticed. `seen` are the instants at which it was.
    pub fn doubt(
        &self,
        signal: &str,
        (throughput, latency): (f64, f64),
        seen: impl Iterator<Item = Instant>,
        what: impl FnOnce() -> String,
    ) -> Option<Doubt> {
        let grade = super::grade(throughput.max(latency));
        (grade > Grade::Faithful).then(|| self.graded(signal, grade, (throughput, latency), seen, what()))
    }

    /// A doubt whatever its bias.
    pub fn graded(
        &self,
        signal: &str,
        grade: Grade,
        (throughput, latency): (f64, f64),
        seen: impl Iterator<Item = Instant>,
        what: String,
    ) -> Doubt {
        let span = seen.fold(None, |span: Option<(Instant, Instant)>, at| {
            Some(span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))))
        });
        let (from, to) = span.unwrap_or((self.window.from, self.window.to));
        Doubt {
            signal: signal.to_owned(),
            grade,
            what,
            from_s: seconds(self.origin, from),
            to_s: seconds(self.origin, to),
            throughput: rounded(throughput),
            latency: rounded(latency),
        }
    }

    /// How busy the host was, in words; empty if that isn't known.
    pub fn host_in_words(&self) -> String {
        let mean = |of: &dyn Fn(&Second) -> f64| {
            let (sum, time) = self.seconds.iter().fold((0.0, 0.0), |(sum, time), second| {
                let over = second.over.as_secs_f64();
                (sum + of(second) * over, time + over)
            });
            100.0 * sum / f64::max(time, 1e-9)
        };
        if self.seconds.is_empty() {
            return String::new();
        }
        let busy = mean(&|second| second.cpu.busy);
        let mut words = format!("; the host was {busy:.0} % busy");
        if self.seconds.iter().all(|second| second.cpu.own.is_some()) {
            let own = mean(&|second| second.cpu.own.unwrap_or_default());
            words += &format!(", {:.0} % with other programs", (busy - own).max(0.0));
        }
        if self.seconds.iter().all(|second| second.pressure.is_some()) {
            let waited = mean(&|second| second.pressure.map_or(0.0, |pressure| pressure.cpu));
            words += &format!(", and something waited for a processor {waited:.0} % of the time");
        }
        let stolen = mean(&|second| second.cpu.stolen);
        if stolen >= 1.0 {
            words += &format!("; its hypervisor took {stolen:.0} %");
        }
        words
    }
}

/// The samples that lie for the most part in a window; of a window that is too short for that, those that touch it.
fn within(tally: &Tally, window: Window) -> Vec<&Second> {
    let mut all: Vec<&Second> = tally.host.seconds.iter().collect();
    all.sort_by_key(|second| second.at);
    let middle = |second: &Second| Instant(second.began().0.midpoint(second.at.0));
    let within: Vec<&Second> = all.iter().copied().filter(|second| window.contains(middle(second))).collect();
    if !within.is_empty() {
        return within;
    }
    all.retain(|second| second.began() < window.to && window.from < second.at);
    all
}

/// Nodes from which faults took the processor, and when.
fn excused<'a>(scenario: &Scenario, tally: &'a Tally) -> Vec<(&'a str, Instant, Instant)> {
    let takes =
        |kind: &FaultKind| matches!(kind, FaultKind::Cpu { .. } | FaultKind::Pause { .. } | FaultKind::Oom { .. });
    let faults = scenario.faults.iter().enumerate().filter(|(_, fault)| takes(&fault.kind));
    let mut excused = Vec::new();
    for seen in faults.filter_map(|(index, _)| tally.faults.get(&index)) {
        let Some((from, _, nodes)) = &seen.fired else { continue };
        let until = seen.healed.map_or(tally.last, |healed| healed + AFTERMATH);
        excused.extend(nodes.iter().map(|node| (node.as_str(), *from, until)));
    }
    excused
}
