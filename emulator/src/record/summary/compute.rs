//! A summary from a scenario and a tally.

use std::time::Duration;

use node::clock::Instant;
use planner::plan::{Plan, Stage};

use super::words::{in_words, limit, name, not_fired, repeated};
use super::*;
use crate::record::arithmetic::{nearest, rounded};
use crate::record::recovery::arrivals;
use crate::record::tally::{PlanSeen, Refusal, Request, StageSeen, Tally};
use crate::record::{fidelity, invariant, rate};
use crate::scenario::Scenario;

impl Summary {
    /// The summary of a run so far. Expectations are not looked at: see [`crate::report::summarise`].
    pub fn of(scenario: &Scenario, tally: &Tally) -> Summary {
        let window = tally.window(scenario);
        let clock = Clock(tally.load_started.unwrap_or(tally.last));
        let first = tally.plan_at(tally.load_started.unwrap_or(tally.last)).or(tally.plans.values().next());
        let arrivals = arrivals(tally);
        let completed = arrivals.iter().filter(|(at, _)| window.contains(*at)).count();
        let length = window.length().as_secs_f64();
        let throughput = if length > 0.0 { completed as f64 / length } else { 0.0 };
        let died = deaths(tally);
        let mut warnings: Vec<String> = tally.warnings.iter().map(|(text, times)| repeated(text, *times)).collect();
        let simulated = tally.carrier.as_deref() == Some(SIMULATED);
        let model = scenario.model_name();
        if model.is_some() && tally.digests.is_empty() && !arrivals.is_empty() && !simulated {
            warnings.push("outputs were not compared with the unsplit model's".to_owned());
        }
        let (faults, times) = super::faults::summaries(scenario, tally, &arrivals, clock);
        let complete = tally.ended && !tally.interrupted && tally.load_ended.is_some();
        warnings.extend(faults.iter().filter_map(|fault| not_fired(fault, complete)));
        warnings.extend(died.iter().map(|death| format!("{} died: {}", death.node, in_words(death.cause))));
        Summary {
            schema_version: SCHEMA_VERSION,
            scenario: scenario.name.clone(),
            model: model.unwrap_or_default(),
            seed: scenario.seed,
            carrier: tally.carrier.clone(),
            nodes: scenario.nodes.len(),
            complete,
            exit: tally.exit.unwrap_or(INTERRUPTED),
            window: Span { from_s: clock.seconds(window.from), to_s: clock.seconds(window.to) },
            requests: requests(tally),
            throughput_per_s: rounded(throughput, 3),
            bound: first.map(|seen| bound(scenario, tally, &seen.plan, throughput)),
            latency_ms: latency(tally.samples(window).map(|sample| sample.latency).collect()),
            latency_uncorrected_ms: latency(tally.samples(window).map(|sample| sample.uncorrected).collect()),
            measured: super::measured::summaries(scenario, tally, window),
            checks: super::measured::checks(tally),
            probe: super::probe::summary(scenario, tally),
            plan: first.map(|seen| plan(scenario, tally, seen)),
            plans: plans(scenario, tally, clock),
            slow: slow(tally, clock),
            refused: refused(tally, clock),
            faults,
            fidelity: fidelity::judge(scenario, tally, &times),
            trials: tally.trials.clone(),
            host: fidelity::host(tally),
            traffic: tally.traffic.values().fold(Counters::default(), |sum, counters| sum.with(counters)),
            died,
            processes: super::processes::summaries(tally, clock),
            phases: tally
                .phases
                .iter()
                .map(|(name, took)| Phase { name: name.clone(), took_s: rounded(took.as_secs_f64(), 6) })
                .collect(),
            warnings,
            invariants: invariant::check(scenario, tally),
            violations: Vec::new(),
            peak_memory_bytes: tally.peak_memory.map(|size| size.bytes()),
        }
    }
}

/// Counts from the instant at which load began.
#[derive(Clone, Copy)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn seconds(self, at: Instant) -> f64 {
        let (after, before) = (at.since(self.0).as_secs_f64(), self.0.since(at).as_secs_f64());
        rounded(after - before, 6)
    }
}

fn millis(time: Duration) -> f64 {
    rounded(time.as_secs_f64() * 1e3, 3)
}

fn requests(tally: &Tally) -> Requests {
    let replayed = tally.replays.iter().map(|(_, requests)| requests.len() as u64).sum();
    let mut counts = Requests { replayed, stale_dropped: tally.stale_dropped, ..Requests::default() };
    for request in tally.requests.values() {
        let (completed, errored) = (!request.results.is_empty(), request.errored.is_some());
        let accepted = request.is_accepted();
        counts.offered += u64::from(request.scheduled.is_some());
        counts.accepted += u64::from(accepted);
        counts.completed += u64::from(completed);
        counts.errored += u64::from(errored && !completed);
        counts.lost += u64::from(request.is_lost());
        counts.duplicated += u64::from(request.is_duplicated());
        counts.unaccepted += u64::from(request.scheduled.is_some() && !accepted && !errored);
        counts.checked += u64::from(completed && reference(tally, request).is_some());
        counts.wrong += u64::from(tally.wrong(request).is_some());
    }
    counts
}

