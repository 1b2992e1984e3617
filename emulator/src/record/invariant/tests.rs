use std::time::Duration;

use node::clock::Instant;
use node::telemetry::Event;
use planner::units::ByteSize;

use super::*;
use crate::record::event::{Entry, RunEvent};
use crate::record::fixture::{self, Run};

fn findings(run: &Run) -> Vec<Finding> {
    check(&run.scenario, &run.tally())
}

fn finding(run: &Run, name: &str) -> Finding {
    findings(run).into_iter().find(|finding| finding.name == name).unwrap()
}

/// Changes what nodes said of a request; an entry for which `change` says `false` is left out.
fn of_request(run: &mut Run, number: u64, mut change: impl FnMut(&mut Entry) -> bool) {
    run.entries.retain_mut(|entry| {
        let Entry::Node { event, .. } = &*entry else { return true };
        let of = match event {
            Event::Completed { request, .. }
            | Event::Processed { request, .. }
            | Event::Fed { request, .. }
            | Event::Arrived { request, .. } => Some(*request),
            _ => None,
        };
        of != Some(number) || change(entry)
    });
}

fn event(entry: &mut Entry) -> &mut Event {
    match entry {
        Entry::Node { event, .. } => event,
        Entry::Run { .. } => panic!("not said by a node"),
    }
}

/// Without the faults that leave too little time after them.
fn two_faults() -> Run {
    let mut run = fixture::crashes();
    run.scenario.faults.truncate(2);
    run.entries.retain(|entry| {
        let Entry::Run { event, .. } = entry else { return true };
        !matches!(
            event,
            RunEvent::FaultFired { fault: 2.., .. }
                | RunEvent::FaultEffective { fault: 2.. }
                | RunEvent::FaultHealed { fault: 2.. }
        )
    });
    run
}

/// When it is too late to show.
fn two_of_three_come_too_late(run: &mut Run) {
    let late = run.entries.last().unwrap().at() + Duration::from_millis(1);
    for entry in &mut run.entries {
        if let Entry::Node { at, event: Event::Completed { request, .. }, .. } = entry
            && *request >= 200
            && !request.is_multiple_of(3)
        {
            *at = late;
        }
    }
}

#[test]
fn in_a_good_run_all_hold_and_what_can_not_be_told_says_why() {
    for finding in findings(&fixture::crashes()) {
        match finding.name.as_str() {
            "throughput_returns" => {
                assert_eq!(finding.judgement, Judgement::NotJudged);
                assert!(finding.reason.unwrap().contains("were left after the last fault"));
            }
            _ => assert_eq!((finding.judgement, finding.count), (Judgement::Held, 0), "{finding:?}"),
        }
    }
    assert!(findings(&two_faults()).iter().all(|finding| finding.judgement == Judgement::Held));
}

