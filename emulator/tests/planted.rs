//! Each invariant finds the bug that breaks it. The bugs are planted ([`node::planted`]) by this program, which plays
//! `emu` when a test starts it so; `emu` itself has no way to have one.

mod story;
mod support;

use std::path::Path;
use std::process::ExitCode;

use node::planted::{Bug, plant};
use serde_json::Value;
use story::{Outcome, User};
use support::Named;

/// Names the bug, to this program and to the nodes that it starts: what begins like this is handed on to them.
const BUG: &str = "RUST_PLANTED_BUG";

fn main() -> ExitCode {
    if let Ok(name) = std::env::var(BUG) {
        let bug = Bug::ALL.iter().find(|(known, _)| *known == name);
        plant(bug.unwrap_or_else(|| panic!("there is no bug {name:?}")).1);
        return emulator::cli::main();
    }
    let tests: &[Named] = &[
        ("without_a_bug_every_invariant_holds", without_a_bug_every_invariant_holds),
        ("a_replay_that_is_dropped_leaves_requests_without_an_outcome", dropped_replay),
        ("a_result_that_is_delivered_twice_is_a_duplicate", double_delivery),
        ("a_result_of_an_epoch_that_is_over_is_told_from_one_of_the_newest", stale_epoch),
        ("a_tensor_with_one_wrong_bit_is_not_the_unsplit_models", wrong_tensor),
        ("a_process_that_outlives_its_node_is_found", leaked_process),
        ("a_process_that_keeps_what_it_no_longer_needs_fails_a_run_that_expects_none", leaked_memory),
        ("chaos_without_a_bug_holds_to_everything", chaos_without_a_bug_holds_to_everything),
        ("chaos_finds_a_dropped_replay", || hunted_at_length("dropped-replay", "one_outcome")),
        ("chaos_finds_a_double_delivery", || hunted("double-delivery", "no_duplicate")),
        ("chaos_finds_a_stale_epoch", || hunted_at_length("stale-epoch", "own_epoch")),
        ("chaos_finds_a_wrong_tensor", || hunted_at_length("wrong-tensor", "right_output")),
        ("chaos_finds_a_leaked_process", || hunted_at_length("leaked-process", "nothing_left")),
        ("chaos_goes_on_from_seed_to_seed_and_says_what_is_wrong_with_a_scenario", seeds_and_mistakes),
    ];
    support::main(tests, &[])
}

const SCENARIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios/far_apart.toml");

fn with(bug: &str, arguments: &[&str]) -> (User, Outcome) {
    let user = User::new();
    let program = std::env::current_exe().expect("this program");
    let outcome = User::end(user.command(Path::new(&program), arguments).env(BUG, bug));
    (user, outcome)
}

fn judged(summary: &Value, judgement: &str) -> Vec<String> {
    let findings = summary["invariants"].as_array().expect("invariants").iter();
    let names = findings.filter(|finding| finding["judgement"] == judgement).map(|finding| &finding["name"]);
    names.map(|name| name.as_str().expect("a name").to_owned()).collect()
}

/// The first violation of an invariant that must be the first to be broken by a bug, in the run and in its report.
fn found(bug: &str, invariant: &str) -> Value {
    let (user, outcome) = with(bug, &["run", SCENARIO, "--json"]);
    let outcome = outcome.expect(1);
    let summary = outcome.json();
    let broken = judged(&summary, "broken");
    assert!(broken.iter().any(|name| name == invariant), "{broken:?} were broken by {bug}, and not {invariant}");
    let told = summary["violations"].as_array().expect("violations").iter().filter_map(Value::as_str);
    assert!(told.clone().any(|text| text.starts_with(&format!("{invariant}: "))), "{:?}", told.collect::<Vec<_>>());
    assert!(outcome.stderr.contains(invariant), "{}", outcome.stderr);
    // The record alone tells it again.
    let again = user.run(&["report", "results/far-apart/latest", "--json"]).expect(1).json();
    assert_eq!(again["invariants"], summary["invariants"]);
    let findings = summary["invariants"].as_array().expect("invariants").iter();
    let finding = findings.clone().find(|finding| finding["name"] == invariant).expect("a finding");
    println!("{bug}: {:#}", finding["violations"][0]);
    finding["violations"][0].clone()
}

/// Fails unless the way of the request is told from the client through the stages.
fn has_its_way(violation: &Value) {
    let steps = violation["path"].as_array().expect("a path");
    let told = |what: &str| steps.iter().any(|step| step["what"].as_str().is_some_and(|text| text.contains(what)));
    for what in ["due", "sent", "accepted", "into chain 0 of epoch 1", "stage 0 of epoch 1"] {
        assert!(told(what), "{what} is missing: {steps:#?}");
    }
    assert!(violation["request"].is_number());
}

fn without_a_bug_every_invariant_holds() {
    let summary = User::new().run(&["run", SCENARIO, "--json"]).expect(0).json();
    assert_eq!(judged(&summary, "broken"), [""; 0]);
    let held = judged(&summary, "held");
    for name in ["one_outcome", "no_duplicate", "right_output", "own_epoch", "placement", "nothing_left"] {
        assert!(held.iter().any(|held| held == name), "{name}: {:#}", summary["invariants"]);
    }
}

fn dropped_replay() {
    has_its_way(&found("dropped-replay", "one_outcome"));
}

fn double_delivery() {
    let violation = found("double-delivery", "no_duplicate");
    let results = violation["path"].as_array().expect("a path").iter();
    let results = results.filter(|step| step["what"].as_str().is_some_and(|what| what.starts_with("has a result of")));
    assert_eq!(results.count(), 2, "{violation:#}");
}