fn reference<'a>(tally: &'a Tally, request: &Request) -> Option<&'a String> {
    tally.digests.get(request.input? as usize)
}

/// Statistics of latencies in no order; `None` without any.
pub(super) fn latency(mut times: Vec<Duration>) -> Option<Latency> {
    times.sort_unstable();
    let count = times.len();
    let largest = times.last()?;
    let percentile = |share: f64| nearest(&times, share).map(millis);
    let mean = times.iter().map(Duration::as_secs_f64).sum::<f64>() / count as f64;
    Some(Latency {
        count: count as u64,
        mean: rounded(mean * 1e3, 3),
        p50: percentile(0.5)?,
        p90: percentile(0.9)?,
        p99: percentile(0.99)?,
        p999: percentile(0.999)?,
        max: millis(*largest),
    })
}

fn bound(scenario: &Scenario, tally: &Tally, plan: &Plan, throughput: f64) -> Bound {
    let (highest, limit) = rate::bound(scenario, tally, plan);
    Bound { throughput_per_s: rounded(highest, 3), limit, reached: rounded(throughput / highest, 4) }
}

fn plan(scenario: &Scenario, tally: &Tally, seen: &PlanSeen) -> PlanSummary {
    let epoch = tally.plans.iter().find(|(_, other)| *other == seen).map_or(0, |(epoch, _)| *epoch);
    let cut = |cut: usize| CutName { cut, tensor: tally.tensors.get(cut).cloned() };
    let stage = |(index, stage): (usize, &Stage)| {
        let measured = u16::try_from(index).ok().and_then(|index| tally.stages.get(&(epoch, index)));
        let mean = |seen: &StageSeen| {
            (seen.processed > 0).then(|| rounded(seen.computed.as_secs_f64() * 1e3 / seen.processed as f64, 3))
        };
        StageSummary {
            stage: index,
            node: name(scenario, stage.node),
            from: cut(stage.segment.from),
            to: cut(stage.segment.to),
            memory_bytes: stage.memory.bytes(),
            memory_limit_bytes: scenario.nodes.get(stage.node).map_or(0, |node| node.memory.bytes()),
            resident_bytes: measured.and_then(|seen| seen.resident).map(|size| size.bytes()),
            compute_ms: millis(stage.compute),
            measured_compute_ms: measured.and_then(mean),
            receive_ms: millis(stage.receive),
        }
    };
    PlanSummary {
        epoch,
        stages: seen.plan.stages.iter().enumerate().map(stage).collect(),
        chains: seen
            .plan
            .chains
            .iter()
            .map(|chain| ChainSummary { stages: chain.stages.clone(), share: rounded(chain.share, 4) })
            .collect(),
        predicted_throughput_per_s: rounded(seen.plan.prediction.throughput_per_s(), 3),
        limit: limit(scenario, &seen.plan),
        predicted_latency_ms: millis(seen.plan.prediction.latency),
    }
}

fn plans(scenario: &Scenario, tally: &Tally, clock: Clock) -> Vec<PlanChange> {
    let change = |(epoch, seen): (&u32, &PlanSeen)| PlanChange {
        epoch: *epoch,
        reason: seen.reason.clone(),
        planned_s: clock.seconds(seen.at),
        deployed_s: seen.deployed.as_ref().map(|(at, _)| clock.seconds(*at)),
        nodes: seen.plan.stages.iter().map(|stage| name(scenario, stage.node)).collect(),
        loaded: seen.deployed.as_ref().map(|(_, loaded)| loaded.clone()).unwrap_or_default(),
        prepared: seen.prepared.clone(),
        predicted_throughput_per_s: rounded(seen.plan.prediction.throughput_per_s(), 3),
    };
    tally.plans.iter().map(change).collect()
}

fn slow(tally: &Tally, clock: Clock) -> Vec<SlowNode> {
    let node = |(at, node, factor): &(Instant, String, f64)| SlowNode {
        node: node.clone(),
        factor: rounded(*factor, 2),
        at_s: clock.seconds(*at),
    };
    tally.slow.iter().map(node).collect()
}

fn refused(tally: &Tally, clock: Clock) -> Vec<RefusedStage> {
    let stage = |refusal: &Refusal| RefusedStage {
        node: refusal.node.clone(),
        epoch: refusal.epoch,
        at_s: clock.seconds(refusal.at),
        need_bytes: refusal.shortage.map(|shortage| shortage.need.bytes()),
        limit_bytes: refusal.shortage.map(|shortage| shortage.limit.bytes()),
        reason: refusal.reason.clone(),
    };
    tally.refusals.iter().map(stage).collect()
}

