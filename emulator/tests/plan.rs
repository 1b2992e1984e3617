//! `emu plan`: what would run where, without running anything.

mod story;

use std::fs;

use story::{User, shipped};

#[test]
fn the_optimum_is_proven_and_no_other_strategy_is_better() {
    let user = User::new();
    let scenario = shipped("20node_fail");
    let all = "optimal,kpath,greedy,compute,heft,random";
    let told = user.run(&["plan", &scenario, "--strategy", all, "--json"]).expect(0).json();
    let answers = told["strategies"].as_array().unwrap();
    assert_eq!(answers.len(), 6);
    let throughput = |index: usize| answers[index]["plan"]["throughput_per_s"].as_f64().unwrap();
    assert_eq!(answers[0]["plan"]["optimal"], true);
    for (index, answer) in answers.iter().enumerate() {
        println!("{}: {:.2}/s", answer["strategy"], throughput(index));
        assert!(throughput(index) <= throughput(0) * 1.000_001, "{answer}");
    }
    let table = user.run(&["plan", &scenario, "--strategy", all]).expect(0).stdout;
    assert!(table.contains("kpath") && table.contains("proven optimal"), "{table}");
}

#[test]
fn replicas_raise_the_throughput_where_nodes_are_idle() {
    let user = User::new();
    // Devices so slow that they, and not the client's own path, are the limit.
    let (scenario, slow) = (shipped("20node_fail"), "node.worker.slowdown=30");
    let plan = |replicas: &str| {
        let told = user.run(&["plan", &scenario, "--set", slow, "--replicas", replicas, "--json"]).expect(0).json();
        let chains = told["plan"]["chains"].as_array().unwrap().len();
        (told["plan"]["throughput_per_s"].as_f64().unwrap(), chains)
    };
    let ((one, single), (all, chains)) = (plan("1"), plan("auto"));
    println!("one chain {one:.2}/s, {chains} chains {all:.2}/s");
    assert_eq!(single, 1);
    assert!(chains > 1 && all > 1.1 * one);
}

#[test]
fn what_a_scenario_wants_of_its_plan_is_what_is_planned() {
    let user = User::new();
    let scenario = shipped("20node_fail");
    let keys = ["--set", "plan.objective=\"nodes\"", "--set", "plan.floor=\"2 /s\""];
    let nodes = |arguments: &[&str]| {
        let told = user.run(&[&["plan", &scenario, "--json"], arguments].concat()).expect(0).json();
        told["plan"]["chains"][0]["stages"].as_array().unwrap().len()
    };
    assert_eq!(nodes(&keys), nodes(&["--objective", "nodes", "--floor", "2"]));
    for (wrong, help) in [
        (vec!["plan.objective=\"energy\""], "floor = \"2 /s\""),
        (vec!["plan.floor=\"2 /s\""], "objective = \"latency\""),
        (vec!["plan.objective=\"nodes\"", "plan.replicas=\"auto\""], "leave out `replicas`"),
        (vec!["plan.replicas=\"many\""], "auto"),
        (vec!["plan.replicas=0"], "from 1 to 500"),
    ] {
        let set = wrong.into_iter().flat_map(|value| ["--set", value]);
        let arguments: Vec<&str> = ["plan", scenario.as_str()].into_iter().chain(set).collect();
        let refused = user.run(&arguments).expect(2);
        assert!(refused.stderr.contains(help), "{}", refused.stderr);
    }
}

#[test]
fn the_fewest_nodes_that_sustain_a_rate_are_found() {
    let user = User::new();
    let scenario = shipped("20node_fail");
    let nodes = |arguments: &[&str]| {
        let told = user.run(&[&["plan", &scenario, "--json"], arguments].concat()).expect(0).json();
        assert!(told["plan"]["throughput_per_s"].as_f64().unwrap() >= 2.0);
        told["plan"]["chains"][0]["stages"].as_array().unwrap().len()
    };
    assert!(nodes(&["--objective", "nodes", "--floor", "2"]) <= nodes(&[]));
}