#[test]
fn each_way_to_break_one_is_found_by_it_and_by_no_other_that_does_not_have_to() {
    type Break = fn(&mut Run);
    let breaks: [(&[&str], &str, Break); 10] = [
        (&["one_outcome"], "request 100 was accepted", |run| {
            of_request(run, 100, |entry| !matches!(event(entry), Event::Completed { .. }));
        }),
        (&["one_outcome"], "request 100 has both", |run| {
            let at = run.entries.last().unwrap().at();
            let event = Event::Errored { request: 100, reason: "none".into() };
            run.entries.push(Entry::Node { at, node: "client".into(), event });
        }),
        (&["no_duplicate"], "request 7 had 2 results", |run| {
            let completed =
                |entry: &&Entry| matches!(entry, Entry::Node { event: Event::Completed { request: 7, .. }, .. });
            let twice = run.entries.iter().find(completed).unwrap().clone();
            run.entries.push(twice);
        }),
        (&["right_output"], "request 9 has an output", |run| {
            of_request(run, 9, |entry| {
                if let Event::Completed { digest, .. } = event(entry) {
                    *digest = fixture::digest(99);
                }
                true
            });
        }),
        // It was in the pipeline when its epoch ended, and what came of that counted all the same.
        (&["own_epoch"], "request 96 has a result of epoch 0 that arrived when epoch 1 had begun", |run| {
            of_request(run, 96, |entry| {
                match event(entry) {
                    Event::Completed { epoch, .. } | Event::Arrived { epoch, .. } => *epoch = 0,
                    _ => {}
                }
                true
            });
        }),
        (&["own_epoch"], "request 50 has a result of epoch 0 that stage 2", |run| {
            of_request(run, 50, |entry| !matches!(event(entry), Event::Processed { stage: 2, .. }));
        }),
        (&["own_epoch", "placement"], "n8 computed stage 1 of epoch 0, which the plan put on n4", |run| {
            of_request(run, 50, |entry| {
                if let Entry::Node { node, event: Event::Processed { stage: 1, .. }, .. } = entry {
                    *node = "n8".into();
                }
                true
            });
        }),
        (&["placement"], "n4 served stage 1 of epoch 0 with 200 MiB in memory, and has 128 MiB", |run| {
            for entry in &mut run.entries {
                if let Entry::Node { event: Event::SegmentLoaded { resident, .. }, .. } = entry {
                    *resident = ByteSize::from_mib(200);
                }
            }
        }),
        (&["nothing_left"], "process 57 (sleep 600) still ran", |run| {
            let at = run.entries.last().unwrap().at();
            run.entries.push(Entry::Run { at, event: RunEvent::LeftRunning { pid: 57, command: "sleep 600".into() } });
        }),
        (&["throughput_returns"], "after the last fault throughput came to", two_of_three_come_too_late),
    ];
    for (names, text, change) in breaks {
        let mut run = two_faults();
        change(&mut run);
        let broken: Vec<Finding> =
            findings(&run).into_iter().filter(|finding| finding.judgement == Judgement::Broken).collect();
        let found: Vec<&str> = broken.iter().map(|finding| finding.name.as_str()).collect();
        assert_eq!(found, names, "{text}");
        let violations: Vec<&Violation> = broken.iter().flat_map(|finding| &finding.violations).collect();
        assert!(violations.iter().any(|violation| violation.text.contains(text)), "{text}: {violations:#?}");
        for violation in violations.iter().filter(|violation| violation.request.is_some()) {
            assert!(violation.path.is_sorted_by(|a, b| a.at_s <= b.at_s));
            let told = |what: &str| violation.path.iter().any(|step| step.what.contains(what));
            assert!(told("due") && told("accepted") && told("chain 0") && told("stage 3"), "{:#?}", violation.path);
        }
        let summary = crate::report::summarise(&run.scenario, &run.tally());
        assert_eq!((summary.exit, summary.violations.len()), (1, names.len()), "{:?}", summary.violations);
    }
}

#[test]
fn what_a_killed_process_had_no_time_to_tell_is_not_held_against_its_node() {
    let mut run = fixture::crashes();
    // It was in n4 shortly before that was killed.
    of_request(&mut run, 93, |entry| !matches!(event(entry), Event::Processed { stage: 1, .. }));
    assert_eq!(finding(&run, "own_epoch").judgement, Judgement::Held);
}

#[test]
fn what_the_host_was_too_slow_for_is_not_held_against_the_system() {
    let with = |slower: u64| {
        let mut run = two_faults();
        two_of_three_come_too_late(&mut run);
        for entry in &mut run.entries {
            if let Entry::Node {
                event: Event::Processed { stage: 1, request: 200.., started, finished, late, .. },
                ..
            } = entry
            {
                *late = finished.since(*started) * u32::try_from(slower).unwrap();
                *started = Instant(started.0 - late.as_nanos() as u64);
            }
        }
        finding(&run, "throughput_returns")
    };
    assert_eq!(with(0).judgement, Judgement::Broken);
    let forgiven = with(40);
    assert_eq!(forgiven.judgement, Judgement::NotJudged);
    assert!(forgiven.reason.unwrap().contains("the host computed too slowly"));
}

#[test]
fn a_run_that_was_cut_short_is_judged_only_by_what_happened() {
    let mut run = fixture::crashes();
    run.entries.sort_by_key(Entry::at);
    run.entries.truncate(run.entries.len() / 2);
    run.entries.push(Entry::Run { at: run.entries.last().unwrap().at(), event: RunEvent::Interrupted });
    for name in ["one_outcome", "throughput_returns", "nothing_left"] {
        assert_eq!(finding(&run, name).reason.as_deref(), Some("the run was interrupted"), "{name}");
    }
    assert_eq!(finding(&run, "own_epoch").judgement, Judgement::Held);
}

#[test]
fn the_table_of_invariants_names_them_all() {
    let table = include_str!("mod.rs").split("#[cfg(test)]").next().unwrap();
    for invariant in &ALL {
        assert!(table.contains(&format!("| `{}` |", invariant.name)), "{}", invariant.name);
    }
}
