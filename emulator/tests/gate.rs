//! The gate, as CI uses it: an old program, a new one, a verdict on the curve. Where the new program is to be slower, it is a script that
//! starts `emu` with workers that compute slower than their plan was promised.

mod story;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use story::{Outcome, User, processes_with};

const SCENARIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios/gate.toml");
const EMU: &str = env!("CARGO_BIN_EXE_emu");

/// A program that does what `emu` does, but with workers that compute so many times slower.
fn slower(user: &User, factor: f64) -> String {
    let fault =
        |node: u32| format!("{{kind=\"straggler\",target=\"n{node:02}\",at=\"0 s\",for=\"60 s\",factor={factor:.4}}}");
    let faults: Vec<String> = (2..4).map(fault).collect();
    program(user, &format!("slower-{factor:.2}"), &format!("exec '{EMU}' \"$@\" --set 'fault=[{}]'", faults.join(",")))
}

fn program(user: &User, name: &str, script: &str) -> String {
    let path = user.write(name, &format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_string_lossy().into_owned()
}

/// A gate, simulated, so that it takes no time. CI's own variables are not the tests'.
fn gate(user: &User, more: &[&str]) -> Command {
    let mut command = user.emu(&[&["gate", SCENARIO, "--simulate", "--json"], more].concat());
    command.env_remove("GITHUB_ACTIONS").env_remove("GITHUB_STEP_SUMMARY");
    command
}

fn gated(user: &User, more: &[&str]) -> Outcome {
    User::end(&mut gate(user, more))
}

/// Pairs that were made, by what was said of each.
fn made(outcome: &Outcome) -> usize {
    outcome.stderr.lines().filter(|line| line.contains(", seed ")).count()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Loads of three sizes: what varies is not the number of nodes, for the script knows two workers.
const GRID: [&str; 4] = ["--vary", "load.concurrency=2,4,8", "--repeat", "4"];

#[test]
fn a_program_that_is_15_percent_slower_fails_the_gate_and_ci_reads_why() {
    let user = User::new();
    let slow = slower(&user, 1.0 / 0.85);
    let junit = user.path().join("gate.xml");
    let mut command = gate(&user, &[&GRID[..], &["--against", EMU, "--new", &slow, "--junit", "gate.xml"]].concat());
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", user.path().join("step.md"));
    let outcome = User::end(&mut command).expect(1);
    println!("{}", outcome.stderr);
    let told = outcome.json();
    assert_eq!(told["judgement"]["told"], "slower");
    let level = &told["judgement"]["level"];
    assert!((number(&level["change"]) + 0.15).abs() < 0.03, "{level}");
    assert!(number(&level["p"]) <= number(&level["alpha"]), "{level}");

    let error = format!("::error file={},title=emu gate%3A slower::throughput changed by", SCENARIO);
    assert!(outcome.stderr.lines().any(|line| line.starts_with(&error)), "{}", outcome.stderr);
    let summary = user.read("step.md");
    assert!(summary.starts_with("# Gate: gate") && summary.contains("| load.concurrency=8 |"), "{summary}");

    let Some(python) = std::env::var_os("EMU_PYTHON") else {
        return eprintln!("SKIPPED: set EMU_PYTHON to a Python that has the package junitparser");
    };
    let script = "\
import junitparser, sys
for suite in junitparser.JUnitXml.fromfile(sys.argv[1]):
    print(suite.name, suite.tests, suite.failures, suite.errors, suite.skipped)
    for case in suite:
        print(case.name, [type(result).__name__ for result in case.result])
";
    let output = Command::new(python).args(["-c", script]).arg(junit).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "emu gate gate 4 1 0 0\nload.concurrency=2 []\nload.concurrency=4 []\nload.concurrency=8 []\ncurve ['Failure']\n"
    );
}

#[test]
fn the_same_program_passes_and_what_was_made_is_not_made_again() {
    let user = User::new();
    let arguments = [&GRID[..], &["--against", EMU]].concat();
    let first = gated(&user, &arguments).expect(0);
    assert_eq!((made(&first), &first.json()["judgement"]["told"]), (12, &"held".into()), "{}", first.stderr);
    assert!(!first.stderr.contains("::notice"), "{}", first.stderr);
    let again = gated(&user, &[&arguments[..], &["--annotations", "github"]].concat()).expect(0);
    assert_eq!((made(&again), again.json()), (0, first.json()));
    assert!(again.stderr.contains("::notice file="), "{}", again.stderr);
    // Its halves are sets for `emu compare`.
    let half = |side: &str| format!("{}/runs/load.concurrency=8/*/{side}", first.json()["folder"].as_str().unwrap());
    user.run(&["compare", &half("old"), &half("new")]).expect(0);
}

#[test]
fn a_gate_that_is_killed_goes_on_with_whole_pairs() {
    let user = User::new();
    // By this folder's name, what is still running is found.
    let results = user.path().join("results").to_string_lossy().into_owned();
    let arguments = [&GRID[..], &["--against", EMU, "--results", &results]].concat();
    let mut command = gate(&user, &arguments);
    let said = fs::File::create(user.path().join("said")).unwrap();
    let mut child = command.stdout(std::process::Stdio::null()).stderr(said).spawn().unwrap();
    while user.read("said").lines().count() < 3 {
        assert!(child.try_wait().unwrap().is_none(), "{}", user.read("said"));
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // The run that was going on ends by itself.
    let until = Instant::now() + Duration::from_secs(60);
    while !processes_with(&user.path().to_string_lossy()).is_empty() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    let rest = gated(&user, &arguments).expect(0);
    let pairs = number(&rest.json()["judgement"]["pairs"]);
    assert!(pairs == 12.0 && (1..=9).contains(&made(&rest)), "{}", rest.stderr);
}

#[test]
fn a_stored_baseline_is_compared_by_the_share_of_what_is_possible() {
    let user = User::new();
    let sweep = ["sweep", SCENARIO, "--simulate", "--results", "stored", "--json"];
    let swept = user.run(&[&sweep[..], &GRID].concat()).expect(0).json();
    let baseline = swept["folder"].as_str().unwrap();
    let held = gated(&user, &[&GRID[..], &["--baseline", baseline]].concat()).expect(0).json();
    assert_eq!((&held["judgement"]["told"], &held["measure"]), (&"held".into(), &"share".into()));
    // A gate's folder is a baseline, too.
    let gate = held["folder"].as_str().unwrap();
    let slow = slower(&user, 1.0 / 0.85);
    let caught = gated(&user, &[&GRID[..], &["--baseline", gate, "--new", &slow]].concat()).expect(1).json();
    assert!((number(&caught["judgement"]["level"]["change"]) + 0.15).abs() < 0.03, "{}", caught["judgement"]);
    // Another machine: all it has is slower, and its plans know it.
    let machine = program(&user, "another", &format!("exec '{EMU}' \"$@\" --set node.worker.slowdown=16"));
    let other = gated(&user, &[&GRID[..], &["--baseline", gate, "--new", &machine]].concat()).expect(0);
    assert!(other.stderr.contains("what is possible at most is"), "{}", other.stderr);

    let missing = gated(&user, &["--vary", "load.concurrency=2,3", "--baseline", baseline]).expect(2);
    assert!(missing.stderr.contains("no run of load.concurrency=3") && made(&missing) == 0, "{}", missing.stderr);
}

#[test]
fn too_few_pairs_are_told_and_not_guessed_at() {
    let user = User::new();
    let few = ["--against", EMU, "--repeat", "6", "--junit", "gate.xml"];
    let open = gated(&user, &few).expect(7);
    assert!(open.stderr.contains("can't tell: a loss of 15 % could have been overlooked"), "{}", open.stderr);
    assert!(user.read("gate.xml").contains("<error"));
    gated(&user, &[&few[..], &["--inconclusive", "pass"]].concat()).expect(0);
    assert!(user.read("gate.xml").contains("<skipped"));
    // One more, and they can.
    let seven = gated(&user, &["--against", EMU, "--repeat", "7"]).expect(0);
    assert_eq!(made(&seven), 1, "{}", seven.stderr);
}

#[test]
fn what_is_not_as_expected_fails_a_gate_however_fast_it_was() {
    let user = User::new();
    let wrong = program(&user, "wrong", &format!("exec '{EMU}' \"$@\" --set expect.completed=100000"));
    let outcome = gated(&user, &["--against", EMU, "--new", &wrong, "--junit", "gate.xml"]).expect(1);
    assert!(outcome.stderr.contains("broke an expectation or an invariant"), "{}", outcome.stderr);
    assert!(user.read("gate.xml").contains("<failure"));
}

#[test]
fn what_can_not_be_gated_is_told() {
    let user = User::new();
    for (arguments, code, said) in [
        (&["--repeat", "2"][..], 2, "--against"),
        (&["--against", EMU, "--baseline", "x"], 2, "--baseline"),
        (&["--against", EMU, "--detect", "5"], 2, "--tolerance"),
        (&["--against", EMU, "--tolerance=-1"], 2, "percentage"),
        (&["--against", "not/there"], 2, "not/there"),
        (&["--baseline", "not/there"], 2, "no run of gate"),
        (&["--against", EMU, "--vary", "nodes=1"], 2, "nodes"),
        // It ends well, and says nothing.
        (&["--against", "/bin/true"], 4, "exit code 0"),
    ] {
        let refused = gated(&user, arguments).expect(code);
        assert!(refused.stderr.contains(said), "{arguments:?}: {}", refused.stderr);
    }
}

/// The commands in docs/ci.md and in the workflow, as they stand there, but simulated, over small clusters, with fewer pairs.
#[test]
fn the_examples_of_the_docs_do_what_they_say() {
    let user = User::new();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    for at in ["old", "new"] {
        fs::create_dir_all(user.path().join(at).join("target/release")).unwrap();
        symlink(EMU, user.path().join(at).join("target/release/emu")).unwrap();
    }
    for at in ["scenarios", "new/scenarios"] {
        symlink(format!("{root}/scenarios"), user.path().join(at)).unwrap();
    }
    let read = |file: &str| fs::read_to_string(format!("{root}/docs/{file}")).unwrap();
    let text = read("ci.md") + &read("examples/throughput-gate.yml");
    let ours = |line: &&str| line.starts_with("emu ") || line.starts_with("new/target/release/emu ");
    let commands: Vec<&str> = text.lines().map(str::trim).filter(ours).collect();
    assert_eq!(commands.len(), 4, "{commands:?}");
    for command in commands {
        let script = format!("emu() {{ '{EMU}' \"$@\"; }}; {command} --simulate --repeat 4");
        let script = script.replace("--repeat 8 ", "").replace("nodes=5,10,20", "nodes=5,6,8");
        let mut shell = user.command("sh".as_ref(), &["-c", &script]);
        let outcome = User::end(shell.env_remove("GITHUB_ACTIONS").env_remove("GITHUB_STEP_SUMMARY"));
        assert!(outcome.status.success(), "{command}\n{}", outcome.stderr);
    }

    let Some(python) = std::env::var_os("EMU_PYTHON") else {
        return eprintln!("SKIPPED: set EMU_PYTHON to a Python that has the package pyyaml");
    };
    let script = "\
import sys, yaml
workflow = yaml.safe_load(open(sys.argv[1]))
steps = workflow['jobs']['gate']['steps']
assert all(('uses' in step) != ('run' in step) for step in steps), steps
assert any('emu gate' in step.get('run', '') for step in steps)
";
    let file = format!("{root}/docs/examples/throughput-gate.yml");
    let output = Command::new(python).args(["-c", script, &file]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A gate of real runs: `emu` against itself, or against a slower one.
fn real(user: &User, more: &[&str]) -> Outcome {
    user.run(&[&["gate", SCENARIO, "--against", EMU, "--json"], more].concat())
}

#[test]
fn a_pair_of_real_runs_is_made_one_after_the_other() {
    let user = User::new();
    let outcome = real(&user, &["--repeat", "1"]).expect(7);
    println!("{}", outcome.stderr);
    let told = outcome.json();
    let pair = user.path().join(told["folder"].as_str().unwrap()).join("runs/5");
    for side in ["old", "new"] {
        assert!(pair.join(side).join("report.html").is_file(), "{side}");
    }
    assert!(number(&told["points"][0]["old"]) > 2.0, "{told}");
    // What was made is a run like any other.
    user.run(&["report", &pair.join("new").to_string_lossy()]).expect(0);
}

/// Twenty gates of a program against itself, and ten against one that is 15 % slower. `EMU_FULL=1`, and more than an hour.
#[test]
fn twenty_unchanged_gates_raise_at_most_one_alarm_and_ten_planted_losses_are_all_found() {
    if std::env::var_os("EMU_FULL").is_none_or(|full| full != "1") {
        return eprintln!("SKIPPED: thirty gates of real runs take more than an hour; EMU_FULL=1 makes them");
    }
    let user = User::new();
    let slow = slower(&user, 1.0 / 0.85);
    let gates = |count: u64, more: &[&str]| -> Vec<Option<i32>> {
        let one = |index: u64| {
            // Seeds of its own for each, so that none finds the pairs of another.
            let (seed, results) = ((1000 * (index + 1)).to_string(), format!("gate-{index}"));
            let grid = ["--vary", "load.concurrency=4,8", "--repeat", "5", "--seed", &seed, "--results", &results];
            let outcome = real(&user, &[&grid[..], more].concat());
            println!("{}", outcome.stderr);
            outcome.code()
        };
        (0..count).map(one).collect()
    };
    let unchanged = gates(20, &[]);
    let planted = gates(10, &["--new", &slow]);
    println!("unchanged: {unchanged:?}\nplanted: {planted:?}");
    // On a host that is busy with other things a gate may say that it can't tell (7), which is no alarm.
    assert!(unchanged.iter().all(|code| matches!(code, Some(0 | 1 | 7))), "{unchanged:?}");
    assert!(unchanged.iter().filter(|code| **code == Some(1)).count() <= 1, "{unchanged:?}");
    assert!(unchanged.iter().filter(|code| **code == Some(0)).count() > 10, "hardly any could tell: {unchanged:?}");
    assert!(planted.iter().all(|code| *code == Some(1)), "{planted:?}");
}