fn deaths(tally: &Tally) -> Vec<Death> {
    let exits = tally.exits.iter().filter(|exit| !exit.cause.is_wanted());
    exits.map(|exit| Death { node: exit.node.clone(), cause: exit.cause }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::event::{Entry, RunEvent};
    use crate::record::fixture::{self, Run};
    use node::telemetry::Event;

    fn summary(run: &Run) -> Summary {
        Summary::of(&run.scenario, &run.tally())
    }

    #[test]
    fn every_fault_is_told_from_plan_to_recovery() {
        let summary = summary(&fixture::crashes());
        let near = |found: Option<f64>, expected: f64| {
            assert!((found.unwrap() - expected).abs() < 0.05, "{found:?} is not about {expected}");
        };
        let [killed, down, slow, spare] = &summary.faults[..] else { panic!() };
        assert_eq!((killed.kind.as_str(), killed.target.as_str(), killed.planned_s), ("kill", "n4", 12.0));
        assert_eq!(killed.detected_by.as_deref(), Some("heartbeat"));
        near(killed.effect_s, 12.0021);
        near(killed.detected_s, 12.93);
        // Deployed at 13.71, and the first result 0.33 s later.
        near(killed.recovered_s, 14.04);
        near(killed.healed_s, 22.0);
        assert_eq!(down.detected_by.as_deref(), Some("path"));
        near(down.detected_s, 25.81);
        near(down.recovered_s, 26.82);
        // Nobody noticed: the first result after it was healed.
        assert_eq!(slow.detected_s, None);
        assert!(slow.recovered_s.unwrap() >= 36.0 && slow.recovered_s.unwrap() < 36.2);
        // A spare holds no stage: nothing had to be recovered.
        near(spare.detected_s, 36.91);
        assert_eq!(spare.recovered_s, spare.detected_s);
    }

    #[test]
    fn requests_add_up_and_latency_is_that_of_the_window() {
        let run = fixture::crashes();
        let summary = summary(&run);
        let requests = summary.requests;
        assert_eq!((requests.offered, requests.accepted, requests.completed, requests.checked), (320, 320, 320, 320));
        assert_eq!((requests.lost, requests.duplicated, requests.wrong, requests.errored), (0, 0, 0, 0));
        assert_eq!(summary.window, Span { from_s: 5.0, to_s: 40.0 });
        let latency = summary.latency_ms.unwrap();
        assert_eq!(latency.count, 35 * 8);
        assert!(
            latency.p50 >= 330.0 && latency.p50 <= 1000.0 && latency.p50 <= latency.p90 && latency.p999 <= latency.max
        );
        // Each request is sent 0.4 ms after it was due.
        let uncorrected = summary.latency_uncorrected_ms.unwrap();
        assert!((latency.mean - uncorrected.mean - 0.4).abs() < 0.002);
        let bound = summary.bound.unwrap();
        assert_eq!((bound.throughput_per_s, bound.limit.as_str()), (8.0, "the offered load"));
        assert!(bound.reached > 0.95 && bound.reached <= 1.01);
        assert_eq!((summary.complete, summary.exit, summary.plans.len()), (true, 0, 3));
        let plan = summary.plan.unwrap();
        assert_eq!((plan.stages[1].node.as_str(), plan.stages[1].measured_compute_ms), ("n4", Some(18.0)));
        assert_eq!(plan.stages[1].to.tensor.as_deref(), Some("stage/38/Add_output_0"));
    }

    #[test]
    fn what_is_lost_doubled_or_wrong_is_counted_and_fails_the_run() {
        let mut run = fixture::crashes();
        let completed = |entry: &Entry, number: u64| matches!(entry, Entry::Node { event: Event::Completed { request, .. }, .. } if *request == number);
        run.entries.retain(|entry| !completed(entry, 100));
        let twice = run.entries.iter().find(|entry| completed(entry, 7)).unwrap().clone();
        run.entries.push(twice);
        for entry in &mut run.entries {
            if let Entry::Node { event: Event::Completed { request: 9, digest, .. }, .. } = entry {
                *digest = fixture::digest(99);
            }
        }
        let summary = crate::report::summarise(&run.scenario, &run.tally());
        assert_eq!((summary.requests.lost, summary.requests.duplicated, summary.requests.wrong), (1, 1, 1));
        assert_eq!((summary.exit, summary.violations.len()), (1, 3), "{:?}", summary.violations);
    }

    #[test]
    fn the_order_of_the_log_does_not_matter_and_a_part_of_it_has_a_summary() {
        let mut run = fixture::crashes();
        let whole = summary(&run);
        let text = serde_json::to_string(&whole).unwrap();
        assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), whole);
        run.entries.sort_by_key(Entry::at);
        assert_eq!(summary(&run), whole);
        run.entries.truncate(run.entries.len() / 2);
        run.entries.push(Entry::Run { at: run.entries.last().unwrap().at(), event: RunEvent::Interrupted });
        let part = summary(&run);
        assert_eq!((part.complete, part.exit), (false, 137));
        assert!(part.requests.completed > 100 && part.throughput_per_s > 4.0);
        run.entries.clear();
        let nothing = summary(&run);
        assert_eq!((nothing.latency_ms, nothing.throughput_per_s), (None, 0.0));
    }
}
