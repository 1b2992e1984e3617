//! What faults of a scenario mean: when they come, whom they hit, what is drawn.

use std::time::Duration;

use super::{MILLI, good, mbits, with, wrong};
use emulator::scenario::network::{Loss, Shape};
use emulator::scenario::{FaultKind, NodeTarget, Overrides, PairTarget};

const MESH: &str = "topology = { kind = \"mesh\", nodes = 8, rate = \"10 Mbit/s\" }\n";

fn faults(text: &str) -> Vec<(u64, FaultKind)> {
    let scenario = good(&format!("{MESH}{text}"));
    scenario.faults.into_iter().map(|fault| (fault.at.as_millis() as u64, fault.kind)).collect()
}

#[test]
fn a_fault_comes_again_until_the_end_or_often_enough() {
    let kill = || FaultKind::Kill { target: NodeTarget::Stage(0) };
    let every =
        faults("fault = [{ kind = \"kill\", target = \"stage:0\", at = \"5 s\", for = \"1 s\", every = \"5 s\" }]");
    assert_eq!(every, [(5000, kill()), (10_000, kill()), (15_000, kill())]);
    let twice = faults(
        "fault = [{ kind = \"kill\", target = \"stage:0\", at = \"5 s\", for = \"1 s\", every = \"5 s\", times = 2 }]",
    );
    assert_eq!(twice, [(5000, kill()), (10_000, kill())]);
}

#[test]
fn a_restart_that_says_nothing_is_healed_at_once() {
    let scenario = good(&format!(
        "{MESH}fault = [{{ kind = \"restart\", target = \"stage:0\", at = \"5 s\" }}, {{ kind = \"kill\", target = \"spare\", at = \"6 s\" }}]"
    ));
    let lasting: Vec<_> = scenario.faults.iter().map(|fault| fault.lasting).collect();
    assert_eq!(lasting, [Some(Duration::ZERO), None]);
}

#[test]
fn a_split_is_drawn_among_the_workers_each_time_anew() {
    let split = |how: &str| {
        let keys = "at = \"2 s\", for = \"1 s\", every = \"3 s\"";
        let planned = faults(&format!("fault = [{{ kind = \"partition\", split = \"{how}\", {keys} }}]"));
        let groups = planned.into_iter().map(|(_, kind)| match kind {
            FaultKind::Partition { groups, one_way: false } => groups,
            other => panic!("{other:?}"),
        });
        groups.collect::<Vec<_>>()
    };
    // Six workers: two are cut off, or three, of whom the bridge is none.
    for (how, sizes) in [("majority", [2, 6]), ("bridge", [3, 4])] {
        let rounds = split(how);
        assert_eq!(rounds, split(how), "the same seed draws the same");
        assert!(rounds.iter().any(|groups| *groups != rounds[0]), "{rounds:?}");
        for groups in rounds {
            assert_eq!([groups[0].len(), groups[1].len()], sizes);
            assert!(["n00", "n01"].iter().all(|spared| groups[1].iter().any(|name| name == spared)), "{groups:?}");
        }
    }
}

#[test]
fn turns_vary_by_a_seed_that_follows_from_the_scenario() {
    let seeds = |text: &str| {
        let keys = "at = \"2 s\", on = \"1 s\", off = \"1 s\", jitter = 0.5";
        let faults =
            faults(&format!("{text}fault = [{{ kind = \"intermittent\", target = {{ random = 2 }}, {keys} }}]"));
        let seed = |(_, kind)| if let FaultKind::Intermittent { seed, .. } = kind { seed } else { panic!("{kind:?}") };
        faults.into_iter().map(seed).collect::<Vec<u64>>()
    };
    assert_eq!(seeds(""), seeds(""));
    assert!(seeds("")[0] != seeds("")[1] && seeds("") != seeds("seed = 99\n"));
}

#[test]
fn faults_lie_in_the_order_in_which_they_fire() {
    let planned = faults(
        r#"
        [[fault]]
        kind = "pause"
        target = "spare"
        at = "9 s"
        for = "1 s"
        [[fault]]
        kind = "down"
        target = ["n02", "n03"]
        at = "3 s"
        "#,
    );
    assert_eq!(planned[0], (3000, FaultKind::Down { target: PairTarget::Nodes("n02".into(), "n03".into()) }));
    assert_eq!(planned[1], (9000, FaultKind::Pause { target: NodeTarget::Spare }));
}

