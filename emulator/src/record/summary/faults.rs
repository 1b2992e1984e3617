//! What became of each fault.

use node::clock::Instant;

use super::FaultSummary;
use super::compute::{Clock, latency, rounded};
use crate::record::fidelity::FaultTime;
use crate::record::impact::impact;
use crate::record::rate::Calm;
use crate::record::recovery::{Arrivals, recovery};
use crate::record::tally::{Tally, Window};
use crate::scenario::Scenario;

/// A summary of each fault, in the order of the scenario; then those by hand. And the time of each that was fired while load was
/// offered.
pub(super) fn summaries(
    scenario: &Scenario,
    tally: &Tally,
    arrivals: &Arrivals,
    clock: Clock,
) -> (Vec<FaultSummary>, Vec<FaultTime>) {
    let calm = Calm::of(scenario, tally, arrivals).ok();
    let latency_in = |window: Window| latency(tally.samples(window).map(|sample| sample.latency).collect());
    let seconds = |at: Option<Instant>| at.map(|at| clock.seconds(at));
    let summary = |index: usize| {
        let spec = &scenario.faults[index];
        let seen = tally.faults.get(&index).cloned().unwrap_or_default();
        let recovery = recovery(scenario, tally, arrivals, index);
        let impact = impact(scenario, tally, arrivals, calm, index, &recovery);
        let (kind, asked) = (crate::fault::name(&spec.kind), crate::fault::asked(&spec.kind));
        let time = impact.as_ref().map(|impact| FaultTime { fault: index, time: impact.during });
        let summary = FaultSummary {
            kind: kind.to_owned(),
            target: seen.fired.as_ref().map_or(asked.clone(), |(_, target, _)| target.clone()),
            asked,
            planned_s: rounded(spec.at.as_secs_f64(), 6),
            fired_s: seconds(seen.fired.as_ref().map(|(at, ..)| *at)),
            effect_s: seconds(seen.effective),
            detected_s: seconds(recovery.detected),
            detected_by: recovery.detected_by.map(str::to_owned),
            replanned_s: seconds(recovery.planned),
            deployed_s: seconds(recovery.deployed),
            spare: recovery.spare,
            recovered_s: seconds(recovery.recovered),
            full_rate_s: seconds(impact.as_ref().and_then(|impact| impact.full_rate)),
            lost_results: impact.as_ref().and_then(|impact| impact.lost).map(|lost| rounded(lost, 1)),
            replayed: impact.as_ref().map_or(0, |impact| impact.replayed),
            latency_before_ms: impact.as_ref().and_then(|impact| latency_in(impact.before)),
            latency_during_ms: impact.as_ref().and_then(|impact| latency_in(impact.during)),
            latency_after_ms: impact.as_ref().and_then(|impact| latency_in(impact.after)),
            healed_s: seconds(seen.healed),
            failed: seen.failed,
            by_hand: tally.injected.contains_key(&index),
        };
        (summary, time)
    };
    let (summaries, times): (Vec<_>, Vec<_>) = (0..scenario.faults.len()).map(summary).unzip();
    (summaries, times.into_iter().flatten().collect())
}
