//! Segments that lie ready, and what they are for: nodes of the twenty are lost, alone, three at once, and with the dispatcher.

mod story;

use std::fs;

use serde_json::Value;

use story::{User, nothing_lost_twice_or_wrong, shipped};

/// Runs the twenty nodes for a few seconds with these faults in place of those of the scenario.
fn run(spares: &str, faults: &[(&str, &str, &str)]) -> Value {
    let user = User::new();
    let text = fs::read_to_string(shipped("20node_fail")).expect("the scenario");
    let (scenario, _) = text.split_once("\n# 0:12").expect("its faults begin there");
    let fault = |(target, at, more): &(&str, &str, &str)| {
        format!("\n[[fault]]\nkind = \"kill\"\ntarget = \"{target}\"\nat = \"{at}\"\n{more}\n")
    };
    let faults: String = faults.iter().map(fault).collect();
    let file = user.path().join("scenario.toml");
    fs::write(&file, format!("{scenario}\n{faults}")).expect("a file");
    let spares = format!("plan.spares={spares}");
    let short = ["--set", "duration=\"10 s\"", "--set", "warmup=\"1 s\"", "--set", &spares];
    let summary = user.run(&[&["run", &file.to_string_lossy(), "--json"], &short[..]].concat()).expect(0).json();
    nothing_lost_twice_or_wrong(&summary);
    summary
}

fn names(value: &Value) -> Vec<&str> {
    value.as_array().expect("a list").iter().filter_map(Value::as_str).collect()
}

#[test]
fn a_killed_worker_is_replaced_by_one_that_has_its_segment_ready() {
    let summary = run("\"auto\"", &[("stage:1", "5 s", "")]);
    let (fault, plans) = (&summary["faults"][0], summary["plans"].as_array().expect("plans"));
    assert_eq!(fault["spare"], true, "{fault:#}");
    assert_eq!(plans.len(), 2, "{plans:#?}");
    assert_eq!((names(&plans[1]["loaded"]).len(), names(&plans[1]["prepared"]).len()), (0, 1), "{plans:#?}");
    // Without spares, somebody has to load.
    let summary = run("0", &[("stage:1", "5 s", "")]);
    assert_eq!(summary["faults"][0]["spare"], false);
    assert!(!names(&summary["plans"][1]["loaded"]).is_empty(), "{:#}", summary["plans"]);
}

#[test]
fn three_of_twenty_are_killed_in_the_same_instant_and_nothing_is_lost() {
    let killed = ["stage:0", "stage:1", "stage:2"].map(|target| (target, "5 s", ""));
    let summary = run("\"auto\"", &killed);
    let last = summary["plans"].as_array().and_then(|plans| plans.last()).expect("a plan").clone();
    for fault in summary["faults"].as_array().expect("faults") {
        let lost = fault["target"].as_str().expect("a name");
        assert!(!names(&last["nodes"]).contains(&lost), "{last:#}");
        assert!(fault["recovered_s"].is_number(), "{fault:#}");
    }
}

#[test]
fn the_dispatcher_is_killed_while_segments_are_loaded_and_with_three_workers_and_nothing_is_lost() {
    let dispatcher = ("n01", "5.1 s", "for = \"500 ms\"");
    // Without spares the new stage loads for longer than a tenth of a second.
    run("0", &[("stage:1", "5 s", ""), dispatcher]);
    let workers = ["stage:0", "stage:1", "stage:2"].map(|target| (target, "5.1 s", ""));
    run("\"auto\"", &[&workers[..], &[dispatcher]].concat());
}
