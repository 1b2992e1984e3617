//! `emu simulate`: what a run would give, without running anything.

mod story;

use serde_json::Value;
use story::{User, shipped};

fn keys(value: &Value) -> Vec<&String> {
    value.as_object().map(|fields| fields.keys().collect()).unwrap_or_default()
}

#[test]
fn a_simulation_tells_the_story_of_a_run_and_says_that_it_is_none() {
    let user = User::new();
    let outcome = user.run(&["simulate", &shipped("quickstart"), "--json"]).expect(0);
    let summary = outcome.json();
    assert_eq!((&summary["schema_version"], &summary["carrier"]), (&1.into(), &"simulated".into()));
    let requests = &summary["requests"];
    assert_eq!(requests["offered"], requests["completed"]);
    assert_eq!((&requests["lost"], &requests["duplicated"], &requests["checked"]), (&0.into(), &0.into(), &0.into()));
    assert!(requests["replayed"].as_u64() > Some(0), "{requests}");
    // The node that the fault kills is missed, another takes its stage, and it comes back.
    let fault = &summary["faults"][0];
    assert_eq!(
        (&fault["kind"], &fault["asked"], &fault["detected_by"]),
        (&"kill".into(), &"stage:0".into(), &"connection".into())
    );
    assert!(fault["recovered_s"].as_f64() > fault["effect_s"].as_f64(), "{fault}");
    assert_eq!(summary["plans"].as_array().map(Vec::len), Some(2));
    assert!(summary["bound"]["reached"].as_f64() <= Some(1.0), "{}", summary["bound"]);
    assert!(outcome.stderr.contains("nothing ran"), "{}", outcome.stderr);

    // Its record is one of a run: the report can be computed again, and says the same.
    let folder = user.path().join("results/quickstart-simulated/latest");
    assert!(!user.path().join("results/quickstart").exists(), "it is not taken for a run");
    let again = user.run(&["report", &folder.to_string_lossy(), "--json"]).expect(0).json();
    assert_eq!(again, summary);
    // The same seed gives the same results, another one others.
    let figures = |arguments: &[&str]| {
        let open = ["--set", "load={ kind = \"open\", rate = \"9 /s\", arrival = \"poisson\" }", "--json"];
        let scenario = shipped("quickstart");
        let summary = user.run(&[&["simulate", &scenario], &open[..], arguments].concat()).expect(0).json();
        summary["latency_ms"].clone()
    };
    assert_eq!(figures(&[]), figures(&[]));
    assert_ne!(figures(&[]), figures(&["--seed", "2"]));
}

#[test]
fn a_summary_of_a_simulation_has_what_that_of_a_run_has() {
    let user = User::new();
    let without = ["--set", "fault=[]", "--json"];
    let scenario = shipped("quickstart");
    let simulated = user.run(&[&["simulate", &scenario], &without[..]].concat()).expect(0).json();
    let run = user.run(&[&["run", &scenario], &without[..]].concat()).expect(0).json();
    assert_eq!(keys(&simulated), keys(&run));
    assert_eq!(keys(&simulated["plan"]["stages"][0]), keys(&run["plan"]["stages"][0]));
    let planned = |summary: &Value| {
        let stages = summary["plan"]["stages"].as_array().cloned().unwrap_or_default();
        stages.into_iter().map(|stage| (stage["node"].clone(), stage["to"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(planned(&simulated), planned(&run), "both plan alike");
}

#[test]
fn every_kind_of_fault_is_simulated_and_what_can_not_be_is_said() {
    let user = User::new();
    let summary = user.run(&["simulate", &shipped("20node_fail"), "--json"]).expect(0).json();
    let faults = summary["faults"].as_array().cloned().unwrap_or_default();
    let seen: Vec<(Value, Value)> = faults.iter().map(|f| (f["kind"].clone(), f["detected_by"].clone())).collect();
    let by = |kind: &str, by: Option<&str>| (Value::from(kind), by.map_or(Value::Null, Value::from));
    let mut expected = vec![by("kill", Some("connection")); 2];
    expected.extend(vec![by("down", Some("path")); 3]);
    expected.push(by("degrade", None));
    assert_eq!(seen, expected);
    assert!(faults.iter().all(|fault| fault["recovered_s"].is_number()), "{faults:?}");
    let partition = user.run(&["simulate", &shipped("partition"), "--json"]).expect(0).json();
    assert_eq!(partition["requests"]["lost"], 0);

    let fault = "fault=[{ kind = \"pause\", target = \"n01\", at = \"2 s\", for = \"1 s\" }]";
    let outcome = user.run(&["simulate", &shipped("quickstart"), "--set", fault]).expect(0);
    assert!(outcome.stderr.contains("only workers"), "{}", outcome.stderr);
}

#[test]
fn a_thousand_nodes_answer_a_hundred_thousand_requests() {
    let user = User::new();
    let summary = user.run(&["simulate", &shipped("thousand"), "--json"]).expect(0).json();
    assert_eq!(summary["nodes"], 1000);
    assert!(summary["requests"]["completed"].as_u64() >= Some(100_000), "{}", summary["requests"]);
    println!("{}", summary["phases"]);
}

#[test]
fn bad_input_ends_as_that_of_a_run() {
    let user = User::new();
    let quickstart = shipped("quickstart");
    for (arguments, code) in [
        (vec!["simulate", "no-such-scenario.toml"], 2),
        (vec!["simulate", &quickstart, "--set", "topology.nodez=3"], 2),
        (vec!["simulate", &quickstart, "--set", "node.worker.memory=\"24 MiB\""], 2),
        (vec!["simulate", &quickstart, "--set", "plan.replicas=0"], 2),
        (vec!["simulate", &quickstart, "--set", "topology.nodes=3"], 4),
        (vec!["simulate", &quickstart, "--results", "/proc/nowhere"], 4),
        (vec!["simulate", &quickstart, "--set", "expect.throughput=\"100000 /s\""], 1),
    ] {
        user.run(&arguments).expect(code);
    }
    let outcome = user.run(&["simulate", &quickstart, "--set", "topology.nodes=3"]).expect(4);
    assert!(outcome.stderr.contains("no placement of the model on the 1 available nodes"), "{}", outcome.stderr);
}
