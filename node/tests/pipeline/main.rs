//! The real thing over loopback: client, dispatcher and workers as processes, a real model, real signals.

mod crash;
mod hostile;
mod testbed;
mod trivial;

use std::time::Duration;

use nix::sys::signal::Signal;
use node::config::{Arrival, Deploy, Load};
use node::telemetry::{Detection, Event};
use planner::strategy::{Replicas, Spares};
use testbed::{SEED, Testbed, Wanted};

#[test]
fn a_killed_and_a_stopped_worker_cost_no_request() {
    let mut testbed = Testbed::start(&Wanted {
        net: 2,
        model: planner::zoo::build("tiny-cnn", SEED).unwrap(),
        workers: 4,
        load: Load::Open { rate_per_s: 50.0, arrival: Arrival::Poisson },
        deploy: Deploy::Local,
        slowdown: 1.0,
        split: true,
        replicas: Replicas::One,
        spares: Spares::default(),
        order: false,
    });
    testbed.begin();
    testbed.wait_completed(50);
    let (_, _, plan) = testbed.plans().remove(0);
    let victim = plan.stages[0].node;
    let killed = testbed.signal(victim, Signal::SIGKILL);
    let suspected = testbed.wait_for("the killed worker was suspected", |_, event| {
        matches!(event, Event::NodeSuspected { by: Detection::Connection, .. })
    });
    let deployed = testbed.wait_for("the new plan was deployed", |_, event| matches!(event, Event::Deployed { .. }));
    let first =
        testbed.wait_for("requests flowed again", |_, event| matches!(event, Event::Completed { epoch: 2.., .. }));
    println!(
        "killed; suspected after {:?}, deployed after {:?}, first result of the new epoch after {:?}",
        suspected.at.since(killed),
        deployed.at.since(killed),
        first.at.since(killed)
    );

    testbed.wait_completed(100);
    let (epoch, _, plan) = testbed.plans().pop().unwrap();
    assert!(plan.stages.iter().all(|stage| stage.node != victim));
    let sleeper = plan.stages[0].node;
    testbed.signal(sleeper, Signal::SIGSTOP);
    testbed.wait_for("the stopped worker was suspected", |_, event| {
        matches!(event, Event::NodeSuspected { by: Detection::Heartbeat, .. })
    });
    testbed.wait_for(
        "requests flowed again",
        |_, event| matches!(event, Event::Completed { epoch: now, .. } if *now > epoch),
    );
    testbed.signal(sleeper, Signal::SIGCONT);
    testbed.wait_for("it was back", |_, event| matches!(event, Event::Rejoined { .. }));
    testbed.spawn(victim);
    testbed.wait_for("the killed one was back", |_, event| matches!(event, Event::Rejoined { .. }));
    testbed.wait_completed(200);
    testbed.finish();
    assert!(testbed.assert_nothing_lost_nothing_twice() >= 200);
    for (epoch, reason, plan) in testbed.plans() {
        println!("epoch {epoch} ({reason}): {:?}", plan.stages.iter().map(|stage| stage.node).collect::<Vec<_>>());
    }
}

