//! Whole runs over real netem, as a user runs them. They need what `netem_in_uml` needs: `cargo xtask uml` boots
//! User-Mode Linux for them; elsewhere they say what is missing and skip, and with `EMU_NETEM=required` in the
//! environment they fail instead.

mod story;

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use story::{NOBODY, User, nothing_lost_twice_or_wrong};

/// What `emu doctor` finds for links and media carried by netem; `None`, and why, if it doesn't work here.
fn doctor(user: &User) -> Option<Vec<Value>> {
    let outcome = user.run(&["doctor", "--links", "netem", "--json"]);
    let findings = outcome.json().as_array().expect("findings").clone();
    let netem_works = ["netem-links", "netem-media"].iter().all(|netem| state(&findings, netem) == "works");
    assert_eq!(outcome.code() == Some(0), netem_works, "{findings:#?}");
    if !netem_works {
        assert!(!required(), "netem is required: {findings:#?}");
        println!("skipped: no netem here");
        return None;
    }
    Some(findings)
}

fn required() -> bool {
    std::env::var_os("EMU_NETEM").is_some()
}

fn state<'a>(findings: &'a [Value], capability: &str) -> &'a str {
    let finding = findings.iter().find(|finding| finding["capability"] == capability);
    finding.and_then(|finding| finding["state"].as_str()).expect("a finding")
}

/// Runs a scenario made for these tests over netem, and shows what came of it.
fn over_netem(user: &User, scenario: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios").join(scenario);
    let outcome = user.run(&["run", &path.to_string_lossy(), "--links", "netem", "--json"]).expect(0);
    println!("{}", outcome.stderr);
    let summary = outcome.json();
    assert_eq!(summary["carrier"], "netem");
    assert_eq!(summary["died"], Value::Array(Vec::new()));
    nothing_lost_twice_or_wrong(&summary);
    summary
}

/// Fails unless the fault came about, and is over.
#[track_caller]
fn took_effect_and_healed(fault: &Value) {
    assert_eq!(fault["failed"], Value::Null, "{fault:#}");
    for instant in ["fired_s", "effect_s", "healed_s"] {
        assert!(fault[instant].is_number(), "{instant} is missing: {fault:#}");
    }
}

/// Fails unless the dispatcher noticed in the given way, and results came again.
#[track_caller]
fn detected_and_recovered(fault: &Value, by: &str) {
    assert_eq!(fault["detected_by"], by, "{fault:#}");
    for instant in ["detected_s", "recovered_s"] {
        assert!(fault[instant].is_number(), "{instant} is missing: {fault:#}");
    }
}

#[test]
fn the_doctor_finds_nothing_missing_that_a_run_uses() {
    let user = User::new();
    let Some(findings) = doctor(&user) else { return };
    // User-Mode Linux runs everything as root and has control groups of version 2 alone; other hosts may differ.
    let used = ["sandbox", "own-proc", "state-folders", "memory-limits", "cpu-limits", "freezer", "real-time"];
    for capability in used {
        println!("{capability}: {}", state(&findings, capability));
        assert!(!required() || state(&findings, capability) == "works", "{findings:#?}");
    }
}

#[test]
fn a_control_group_given_to_a_user_is_used_and_left_as_it_was() {
    // Only there nobody else changes the control groups.
    let Some(user) = User::unprivileged().filter(|_| required()) else {
        println!("skipped: not in User-Mode Linux");
        return;
    };
    let root = Path::new("/sys/fs/cgroup");
    fs::write(root.join("cgroup.subtree_control"), "+memory +cpu").expect("controllers");
    let group = root.join("given");
    fs::create_dir(&group).expect("a control group");
    let files = [group.clone(), group.join("cgroup.procs"), group.join("cgroup.subtree_control")];
    files.iter().for_each(|file| chown(file, Some(NOBODY), Some(NOBODY)).expect("it can be given away"));
    // Alone in it, emu may move out of the way of the controllers; beside a shell it may not.
    for (then, limits) in [("exec", "works"), ("", "missing")] {
        let emu = user.emu(&["doctor", "--json"]);
        let script = format!(
            "echo $$ >{}/cgroup.procs; {then} setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups \"$@\"; exit $?",
            group.display()
        );
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, "sh"]).arg(emu.get_program()).args(emu.get_args());
        let output = shell.env("TMPDIR", user.path()).current_dir(user.path()).output().expect("a shell");
        let findings: Vec<Value> = serde_json::from_slice(&output.stdout).expect("findings");
        for (capability, expected) in [("memory-limits", limits), ("cpu-limits", limits), ("freezer", "works")] {
            assert_eq!(state(&findings, capability), expected, "{then} {findings:#?}");
        }
        let switched_on = fs::read_to_string(group.join("cgroup.subtree_control")).expect("controllers");
        assert_eq!(switched_on.trim(), "");
    }
    fs::remove_dir(&group).expect("nothing is left in it");
}

