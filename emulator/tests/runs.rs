//! The shipped scenarios, run as a user runs them.

mod story;

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use story::{User, nothing_lost_twice_or_wrong, shipped};

#[test]
fn quickstart_survives_a_kill_and_tells_so() {
    let user = User::new();
    let outcome = user.run(&["run", &shipped("quickstart"), "--json"]).expect(0);
    let summary = outcome.json();
    nothing_lost_twice_or_wrong(&summary);
    assert_eq!(summary["nodes"], 5);
    let fault = &summary["faults"][0];
    for instant in ["planned_s", "fired_s", "effect_s", "detected_s", "recovered_s"] {
        assert!(fault[instant].is_number(), "{instant} is missing: {fault:#}");
    }
    let run = user.path().join("results/quickstart/latest");
    for file in [
        "scenario.toml",
        "resolved.json",
        "env.json",
        "events.jsonl",
        "latency.hlog",
        "latency-uncorrected.hlog",
        "throughput.csv",
        "summary.json",
    ] {
        assert!(run.join(file).exists(), "{file} is missing");
    }
    assert_eq!(fs::read_dir(run.join("nodes")).expect("a folder for nodes").count(), 5);
}

#[test]
fn twenty_nodes_two_crashes_a_flap_and_a_slow_link_lose_nothing() {
    let user = User::new();
    let summary = user.run(&["run", &shipped("20node_fail"), "--json"]).expect(0).json();
    nothing_lost_twice_or_wrong(&summary);
    assert_eq!(summary["nodes"], 20);
    assert_eq!(summary["exit"], 0);
    assert!(summary["faults"].as_array().is_some_and(|faults| faults.len() >= 4));
}

#[test]
fn a_partition_heals_and_nothing_is_lost() {
    let user = User::new();
    let summary = user.run(&["run", &shipped("partition"), "--json"]).expect(0).json();
    nothing_lost_twice_or_wrong(&summary);
}

/// Every fault of the scenario fires, has its effect and, if it is to, heals.
fn tells_of_all_faults(summary: &Value, healed: usize) {
    let faults = summary["faults"].as_array().expect("faults");
    assert!(faults.iter().all(|fault| fault["effect_s"].is_number() && fault["failed"].is_null()), "{faults:#?}");
    assert_eq!(faults.iter().filter(|fault| fault["healed_s"].is_number()).count(), healed, "{faults:#?}");
}

#[test]
fn a_straggler_is_found_and_planned_around_and_throughput_returns() {
    let user = User::new();
    let summary = user.run(&["run", &shipped("straggler"), "--json"]).expect(0).json();
    nothing_lost_twice_or_wrong(&summary);
    tells_of_all_faults(&summary, 1);
    let fault = &summary["faults"][0];
    assert_eq!(fault["detected_by"], "pace", "{fault:#}");
    let at = |column: &str| fault[column].as_f64().unwrap_or_else(|| panic!("{column} is missing: {fault:#}"));
    assert!(at("detected_s") <= at("replanned_s") && at("replanned_s") < at("healed_s"), "{fault:#}");
    let slow = summary["slow"].as_array().unwrap();
    assert!(slow.iter().all(|slow| slow["node"] == fault["target"]), "{slow:?}");
    let invariants = summary["invariants"].as_array().unwrap();
    let returns = invariants.iter().find(|finding| finding["name"] == "throughput_returns").unwrap();
    assert_eq!(returns["judgement"], "held", "{returns:#}");
}

#[test]
fn a_worker_refuses_a_segment_that_is_too_large_for_it_and_another_takes_it() {
    let user = User::new();
    let summary = user.run(&["run", &shipped("too_small"), "--json"]).expect(0).json();
    nothing_lost_twice_or_wrong(&summary);
    assert_eq!(summary["died"].as_array().unwrap().len(), 0, "{:#}", summary["died"]);
    let [refused] = &summary["refused"].as_array().unwrap()[..] else { panic!("{:#}", summary["refused"]) };
    assert_eq!(refused["node"], "n02", "{refused:#}");
    assert!(refused["need_bytes"].as_u64() > refused["limit_bytes"].as_u64(), "{refused:#}");
    let plans = summary["plans"].as_array().unwrap();
    let [before @ .., last] = &plans[..] else { panic!("no plan") };
    assert!(before.iter().any(|plan| plan["nodes"].as_array().unwrap().contains(&"n02".into())), "{plans:#?}");
    assert!(!last["nodes"].as_array().unwrap().contains(&"n02".into()), "{plans:#?}");
}

#[test]
fn nodes_that_live_on_what_they_harvest_come_and_go_and_nothing_is_lost() {
    let user = User::new();
    let summary = user.run(&["run", &shipped("intermittent"), "--json"]).expect(0).json();
    nothing_lost_twice_or_wrong(&summary);
    tells_of_all_faults(&summary, 2);
}