#[test]
fn when_a_chain_is_lost_the_others_answer_and_in_order() {
    let mut testbed = Testbed::start(&Wanted {
        net: 5,
        model: planner::zoo::build("tiny-cnn", SEED).unwrap(),
        workers: 6,
        load: Load::Closed { concurrency: 16 },
        deploy: Deploy::Local,
        // Devices so slow that they, and not this machine, are the limit: one chain would be too few.
        slowdown: 40.0,
        split: true,
        replicas: Replicas::Auto,
        spares: Spares::default(),
        order: true,
    });
    testbed.begin();
    testbed.wait_completed(60);
    let (_, _, plan) = testbed.plans().remove(0);
    assert!(plan.chains.len() > 1, "{plan:?}");
    let alone = |stage: &usize| plan.chains.iter().filter(|chain| chain.stages.contains(stage)).count() == 1;
    let victim = plan.chains[0].stages.iter().copied().find(alone).expect("a stage that no other chain needs");
    testbed.signal(plan.stages[victim].node, Signal::SIGKILL);
    testbed.wait_for("the chain was lost", |_, event| matches!(event, Event::ChainLost { chain: 0, .. }));
    testbed.wait_for("a new plan was deployed", |_, event| matches!(event, Event::Deployed { epoch: 2.., .. }));
    testbed.wait_completed(150);
    testbed.finish();
    assert!(testbed.assert_nothing_lost_nothing_twice() >= 150);
    // Requests are accepted in the order of their numbers, but for those that were sent again.
    let order: Vec<u64> = testbed.completed().iter().map(|(request, ..)| *request).collect();
    assert!(order.is_sorted(), "{order:?}");
    for (epoch, reason, plan) in testbed.plans() {
        println!("epoch {epoch} ({reason}): {} chains of {} stages", plan.chains.len(), plan.stages.len());
    }
}

#[test]
fn a_killed_worker_is_replaced_by_segments_that_lie_ready_and_came_over_the_network() {
    let mut testbed = Testbed::start(&Wanted {
        net: 11,
        model: planner::zoo::build("tiny-cnn", SEED).unwrap(),
        workers: 5,
        load: Load::Closed { concurrency: 4 },
        deploy: Deploy::Network,
        slowdown: 1.0,
        split: true,
        replicas: Replicas::One,
        spares: Spares::Auto,
        order: false,
    });
    testbed.begin();
    testbed.wait_completed(20);
    let (_, _, plan) = testbed.plans().remove(0);
    testbed.wait_for("a segment lies ready", |_, event| matches!(event, Event::Prepared { .. }));
    // The others follow one by one, and are there long before all these are done.
    let done = testbed.completed().len();
    testbed.wait_completed(done + 500);
    testbed.signal(plan.stages[0].node, Signal::SIGKILL);
    let deployed =
        testbed.wait_for("another plan is deployed", |_, event| matches!(event, Event::Deployed { epoch: 2, .. }));
    let Event::Deployed { loaded, prepared, .. } = deployed.event else { panic!("{deployed:?}") };
    assert!(!prepared.is_empty(), "loaded {loaded:?}");
    let done = testbed.completed().len();
    testbed.wait_completed(done + 20);
    testbed.finish();
    testbed.assert_nothing_lost_nothing_twice();
}

#[test]
fn segments_over_the_network_give_the_same_bits() {
    let mut testbed = Testbed::start(&Wanted {
        net: 3,
        model: planner::zoo::build("tiny-cnn", SEED).unwrap(),
        workers: 3,
        load: Load::Closed { concurrency: 4 },
        deploy: Deploy::Network,
        slowdown: 1.0,
        split: true,
        replicas: Replicas::One,
        spares: Spares::default(),
        order: false,
    });
    testbed.begin();
    testbed.wait_completed(50);
    testbed.finish();
    assert!(testbed.assert_nothing_lost_nothing_twice() >= 50);
}

/// Not a test of speed: a full queue and a closed loop with more requests than fit must neither stop nor lose any.
#[test]
fn a_client_faster_than_the_pipeline_is_held_back_and_loses_nothing() {
    let mut testbed = Testbed::start(&Wanted {
        net: 4,
        model: trivial::model(),
        workers: 1,
        load: Load::Closed { concurrency: 200 },
        deploy: Deploy::Local,
        slowdown: 1.0,
        split: false,
        replicas: Replicas::One,
        spares: Spares::default(),
        order: false,
    });
    testbed.begin();
    testbed.wait_completed(20_000);
    testbed.finish();
    testbed.assert_nothing_lost_nothing_twice();
    let completed = testbed.completed();
    let (first, last) = (completed[0].3, completed[completed.len() - 1].3);
    let rate = completed.len() as f64 / last.since(first).max(Duration::from_nanos(1)).as_secs_f64();
    println!("{} requests, {rate:.0} a second", completed.len());
}
