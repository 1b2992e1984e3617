use std::time::Duration;

use node::telemetry::Event;

use super::*;
use crate::fabric::Counters;
use crate::record::event::{Entry, RunEvent};
use crate::record::fixture::{self, Run};
use crate::record::sample::{Amiss, Forwarder, HostSample, LinkUse};
use crate::scenario::Workload;

/// The verdict on the made-up run after `change`, whose samples are one second each.
fn judged(change: impl Fn(&mut Run)) -> Fidelity {
    let mut run = fixture::crashes();
    change(&mut run);
    judge(&run.scenario, &run.tally(), &[]).unwrap()
}

fn samples(run: &mut Run, change: impl Fn(usize, &mut HostSample)) {
    let samples = run.entries.iter_mut().filter_map(|entry| match entry {
        Entry::Run { event: RunEvent::Sampled { sample }, .. } => Some(sample),
        _ => None,
    });
    samples.enumerate().for_each(|(second, sample)| change(second, sample));
}

fn only(fidelity: Fidelity, signal: &str) -> Doubt {
    let signals: Vec<&str> = fidelity.doubts.iter().map(|doubt| doubt.signal.as_str()).collect();
    assert_eq!(signals, [signal]);
    fidelity.doubts.into_iter().next().unwrap()
}

#[test]
fn a_quiet_run_is_faithful_and_one_that_nobody_watched_has_no_verdict() {
    assert_eq!(judged(|_| {}), Fidelity { verdict: Grade::Faithful, doubts: Vec::new(), faults: Vec::new() });
    let mut run = fixture::crashes();
    run.entries.retain(|entry| !matches!(entry, Entry::Run { event: RunEvent::Sampled { .. }, .. }));
    assert_eq!(judge(&run.scenario, &run.tally(), &[]), None);
}

#[test]
fn a_run_that_was_hardly_looked_at_is_not_faithful() {
    let with = |kept: std::ops::Range<u64>| {
        judged(|run| {
            let began = run.tally().load_started.unwrap();
            run.entries.retain(|entry| {
                let sampled = matches!(entry, Entry::Run { event: RunEvent::Sampled { .. }, .. });
                !sampled || kept.contains(&entry.at().since(began).as_secs())
            });
        })
    };
    // The window is from second 5 to 40.
    assert_eq!(with(0..25).verdict, Grade::Faithful);
    let doubt = only(with(0..15), "unwatched");
    assert!(doubt.grade == Grade::Degraded && doubt.what.contains("74 %"), "{doubt:?}");
    assert_eq!(only(with(0..3), "unwatched").grade, Grade::Invalid);
}

/// Each stage computes for 18 ms, and a request takes about 350.
#[test]
fn results_that_are_late_are_told_by_what_they_add_to_the_latency() {
    let late = |millis: u64| {
        judged(|run| {
            for entry in &mut run.entries {
                if let Entry::Node { event: Event::Processed { late, .. }, .. } = entry {
                    *late = Duration::from_millis(millis);
                }
            }
        })
    };
    assert_eq!(late(5).verdict, Grade::Faithful);
    let doubt = only(late(15), "compute");
    // Four stages.
    assert!((0.12..0.2).contains(&doubt.latency), "{doubt:?}");
    assert_eq!((doubt.grade, doubt.throughput), (Grade::Degraded, 0.0));
    assert!(doubt.what.contains("15.0 ms late"), "{doubt:?}");
}

/// A stage of one second that took twenty-five.
#[test]
fn a_result_that_is_very_late_is_told_as_late_as_it_was() {
    let fidelity = judged(|run| {
        for entry in &mut run.entries {
            if let Entry::Node { event: Event::Processed { stage: 1, started, finished, late, .. }, .. } = entry {
                *late = Duration::from_secs(24);
                *started = Instant(finished.0 - 25_000_000_000);
            }
        }
    });
    let doubt = only(fidelity, "compute");
    assert_eq!(doubt.grade, Grade::Invalid);
    assert!(doubt.throughput > 0.9 && doubt.what.contains("24000.0 ms late"), "{doubt:?}");
}

/// Something that was computed for the first time, in an epoch that lasted no longer than that.
#[test]
fn one_late_result_of_a_short_epoch_does_not_spoil_a_long_run() {
    let fidelity = judged(|run| {
        let late = run.entries.iter_mut().find_map(|entry| match entry {
            Entry::Node {
                event: Event::Processed { request: 100, stage: 1, epoch, started, finished, late, .. },
                ..
            } => Some((epoch, started, finished, late)),
            _ => None,
        });
        let (epoch, started, finished, late) = late.unwrap();
        (*epoch, *late) = (9, Duration::from_millis(1900));
        *started = Instant(finished.0 - 2_000_000_000);
    });
    assert_eq!(fidelity.verdict, Grade::Faithful, "{fidelity:?}");
}