#[test]
fn throughput_and_latency_are_traded_plan_by_plan() {
    let user = User::new();
    let (scenario, slow) = (shipped("20node_fail"), "node.worker.slowdown=30");
    // However slow the host is, it has the time to prove all points.
    let told = user.run(&["plan", &scenario, "--set", slow, "--pareto", "--time", "600", "--json"]).expect(0).json();
    assert_eq!(told["pareto"]["complete"], true);
    let plans = told["pareto"]["plans"].as_array().unwrap();
    println!("{} plans", plans.len());
    let numbers = |name: &str| plans.iter().map(|plan| plan[name].as_f64().unwrap()).collect::<Vec<_>>();
    let (latency, throughput) = (numbers("latency_ms"), numbers("throughput_per_s"));
    assert!(plans.len() > 3 && plans.iter().all(|plan| plan["optimal"] == true));
    assert!(latency.is_sorted_by(|a, b| a < b) && throughput.is_sorted_by(|a, b| a < b));
    let fastest = user.run(&["plan", &scenario, "--set", slow, "--json"]).expect(0).json();
    let most = fastest["plan"]["throughput_per_s"].as_f64().unwrap();
    assert!((throughput[plans.len() - 1] / most - 1.0).abs() < 1e-6);
    let table = user.run(&["plan", &scenario, "--set", slow, "--pareto"]).expect(0).stdout;
    assert!(table.contains("proven optimal"), "{table}");
    user.run(&["plan", &scenario, "--pareto", "--strategy", "kpath"]).expect(2);
}

#[test]
fn a_plan_can_be_drawn_on_its_cluster() {
    let user = User::new();
    user.run(&["plan", &shipped("20node_fail"), "--svg", "plan.svg"]).expect(0);
    let drawn = fs::read_to_string(user.path().join("plan.svg")).unwrap();
    assert!(drawn.starts_with("<svg") && drawn.ends_with("</svg>\n"));
    for node in 0..20 {
        assert!(drawn.contains(&format!(">n{node:02}</text>")), "n{node:02} is missing");
    }
    assert!(drawn.contains("Mbit/s") && drawn.contains("proven optimal"));
    let refused = user.run(&["plan", &shipped("20node_fail"), "--svg", "no/such/folder.svg"]).expect(4);
    assert!(refused.stderr.contains("no/such/folder.svg"), "{}", refused.stderr);
}

#[test]
fn what_can_not_be_planned_says_what_would_help() {
    let user = User::new();
    let outcome = user.run(&["plan", &shipped("quickstart"), "--set", "node.worker.memory=\"30 MiB\""]).expect(2);
    assert!(outcome.stderr.contains("give at least one worker"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("(operator"), "{}", outcome.stderr);
    let wrong = user.run(&["plan", &shipped("quickstart"), "--strategy", "best"]).expect(2);
    assert!(wrong.stderr.contains("optimal"), "{}", wrong.stderr);
}

#[test]
fn where_everything_fits_somewhere_but_not_together_the_memory_that_would_do_is_told() {
    let user = User::new();
    let plan = |memory: &str| {
        let memory = format!("node.worker.memory=\"{memory}\"");
        user.run(&["plan", &shipped("quickstart"), "--set", "topology.nodes=3", "--set", &memory])
    };
    let error = plan("80 MiB").expect(4).stderr;
    let (_, rest) = error.split_once("; with ").unwrap_or_else(|| panic!("{error}"));
    let enough: u32 = rest.split_once(" MiB on each there is one").unwrap().0.parse().unwrap();
    plan(&format!("{enough} MiB")).expect(0);
    plan(&format!("{} MiB", enough - 1)).expect(4);
    let slow = user.run(&["plan", &shipped("20node_fail"), "--objective", "latency", "--floor", "100"]).expect(4);
    assert!(slow.stderr.contains("no plan was found that sustains 100/s"), "{}", slow.stderr);
}