#[test]
fn storage_that_fails_keeps_nobody_from_answering() {
    let user = User::new();
    let summary = user.run(&["run", &shipped("io_faults"), "--json"]).expect(0).json();
    nothing_lost_twice_or_wrong(&summary);
    // On a host without file systems in user space two are left out.
    let layers = summary["faults"].as_array().is_some_and(|faults| faults.iter().any(|fault| fault["kind"] == "eio"));
    tells_of_all_faults(&summary, if layers { 6 } else { 4 });
    let warnings = summary["warnings"].to_string();
    assert!(warnings.contains("could not read its part of the model, and got it from the dispatcher"), "{warnings}");
}

#[test]
fn the_dispatcher_is_killed_twice_once_with_three_workers_and_nothing_is_lost() {
    let user = User::new();
    let summary = user.run(&["run", &shipped("dispatcher_crash"), "--json"]).expect(0).json();
    nothing_lost_twice_or_wrong(&summary);
    let requests = &summary["requests"];
    assert_eq!(requests["completed"], requests["offered"], "{requests:#}");
    assert_eq!(requests["checked"], requests["completed"], "{requests:#}");
    let epochs: Vec<u64> =
        summary["plans"].as_array().unwrap().iter().map(|plan| plan["epoch"].as_u64().unwrap()).collect();
    assert!(epochs.len() >= 3 && epochs.is_sorted(), "{epochs:?}");
    for fault in summary["faults"].as_array().unwrap() {
        assert_eq!(fault["detected_by"], "connection", "{fault:#}");
        let at = |column: &str| fault[column].as_f64().unwrap_or_else(|| panic!("{column} is missing: {fault:#}"));
        assert!(at("fired_s") <= at("detected_s") && at("detected_s") <= at("recovered_s"), "{fault:#}");
        // Nothing is answered while there is no dispatcher.
        if fault["target"] == "n01" {
            assert!(at("recovered_s") >= at("healed_s"), "{fault:#}");
        }
    }
}

#[test]
fn a_client_that_is_cut_off_or_loses_its_dispatcher_asks_again_and_gets_each_answer_once() {
    let user = User::new();
    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios/client_cut.toml");
    let summary = user.run(&["run", scenario, "--json"]).expect(0).json();
    nothing_lost_twice_or_wrong(&summary);
    let requests = &summary["requests"];
    assert_eq!(requests["completed"], requests["offered"], "{requests:#}");
}

#[test]
fn the_scaling_cluster_runs_at_each_of_its_sizes() {
    let user = User::new();
    for nodes in [5, 10, 15, 20] {
        let size = format!("topology.nodes={nodes}");
        // How many are completed in so short a time is a matter of this machine.
        let short = ["--set", "duration=\"6 s\"", "--set", "warmup=\"2 s\"", "--set", "expect.completed=1"];
        let scaling = shipped("scaling");
        let arguments = [&["run", scaling.as_str(), "--json", "--set", size.as_str()][..], &short[..]].concat();
        let summary = user.run(&arguments).expect(0).json();
        assert_eq!(summary["nodes"], nodes);
        nothing_lost_twice_or_wrong(&summary);
    }
}

#[test]
fn a_dispatcher_that_is_not_told_the_rates_measures_them() {
    let user = User::new();
    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios/probed_wifi.toml");
    let summary = user.run(&["run", scenario, "--json"]).expect(0).json();
    nothing_lost_twice_or_wrong(&summary);
    let probe = &summary["probe"];
    println!("{probe:#}");
    assert_eq!((probe["pairs"].as_u64(), probe["missing"].as_u64()), (Some(42), Some(0)));
    assert!(probe["median_error"].as_f64().is_some_and(|error| error < 0.05), "{probe:#}");
}

#[test]
fn on_shared_air_a_run_reaches_what_the_plan_says_and_without_sharing_far_more() {
    let user = User::new();
    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios/shared_air.toml");
    let reached = |airtime: &str| {
        let airtime = format!("topology.airtime={airtime:?}");
        let summary = user.run(&["run", scenario, "--json", "--set", &airtime]).expect(0).json();
        nothing_lost_twice_or_wrong(&summary);
        println!("{airtime}: {:#} of {:#}", summary["throughput"], summary["bound"]);
        let figure = |of: &str, name: &str| summary[of][name].as_f64().unwrap_or_else(|| panic!("{of}.{name}"));
        (figure("bound", "throughput_per_s"), figure("bound", "reached"), summary["bound"]["limit"].to_string())
    };
    let (shared, share, limit) = reached("shared");
    let (alone, _, _) = reached("independent");
    assert!(limit.contains("airtime"), "the limit is {limit}");
    assert!((0.8..=1.02).contains(&share), "{share} of the bound");
    assert!(alone > 1.5 * shared, "{alone} and {shared} requests a second");
}