/// One request at a time takes 318 ms by the plan: a stage of 100 ms is never waited for.
#[test]
fn with_few_requests_under_way_a_late_stage_costs_what_it_adds_to_the_latency_alone() {
    let with = |concurrency: u32| {
        judged(|run| {
            let Workload::Inference(inference) = &mut run.scenario.workload else { panic!() };
            inference.load = node::config::Load::Closed { concurrency };
            for entry in &mut run.entries {
                if let Entry::Node { event: Event::Processed { stage: 1, started, finished, late, .. }, .. } = entry {
                    *late = Duration::from_millis(150);
                    *started = Instant(finished.0 - 250_000_000);
                }
            }
        })
    };
    let (one, eight) = (only(with(1), "compute"), only(with(8), "compute"));
    assert!((0.3..0.5).contains(&one.latency), "{one:?}");
    // The slowest path takes 93 ms, and the stage 100 ms: with enough under way, 250 ms set the pace.
    assert!((eight.throughput - 0.6).abs() < 0.01 && eight.grade == Grade::Invalid, "{eight:?}");
    assert!(one.throughput < 0.35 && one.grade == Grade::Degraded, "{one:?}");
}

#[test]
fn a_forwarder_that_is_late_is_told_when_it_is_noticed_in_the_latency() {
    let late = |bucket: u8| {
        judged(|run| {
            samples(run, |second, sample| {
                let lateness = vec![(if (10..14).contains(&second) { bucket } else { 16 }, 1000)];
                sample.forwarder = Some(Forwarder { lateness, unread: 0, threads: 1 });
            });
        })
    };
    // 2^20 ns are a millisecond.
    assert_eq!(late(21).verdict, Grade::Faithful);
    let doubt = only(late(28), "forwarder");
    assert_eq!(doubt.grade, Grade::Invalid);
    assert!(9.0 < doubt.from_s && doubt.to_s < 15.0, "{doubt:?}");
}

#[test]
fn queues_are_told_from_losses_and_from_what_faults_bring() {
    let with = |counters: Counters, faulty: bool| {
        judged(|run| {
            samples(run, |_, sample| {
                let (from, to) = ("n3".to_owned(), "n4".to_owned());
                sample.links = vec![LinkUse { from, to, counters, faulty, ..LinkUse::default() }];
            });
        })
    };
    let passed = Counters { packets: 1000, bytes: 1_500_000, ..Counters::default() };
    let overflowed = Counters { overflowed: 60, ..passed };
    assert_eq!(with(Counters { lost: 60, ..passed }, false).verdict, Grade::Faithful);
    assert_eq!(with(Counters { overflowed: 3, ..passed }, false).verdict, Grade::Faithful);
    assert_eq!(with(overflowed, true).verdict, Grade::Faithful);
    let doubt = only(with(overflowed, false), "queue");
    assert!(doubt.what.contains("from n3 to n4") && doubt.grade == Grade::Degraded, "{doubt:?}");
    assert_eq!(only(with(Counters { refused: 60, ..passed }, false), "drops").grade, Grade::Invalid);
}

#[test]
fn a_link_that_is_not_what_was_asked_makes_the_run_invalid() {
    let fidelity = judged(|run| {
        samples(run, |second, sample| {
            if second == 20 {
                let what = "asked for rate 10 Mbit/s, but 1 Mbit/s is in force".to_owned();
                sample.amiss = vec![Amiss { from: "n1".into(), to: "n2".into(), what }];
            }
        });
    });
    let doubt = only(fidelity, "links");
    assert_eq!((doubt.grade, doubt.from_s), (Grade::Invalid, doubt.to_s));
}

/// Heartbeats come every 200 ms, and four may be missing.
#[test]
fn a_timer_that_is_half_way_to_a_false_alarm_is_told() {
    let late = |millis: u64| {
        judged(|run| {
            let event = Event::TimerLate { late: Duration::from_millis(millis) };
            let at = run.entries.iter().map(Entry::at).min().unwrap() + Duration::from_secs(20);
            run.entries.push(Entry::Node { at, node: "n6".into(), event });
        })
    };
    assert_eq!(late(300).verdict, Grade::Faithful);
    assert!(only(late(500), "timers").what.contains("n6"));
}

#[test]
fn each_fault_is_judged_by_its_own_time() {
    let mut run = fixture::crashes();
    let amiss = Amiss { from: "n1".into(), to: "n2".into(), what: "gone".into() };
    samples(&mut run, |second, sample| sample.amiss = if second == 13 { vec![amiss.clone()] } else { Vec::new() });
    let tally = run.tally();
    let began = tally.load_started.unwrap();
    let time = |fault, from, to| {
        let at = |seconds| began + Duration::from_secs(seconds);
        FaultTime { fault, time: Window { from: at(from), to: at(to) } }
    };
    let fidelity = judge(&run.scenario, &tally, &[time(0, 12, 22), time(1, 25, 28)]).unwrap();
    let verdicts: Vec<Grade> = fidelity.faults.iter().map(|fault| fault.verdict).collect();
    assert_eq!((fidelity.verdict, verdicts), (Grade::Invalid, vec![Grade::Invalid, Grade::Faithful]));
    assert_eq!(fidelity.faults[0].from_s, 12.0);
}
