//! The dispatcher's process ends, its disk fails, or there is no plan: what it has promised is kept, and what it can't
//! promise it says.

use std::collections::{BTreeMap, BTreeSet};

use node::config::{Arrival, Deploy, Load};
use node::telemetry::Event;
use planner::strategy::{Replicas, Spares};

use crate::testbed::{DISPATCHER, SEED, Testbed, Wanted};
use crate::trivial;

fn wanted(net: u8, workers: usize) -> Wanted {
    Wanted {
        net,
        model: planner::zoo::build("tiny-cnn", SEED).unwrap(),
        workers,
        load: Load::Open { rate_per_s: 100.0, arrival: Arrival::Poisson },
        deploy: Deploy::Local,
        slowdown: 1.0,
        split: true,
        replicas: Replicas::One,
        spares: Spares::default(),
        order: false,
    }
}

/// Every plan's epoch is higher than those before it, whichever process made it.
fn assert_epochs_rise(testbed: &Testbed) {
    let epochs: Vec<u32> = testbed.plans().iter().map(|(epoch, ..)| *epoch).collect();
    assert!(epochs.windows(2).all(|pair| pair[0] < pair[1]), "{epochs:?}");
}

#[test]
fn a_killed_dispatcher_is_resumed_and_costs_no_request() {
    let mut testbed = Testbed::start(&wanted(6, 4));
    testbed.begin();
    for round in 1..=5 {
        testbed.wait_completed(round * 60);
        let stage = testbed.plans().pop().unwrap().2.stages[0].node;
        testbed.kill(DISPATCHER);
        let together = round % 2 == 0;
        if together {
            testbed.kill(stage);
        }
        testbed.spawn(DISPATCHER);
        let resumed =
            testbed.wait_for("it resumed", |node, event| node == DISPATCHER && matches!(event, Event::Resumed { .. }));
        let Event::Resumed { epoch, open, answered, damage } = resumed.event else { unreachable!() };
        println!("resumed in epoch {epoch} with {open} open, {answered} answered requests");
        assert!(epoch as usize >= round && damage.is_empty());
        testbed.wait_for("it deployed a plan", |_, event| matches!(event, Event::Deployed { .. }));
        if together {
            testbed.spawn(stage);
        }
    }
    testbed.wait_completed(400);
    testbed.finish();
    assert!(testbed.assert_nothing_lost_nothing_twice() >= 400);
    assert_epochs_rise(&testbed);
}

#[test]
fn a_dispatcher_that_has_lost_its_memory_is_told_of_later_epochs() {
    let mut testbed = Testbed::start(&wanted(7, 3));
    testbed.begin();
    testbed.wait_completed(50);
    let first = testbed.plans().pop().unwrap().2.stages[0].node;
    testbed.kill(first);
    testbed.wait_for("there is a second plan", |_, event| matches!(event, Event::Deployed { epoch: 2, .. }));
    testbed.wait_completed(100);
    testbed.kill(DISPATCHER);
    std::fs::remove_dir_all(testbed.state(DISPATCHER)).unwrap();
    testbed.spawn(DISPATCHER);
    // The workers have been in epochs 1 and 2, and refuse what is no later.
    testbed.wait_for("it serves in a later one", |_, event| matches!(event, Event::Deployed { epoch: 3.., .. }));
    testbed.wait_completed(150);
    testbed.finish();
    assert!(testbed.assert_nothing_lost_nothing_twice() >= 150);
}

#[test]
fn a_dispatcher_whose_disk_fails_serves_on_says_so_and_promises_again_when_it_works() {
    let mut testbed = Testbed::start(&wanted(8, 2));
    // Where the journal's next segment belongs, there is a folder.
    let folder = testbed.state(DISPATCHER).join("journal");
    testbed.begin();
    testbed.wait_completed(20);
    testbed.kill(DISPATCHER);
    let kept = testbed.state(DISPATCHER).join("kept");
    std::fs::rename(&folder, &kept).unwrap();
    std::fs::write(&folder, b"no folder").unwrap();
    testbed.spawn(DISPATCHER);
    testbed.wait_for("it says so", |_, event| matches!(event, Event::JournalFailed { .. }));
    let completed = testbed.completed().len();
    testbed.wait_completed(completed + 50);
    std::fs::remove_file(&folder).unwrap();
    testbed.wait_for("it writes again", |_, event| matches!(event, Event::JournalRestored));
    let completed = testbed.completed().len();
    testbed.wait_completed(completed + 20);
    testbed.kill(DISPATCHER);
    testbed.spawn(DISPATCHER);
    testbed.wait_for("it resumed", |_, event| matches!(event, Event::Resumed { epoch: 1.., .. }));
    testbed.wait_completed(completed + 60);
    testbed.finish();
    testbed.assert_nothing_lost_nothing_twice();
}

#[test]
fn without_a_plan_as_many_wait_as_the_queue_holds_and_the_others_are_told() {
    let mut testbed = Testbed::start(&Wanted { model: trivial::model(), split: false, ..wanted(9, 1) });
    testbed.begin();
    testbed.wait_completed(20);
    testbed.kill(2);
    let mut refused = 0;
    testbed.wait_for("requests are refused", |_, event| {
        if let Event::Errored { reason, .. } = event {
            assert!(reason.contains("no plan is possible") && reason.contains("32 requests wait"), "{reason}");
            refused += 1;
        }
        refused >= 20
    });
    testbed.spawn(2);
    let completed = testbed.completed().len();
    testbed.wait_completed(completed + 100);
    testbed.finish();

    let mut outcomes: BTreeMap<u64, u32> = BTreeMap::new();
    let (mut offered, mut accepted) = (BTreeSet::new(), BTreeSet::new());
    for (_, stamped) in &testbed.events {
        match &stamped.event {
            Event::Offered { request, .. } => _ = offered.insert(*request),
            Event::Accepted { request } => _ = accepted.insert(*request),
            Event::Completed { request, .. } | Event::Errored { request, .. } => {
                *outcomes.entry(*request).or_default() += 1
            }
            _ => {}
        }
    }
    assert!(offered.iter().eq(outcomes.keys()) && outcomes.values().all(|count| *count == 1), "one outcome for each");
    let completed: BTreeSet<u64> = testbed.completed().iter().map(|(request, ..)| *request).collect();
    assert!(accepted.is_subset(&completed), "what was accepted was computed");
}