#[test]
fn lots_fall_the_same_for_the_same_seed_and_never_twice_on_the_dead() {
    let text =
        format!("{MESH}fault = [{{ kind = \"kill\", target = \"random\", at = \"1 s\", every = \"3 s\", times = 6 }}]");
    let drawn = |seed| with(&Overrides { seed: Some(seed), ..Overrides::default() }, &text).unwrap().faults;
    assert_eq!(drawn(5), drawn(5));
    assert!((6..16).any(|seed| drawn(seed) != drawn(5)));
    let mut hit: Vec<String> = drawn(5)
        .into_iter()
        .map(|fault| match fault.kind {
            FaultKind::Kill { target: NodeTarget::Node(name) } => name,
            other => panic!("{other:?}"),
        })
        .collect();
    hit.sort();
    assert_eq!(hit, ["n02", "n03", "n04", "n05", "n06", "n07"]);
    // A seventh would find nobody alive.
    assert_eq!(wrong(&text.replace("times = 6", "times = 7")), "7 can't be drawn from 6");
}

#[test]
fn a_fault_more_changes_no_lots_of_those_before() {
    let one = "[[fault]]\nkind = \"pause\"\ntarget = { random = 2 }\nat = \"1 s\"\nfor = \"1 s\"\n";
    let first = faults(one);
    let both = faults(&format!("{one}{}", one.replace("1 s", "2 s")));
    assert_eq!(both[..2], first);
}

#[test]
fn random_pairs_are_neighbours_among_the_workers() {
    let scenario = good(
        "topology = { kind = \"line\", nodes = 6 }\n\
         fault = [{ kind = \"down\", target = { random = 3 }, at = \"1 s\", for = \"1 s\" }]",
    );
    for fault in &scenario.faults {
        let FaultKind::Down { target: PairTarget::Nodes(a, b) } = &fault.kind else { panic!("{fault:?}") };
        let number = |name: &str| name[1..].parse::<i32>().unwrap();
        assert!((number(a) - number(b)).abs() == 1 && number(a).min(number(b)) >= 2, "{a} {b}");
    }
}

#[test]
fn a_degraded_link_keeps_what_the_fault_does_not_say() {
    let planned = faults(
        "fault = [{ kind = \"degrade\", target = [\"n02\", \"n03\"], at = \"1 s\", delay = \"30 ms\", loss = \"1 %\", both = false }]",
    );
    let FaultKind::Degrade { change, both: false, .. } = &planned[0].1 else { panic!("{planned:?}") };
    let shape = Shape { rate: mbits(10.0), jitter: MILLI, ..Shape::default() };
    let degraded = change.apply(&shape).unwrap();
    assert_eq!(degraded, Shape { delay: 30 * MILLI, loss: Loss::Random(0.01), ..shape });
}

#[test]
fn a_partition_may_name_all_others() {
    let planned = faults("fault = [{ kind = \"partition\", groups = [[\"n06\", \"n07\"], [\"*\"]], at = \"1 s\" }]");
    let FaultKind::Partition { groups, .. } = &planned[0].1 else { panic!("{planned:?}") };
    assert_eq!(groups[0], ["n06", "n07"]);
    assert_eq!(groups[1], ["n00", "n01", "n02", "n03", "n04", "n05"]);
}

#[test]
fn the_client_can_not_be_hit_and_the_dispatcher_does_not_compute() {
    let fault = |kind, target| {
        format!("{MESH}fault = [{{ kind = \"{kind}\", target = \"{target}\", at = \"1 s\", for = \"1 s\" }}]")
    };
    assert_eq!(wrong(&fault("pause", "n00")), "the client can't be the target of a fault of kind \"pause\"");
    let slow = format!("{MESH}fault = [{{ kind = \"straggler\", target = \"n01\", at = \"1 s\", factor = 2 }}]");
    assert_eq!(wrong(&slow), "the dispatcher can't be the target of a fault of kind \"straggler\"");
    good(&fault("pause", "n01"));
    good(&fault("kill", "n01"));
}