fn stale_epoch() {
    let violation = found("stale-epoch", "own_epoch");
    has_its_way(&violation);
    let text = violation["text"].as_str().expect("a text");
    assert!(text.contains("arrived when epoch 2 had begun"), "{text}");
}

fn wrong_tensor() {
    let violation = found("wrong-tensor", "right_output");
    assert!(violation["text"].as_str().is_some_and(|text| text.contains("the unsplit model's")), "{violation:#}");
}

fn leaked_process() {
    let violation = found("leaked-process", "nothing_left");
    assert!(violation["text"].as_str().is_some_and(|text| text.contains("sleep 600")), "{violation:#}");
}

/// What a worker leaks in a second, it leaks three thousand six hundred times in an hour.
fn leaked_memory() {
    let keys =
        ["--set", "expect.memory_growth_per_hour=\"100 MiB\"", "--set", "expect.descriptor_growth_per_hour=2000"];
    let arguments = [&["run", SCENARIO, "--json"][..], &keys[..]].concat();
    let lives = |summary: &Value| summary["processes"].as_array().expect("processes").clone();
    let well = User::new().run(&arguments).expect(0).json();
    for (process, growing) in [("(emu)", 1), ("n00", 1), ("n01", 1)] {
        let of = |life: &&Value| life["process"] == process;
        assert_eq!(lives(&well).iter().filter(of).count(), growing, "{process}");
    }
    // One of the workers was killed and came back as another process.
    assert_eq!(lives(&well).len(), 8, "{:#}", well["processes"]);

    let (_, outcome) = with("leaked-memory", &arguments);
    let outcome = outcome.expect(1);
    println!("{}", outcome.stderr);
    let leaky = outcome.json();
    let violations: Vec<&str> =
        leaky["violations"].as_array().expect("violations").iter().filter_map(Value::as_str).collect();
    for (key, unit) in
        [("memory_growth_per_hour: n", " MiB in an hour"), ("descriptor_growth_per_hour: n", " descriptors in an hour")]
    {
        assert!(violations.iter().any(|text| text.starts_with(key) && text.contains(unit)), "{key}: {violations:#?}");
    }
    let innocent = ["(emu)", "n00", "n01"].map(|name| format!("_growth_per_hour: {name} "));
    let only_workers = violations.iter().all(|text| innocent.iter().all(|name| !text.contains(name)));
    assert!(only_workers, "neither client nor dispatcher leaks: {violations:#?}");
    assert!(outcome.stderr.contains("  processes   8 lives"), "{}", outcome.stderr);
}

const CHAOS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios/far_apart_chaos.toml");

/// A hunt takes minutes: but for one, hunts are for `EMU_FULL=1`.
fn hunted_at_length(bug: &str, invariant: &str) {
    if std::env::var_os("EMU_FULL").is_some_and(|full| full == "1") {
        hunted(bug, invariant);
    } else {
        println!("skipped: this hunt takes minutes; EMU_FULL=1 goes on it");
    }
}

/// Chaos finds the bug, and what it shrinks the faults to still shows it; without the bug it is harmless.
fn hunted(bug: &str, invariant: &str) {
    let (user, outcome) = with(bug, &["chaos", CHAOS, "--runs", "20", "--tries", "10", "--json"]);
    println!("{}", outcome.stderr);
    let outcome = outcome.expect(1);
    let hunted = outcome.json();
    let failure = &hunted["failure"];
    assert_eq!(failure["broken"], invariant, "{failure:#}");
    let minimal = failure["minimal"].as_array().expect("what is left of the faults");
    assert!((1..=3).contains(&minimal.len()), "{failure:#}");
    assert!(minimal.len() <= failure["faults"].as_u64().expect("faults") as usize);
    let script = "results/far-apart-chaos-chaos/latest/minimal.toml";
    assert!(outcome.stderr.contains("repeat it: emu run ") && outcome.stderr.contains("minimal.toml"));
    let program = std::env::current_exe().expect("this program");
    // No two runs are the same: what is late in one may be in time in another.
    let again = || User::end(user.command(&program, &["run", script, "--json"]).env(BUG, bug)).json();
    assert!((0..4).any(|_| judged(&again(), "broken").iter().any(|name| name == invariant)));
    user.run(&["run", script]).expect(0);
}

fn chaos_without_a_bug_holds_to_everything() {
    let user = User::new();
    let outcome = user.run(&["chaos", &story::shipped("chaos"), "--runs", "2", "--json"]);
    println!("{}", outcome.stderr);
    let hunted = outcome.expect(0).json();
    assert_eq!((hunted["held"].as_u64(), &hunted["failure"]), (Some(2), &Value::Null));
}

fn seeds_and_mistakes() {
    let user = User::new();
    let short = ["--set", "duration=\"7 s\"", "--runs", "2", "--seed", "41", "--json"];
    let outcome = user.run(&[&["chaos", CHAOS][..], &short[..]].concat()).expect(0);
    assert_eq!(outcome.json()["first_seed"], 41);
    for seed in ["seed 41, ", "seed 42, "] {
        assert!(outcome.stderr.contains(seed), "{}", outcome.stderr);
    }
    let plain = user.run(&["chaos", SCENARIO]).expect(2);
    assert!(plain.stderr.contains("[chaos]"), "{}", plain.stderr);
    let wrong = user.run(&["chaos", CHAOS, "--set", "chaos.left=9"]).expect(2);
    assert!(wrong.stderr.contains("nobody can be hit: 9 workers are to stay whole"), "{}", wrong.stderr);
}
