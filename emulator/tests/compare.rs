//! Sets of runs, compared as a user compares them.

mod story;

use std::fs;

use story::{User, shipped};

/// Simulates quickstart under an open load with as many seeds, into a folder of results of its own; returns the set's name.
fn simulated(user: &User, name: &str, seeds: std::ops::Range<u64>, more: &[&str]) -> String {
    for seed in seeds {
        let seed = seed.to_string();
        let arguments = ["simulate", &shipped("quickstart"), "--seed", &seed, "--results", name];
        let load = ["--set", "load={kind=\"open\",rate=\"12 /s\",arrival=\"poisson\"}"];
        user.run(&[&arguments[..], &load, more].concat()).expect(0);
    }
    format!("{name}/quickstart-simulated")
}

#[test]
fn a_slower_set_is_told_with_its_interval_and_an_equal_one_raises_no_alarm() {
    let user = User::new();
    let before = simulated(&user, "before", 0..5, &[]);
    let again = simulated(&user, "again", 10..15, &[]);
    let slower = simulated(&user, "slower", 20..25, &["--set", "node.worker.slowdown=8"]);
    let files = ["--html", "change.html", "--markdown", "change.md", "--json"];
    let outcome = user.run(&[&["compare", &before, &again, &slower], &files[..]].concat()).expect(0);
    let told = outcome.json();
    assert_eq!(told["sets"].as_array().unwrap().iter().map(|set| &set["runs"]).collect::<Vec<_>>(), [5, 5, 5]);
    let change = |set: usize, metric: &str| {
        let changes = told["sets"][set]["changes"].as_array().unwrap();
        changes.iter().find(|change| change["metric"] == metric).unwrap_or_else(|| panic!("{metric}")).clone()
    };
    assert_ne!(change(1, "p50")["told"], "too_few");
    let p50 = change(2, "p50");
    assert_eq!(p50["told"], "worse", "{p50}");
    let ends = p50["shift"]["interval"].as_array().unwrap();
    assert!(1.0 < ends[0].as_f64().unwrap() && ends[0].as_f64() <= ends[1].as_f64());
    for name in [&before, &again, &slower] {
        assert!(outcome.stderr.contains(name.as_str()), "{}", outcome.stderr);
    }
    assert!(fs::read_to_string(user.path().join("change.md")).unwrap().contains("| latency p50 |"));
    let page = fs::read_to_string(user.path().join("change.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("Latency by percentile"));
}

#[test]
fn percentiles_of_a_set_are_those_of_all_its_requests() {
    let user = User::new();
    // One fast run and one slow run: the median of all requests is one that some request had, not a mean of medians.
    let mixed = simulated(&user, "mixed", 0..2, &[]);
    simulated(&user, "mixed", 2..3, &["--set", "node.worker.slowdown=8"]);
    let told = user.run(&["compare", &mixed, &mixed, "--json"]).expect(0).json();
    let p50 = told["sets"][0]["values"].as_array().unwrap().iter().find(|value| value["metric"] == "p50").unwrap();
    let (low, high) = (p50["range"][0].as_f64().unwrap(), p50["range"][1].as_f64().unwrap());
    let mean = low.midpoint(high);
    assert!(p50["value"].as_f64().unwrap() < mean, "{p50}");
    let change = &told["sets"][1]["changes"][0];
    assert_eq!(change["told"], "too_few", "three runs can't tell");
}

#[test]
fn what_can_not_be_compared_is_told() {
    let user = User::new();
    let there = simulated(&user, "there", 0..1, &[]);
    let refused = user.run(&["compare", &there, "not/there"]).expect(2);
    assert!(refused.stderr.contains("not/there") && refused.stderr.contains("no run"), "{}", refused.stderr);
    let log = fs::canonicalize(user.path().join(&there).join("latest")).unwrap().join("latency.hlog");
    fs::write(&log, "#[Nothing]\nrubbish\n").unwrap();
    let refused = user.run(&["compare", &there, &there]).expect(2);
    assert!(refused.stderr.contains("latency.hlog"), "{}", refused.stderr);
    user.run(&["compare", &there]).expect(2);
}