#[test]
fn replicas_share_the_requests() {
    let user = User::new();
    // What part of the bound is reached depends on what else this machine does.
    let short = ["--set", "duration=\"20 s\"", "--set", "expect.of_bound=\"1 %\""];
    let summary = user.run(&[&["run", &shipped("replicas"), "--json"][..], &short[..]].concat()).expect(0).json();
    nothing_lost_twice_or_wrong(&summary);
    assert!(summary["plan"]["chains"].as_array().is_some_and(|chains| chains.len() > 1), "{:#}", summary["plan"]);
    println!("{} of the bound", summary["bound"]["reached"]);
}

#[test]
fn the_summary_can_be_computed_again_from_the_events() {
    let user = User::new();
    let first = user.run(&["run", &shipped("quickstart"), "--json"]).expect(0).json();
    let again = user.run(&["report", "results/quickstart/latest", "--json"]).expect(0).json();
    assert_eq!(first, again);
}

#[test]
fn segments_can_be_sent_over_the_network_that_is_emulated() {
    let user = User::new();
    let network = ["--set", "model.deploy=\"network\"", "--set", "model.codec=\"lz4\""];
    let summary = user.run(&[&["run", &shipped("quickstart"), "--json"], &network[..]].concat()).expect(0).json();
    nothing_lost_twice_or_wrong(&summary);
    assert_eq!(summary["requests"]["checked"], summary["requests"]["completed"]);
}

#[test]
fn a_codec_that_changes_values_is_not_held_against_the_results_but_said() {
    let user = User::new();
    let summary = user.run(&["run", &shipped("quickstart"), "--json", "--set", "model.codec=\"f16\""]).expect(0).json();
    nothing_lost_twice_or_wrong(&summary);
    assert_eq!(summary["requests"]["checked"], 0);
    assert!(summary["warnings"].to_string().contains("f16"), "{:#}", summary["warnings"]);
}

#[test]
fn the_same_seed_gives_the_same_plan_and_the_same_faults() {
    let user = User::new();
    let story = |seed: &str| {
        let summary = user.run(&["run", &shipped("quickstart"), "--json", "--seed", seed]).expect(0).json();
        let faults = summary["faults"].as_array().expect("faults").clone();
        let faults: Vec<_> =
            faults.iter().map(|f| (f["kind"].clone(), f["target"].clone(), f["planned_s"].clone())).collect();
        let stage = |stage: &Value| (stage["node"].clone(), stage["from"].clone(), stage["to"].clone());
        let stages: Vec<_> = summary["plan"]["stages"].as_array().expect("stages").iter().map(stage).collect();
        assert!(stages.len() >= 2 && !faults.is_empty());
        (stages, faults)
    };
    assert_eq!(story("7"), story("7"));
}

/// The recorder's bar in small: `cargo bench --bench recorder` measures what it costs.
#[test]
fn ten_thousand_requests_in_two_seconds_leave_every_event_and_the_summary_again() {
    let user = User::new();
    let shorter = ["--set", "duration=\"2 s\"", "--set", "warmup=\"500 ms\""];
    let live = user.run(&[&["run", &shipped("recorder"), "--json"], &shorter[..]].concat()).expect(0);
    let summary = live.json();
    nothing_lost_twice_or_wrong(&summary);
    let offered = summary["requests"]["offered"].as_u64().expect("a number");
    // The words that begin and end the load are not under way for the same time.
    assert!(offered.abs_diff(10_000) < 500, "five thousand a second are offered, however slow the host: {offered}");
    assert_eq!(summary["requests"]["completed"], offered);
    let run = user.path().join("results/recorder/latest");
    let mut told: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for line in fs::read_to_string(run.join("events.jsonl")).expect("a record").lines() {
        let event: Value = serde_json::from_str(line).expect("an event");
        if let Some(request) = event["request"].as_u64() {
            told.entry(event["event"].as_str().expect("a kind").to_owned()).or_default().push(request);
        }
    }
    for kind in ["offered", "sent", "accepted", "fed", "processed", "arrived", "completed"] {
        let requests = told.get_mut(kind).unwrap_or_else(|| panic!("no request was {kind}"));
        requests.sort_unstable();
        assert!(requests.iter().copied().eq(0..offered), "{kind}: {} of {offered}, or some twice", requests.len());
    }
    let again = user.run(&["report", "results/recorder/latest", "--json"]).expect(0);
    assert_eq!(again.stdout, live.stdout, "the summary from the record alone is another one");
}