#[test]
fn a_star_over_netem_is_set_up_and_taken_down() {
    let user = User::new();
    if doctor(&user).is_none() {
        return;
    }
    let asked = ["bench", "setup", "--nodes", "20", "--rounds", "1", "--links", "netem", "--alone", "--json"];
    let figures = user.run(&asked).expect(0).json();
    let figures = &figures[0];
    println!(
        "20 nodes over netem, in seconds: set up in {}, taken down in {}",
        figures["setup_s"], figures["teardown_s"]
    );
    assert_eq!(figures["carrier"], "netem");
    assert!(figures["setup_s"].as_f64() > Some(0.0), "{figures:#}");
    assert_eq!(figures["mininet_s"], Value::Null);
}

#[test]
fn four_nodes_lose_nothing_when_one_is_killed() {
    let user = User::new();
    if doctor(&user).is_none() {
        return;
    }
    let summary = over_netem(&user, "four_nodes.toml");
    assert_eq!(summary["nodes"], 4);
    // Chance has no part in this one, so that it does not matter whether this kernel's netem takes a seed.
    assert_eq!(summary["warnings"], Value::Array(Vec::new()));
    assert_eq!(summary["plan"]["stages"].as_array().map(Vec::len), Some(2), "{:#}", summary["plan"]);
    let fault = &summary["faults"][0];
    took_effect_and_healed(fault);
    detected_and_recovered(fault, "connection");
    // The connection tells of a kill long before the heartbeats would.
    let late = fault["detected_s"].as_f64().zip(fault["fired_s"].as_f64()).map(|(detected, fired)| detected - fired);
    assert!(late < Some(3.0), "{fault:#}");
}

#[test]
fn a_degraded_link_one_that_is_down_and_a_partition_lose_nothing() {
    let user = User::new();
    if doctor(&user).is_none() {
        return;
    }
    let summary = over_netem(&user, "cut_and_slowed.toml");
    let faults = summary["faults"].as_array().expect("faults");
    let kinds: Vec<&Value> = faults.iter().map(|fault| &fault["kind"]).collect();
    assert_eq!(kinds, ["degrade", "down", "partition"]);
    // An effect is written down when the kernel's own account of the new shape has been read back.
    faults.iter().for_each(took_effect_and_healed);
    faults[1..].iter().for_each(|fault| detected_and_recovered(fault, "heartbeat"));
    // What was sent over the link that was down is lost there, and nowhere else.
    assert!(summary["traffic"]["lost"].as_u64() > Some(0), "{:#}", summary["traffic"]);
}

#[test]
fn memory_goes_by_control_groups_of_version_2_and_rates_follow_a_trace_over_netem() {
    let user = User::new();
    if doctor(&user).is_none() {
        return;
    }
    let scenario = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios/faults.toml"));
    let fault = |kind: &str, target: &str, keys: &str| {
        format!("\n[[fault]]\nkind = {kind:?}\ntarget = {target:?}\nat = \"1 s\"\nfor = \"2 s\"\n{keys}\n")
    };
    let faults = [
        fault("oom", "spare", ""),
        fault("cpu", "stage:0", "cores = 0.5"),
        fault("trace", "after-stage:0", "file = \"rates.csv\""),
    ];
    user.write("rates.csv", "0,20 Mbit/s\n0.3,5 Mbit/s\n0.6,0\n0.7,50 Mbit/s\n");
    user.write("many.toml", &(scenario.expect("a scenario") + &faults.concat()));
    // A stage or two, so that somebody is left without one.
    let few = ["--set", "plan.objective=\"nodes\"", "--set", "plan.floor=\"2 /s\""];
    let asked = ["run", "many.toml", "--links", "netem", "--json", "--pcap", "n01"];
    let outcome = user.run(&[&asked[..], &few].concat()).expect(0);
    println!("{}", outcome.stderr);
    let summary = outcome.json();
    nothing_lost_twice_or_wrong(&summary);
    summary["faults"].as_array().expect("faults").iter().for_each(took_effect_and_healed);
    let events = user.read("results/faults/latest/events.jsonl");
    assert!(events.contains("\"cause\":\"starved\""), "the kernel ended it");
    // Packets are captured from this kernel, too, past its qdiscs.
    let captured = fs::read(user.path().join("results/faults/latest/capture/n01.pcapng")).expect("a capture");
    let marked = String::from_utf8_lossy(&captured).contains("is healed: oom ");
    assert!(marked && captured.len() > 100_000, "{} bytes are captured", captured.len());
}
