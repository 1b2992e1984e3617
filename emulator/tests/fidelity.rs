//! A run says itself how far it can be trusted: what is planted here to spoil the emulation is named, and nothing else is.

mod story;

use std::collections::BTreeMap;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use serde_json::Value;
use story::{User, shipped};

/// A scenario that asks little of any host: a small model on devices ten times slower, one request at a time.
const QUIET: &str = r#"
name = "quiet"
seed = 3
duration = "5 s"
warmup = "1 s"

[model]
name = "mobilenet-v2"

[topology]
kind = "mesh"
nodes = 4
rate = "50 Mbit/s"
delay = "5 ms"

[node]
memory = "256 MiB"

[node.worker]
memory = "80 MiB"
slowdown = 10

[load]
kind = "closed"
concurrency = 1

[expect]
verdict = "degraded"
"#;

/// Whoever runs the tests, on one processor alone; the calling thread stays on all.
fn on_one_processor(user: &User, arguments: &[&str]) -> story::Outcome {
    let own = sched_getaffinity(Pid::from_raw(0)).expect("an affinity");
    let first = (0..CpuSet::count()).find(|cpu| own.is_set(*cpu).unwrap_or(false)).expect("a processor");
    pin(Pid::from_raw(0), first);
    let outcome = user.run(arguments);
    sched_setaffinity(Pid::from_raw(0), &own).expect("the processors of before");
    outcome
}

#[test]
fn a_scenario_that_asks_for_more_processors_than_there_are_says_so_before_its_load() {
    let user = User::new();
    // Three workers as fast as this machine, each with all of a model: they would keep three processors busy.
    let greedy = ["--set", "node.worker.slowdown=1", "--set", "topology.nodes=5", "--set", "expect={completed=1}"];
    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios/gate.toml");
    let run = [&["run", scenario, "--links", "software", "--json"][..], &greedy].concat();
    let told = |text: &str| text.contains("this scenario needs ") && text.contains("and this host has 1.0");
    let summary = on_one_processor(&user, &run).expect(0).json();
    let warnings: Vec<&str> =
        summary["warnings"].as_array().expect("warnings").iter().filter_map(Value::as_str).collect();
    assert!(warnings.iter().any(|warning| told(warning)), "{warnings:#?}");
    let refused = on_one_processor(&user, &[&run[..], &["--strict"]].concat()).expect(7);
    assert!(told(&refused.stderr) && refused.stderr.contains("fix: ask for less"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("load begins"), "{}", refused.stderr);
}

#[test]
fn links_are_tried_before_the_load_and_what_they_did_is_kept() {
    let user = User::new();
    user.write("quiet.toml", QUIET);
    for _ in 0..3 {
        let summary = user.run(&["run", "quiet.toml", "--json", "--set", "expect={completed=1}"]).expect(0).json();
        let trials = summary["trials"].as_array().expect("trials");
        assert!(!trials.is_empty(), "no link was tried");
        for trial in trials {
            assert_eq!(trial["sent"], trial["arrived"], "{trial:#}");
            // 5 ms were asked for, and a packet is never too early; how late it is, is this host's.
            assert!(trial["delay_ms"].as_f64().is_some_and(|delay| (4.99..1000.0).contains(&delay)), "{trial:#}");
        }
        // A sender that is kept from its processor makes no train.
        if trials.iter().any(|trial| trial["rate"].is_string()) {
            return;
        }
    }
    panic!("no train arrived in any of three runs");
}

#[test]
fn fast_links_lossy_ones_jitter_and_shared_air_are_tried_too() {
    let user = User::new();
    user.write("quiet.toml", QUIET);
    let tried = |set: &[&str]| {
        let set: Vec<&str> = set.iter().flat_map(|set| ["--set", *set]).collect();
        let brief = ["run", "quiet.toml", "--json", "--links", "software", "--set", "expect={completed=1}"];
        let summary = user.run(&[&brief[..], &set].concat()).expect(0).json();
        summary["trials"].as_array().expect("trials").clone()
    };
    let number = |trial: &Value, key: &str| trial[key].as_u64().unwrap_or_else(|| panic!("{key}: {trial:#}"));
    // Small queues are what a train of a tenth of a second overflows: none may be missing that should not.
    for trial in tried(&["topology.loss=\"5 %\"", "topology.jitter=\"1 ms\"", "seed=11"]) {
        let (sent, arrived) = (number(&trial, "sent"), number(&trial, "arrived"));
        let may = [&trial["may_be_lost"][0], &trial["may_be_lost"][1]].map(|bound| bound.as_u64().expect("a number"));
        assert!(sent > 200 && arrived < sent && (may[0]..=may[1]).contains(&(sent - arrived)), "{trial:#}");
        // A normal distribution's quartiles are 1.35 deviations apart; whether a busy host keeps to it is not for tests.
        assert!((trial["spread_ms"][0].as_f64().expect("a spread") - 1.35).abs() < 0.01, "{trial:#}");
        assert!(trial["spread_ms"][1].as_f64().is_some_and(|seen| seen > 0.3), "{trial:#}");
    }
    // A train for each, one after another; which of them a busy host sends in time is its own affair.
    for set in [
        &["topology.rate=\"1 Gbit/s\""][..],
        &["topology={kind=\"wifi\",nodes=4,airtime=\"shared\",side=\"20 m\",delay=\"2 ms\"}"],
    ] {
        let trials = tried(set);
        assert!(trials.iter().all(|trial| number(trial, "sent") > 20), "{trials:#?}");
        for trial in trials.iter().filter(|trial| trial["rate"].is_string()) {
            let mbits = |key: &str| {
                let text = trial[key].as_str().expect("a rate");
                let (number, unit) = text.split_once(' ').expect("a unit");
                let scale = BTreeMap::from([("Gbit/s", 1e3), ("Mbit/s", 1.0), ("kbit/s", 1e-3)])[unit];
                number.parse::<f64>().expect("a number") * scale
            };
            // A host that stood still as the train began makes it look shorter.
            assert!(mbits("rate") < 2.0 * mbits("asked_rate"), "no link is faster than asked: {trial:#}");
        }
    }
}

#[test]
fn what_this_host_was_measured_to_forward_is_held_against_what_is_asked() {
    let user = User::new();
    user.write("quiet.toml", &QUIET.replace("mobilenet-v2", "tiny-cnn"));
    // The measure is this user's own: it is made another one below.
    let emu = |arguments: &[&str]| {
        let mut command = user.emu(arguments);
        User::end(command.env("EMU_CACHE", user.path().join("cache")))
    };
    emu(&["bench", "host"]).expect(0);
    let measured: Value = serde_json::from_str(&user.read("cache/host.json")).expect("figures");
    let run = ["run", "quiet.toml", "--links", "software", "--json", "--set", "duration=1 s", "--set", "warmup=0 s"];
    let run = [&run[..], &["--set", "expect={completed=1}"]].concat();
    let told = |key: &str, figure: f64, words: &str| {
        let mut slow = measured.clone();
        (slow["processors"], slow["packets_per_s"], slow["tcp_mbits"]) = (64.into(), 1e9.into(), 1e9.into());
        slow[key] = figure.into();
        user.write("cache/host.json", &slow.to_string());
        let summary = emu(&run).expect(0).json();
        let warnings = summary["warnings"].as_array().expect("warnings");
        assert!(warnings.iter().any(|said| said.as_str().is_some_and(|said| said.contains(words))), "{warnings:#?}");
        let refused = emu(&[&run[..], &["--strict"]].concat()).expect(7);
        assert!(refused.stderr.contains(words) && !refused.stderr.contains("load begins"), "{}", refused.stderr);
    };
    told("packets_per_s", 10.0, "packets per second forwarded and this host forwards 10: ");
    told("tcp_mbits", 20.0, "and a link carries 20 Mbit/s on this host");
}

/// Processes that do nothing, as fast as they can; ended by their ids.
struct Burners(Vec<Child>);

impl Burners {
    /// So many on one processor.
    fn on(cpu: usize, count: usize) -> Burners {
        let burn = |_| {
            let child = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().expect("a shell");
            pin(Pid::from_raw(child.id() as i32), cpu);
            child
        };
        Burners((0..count).map(burn).collect())
    }
}

impl Drop for Burners {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn pin(process: Pid, cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu).expect("a processor");
    sched_setaffinity(process, &set).expect("a process can be kept on a processor");
}

/// A processor that this process may use.
fn cpu() -> usize {
    let all = sched_getaffinity(Pid::from_raw(0)).expect("processors");
    (0..CpuSet::count()).rev().find(|cpu| all.is_set(*cpu).unwrap_or(false)).expect("a processor")
}

/// The summary of a run of `scenario` that was kept on one processor.
fn kept_on(cpu: usize, user: &User, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let mut command =
        user.command(std::path::Path::new("taskset"), &["-c", &cpu.to_string(), env!("CARGO_BIN_EXE_emu")]);
    let outcome = User::end(command.args(arguments));
    let summary = outcome.json();
    (outcome.code(), summary, outcome.stderr)
}

fn scenario(user: &User) -> String {
    user.write("quiet.toml", QUIET).to_string_lossy().into_owned()
}

fn signals(summary: &Value) -> Vec<&str> {
    let doubts = summary["fidelity"]["doubts"].as_array().expect("doubts");
    doubts.iter().filter_map(|doubt| doubt["signal"].as_str()).collect()
}

/// Shared hosts have loud moments: one of three tries must be quiet, which none is with anything planted.
#[test]
fn a_quiet_run_raises_no_alarm_and_its_host_is_told() {
    let user = User::new();
    let scenario = scenario(&user);
    let mut said = String::new();
    for _ in 0..3 {
        let outcome = user.run(&["run", &scenario, "--json", "--strict"]);
        let summary = outcome.json();
        if summary["fidelity"].is_null() {
            // So loud that the links were late before the load.
            said += &outcome.stderr;
            continue;
        }
        let host = &summary["host"];
        assert!(host["samples"].as_u64() >= Some(5), "{host:#}");
        assert!(host["lateness_ms"]["p99"].as_f64() > Some(0.0) && host["own"]["max"].as_f64() > Some(0.0), "{host:#}");
        assert!(host["timer_late_ms"]["max"].as_f64() > Some(0.0), "{host:#}");
        assert!(host["under_way"]["max"].is_number(), "{host:#}");
        assert!(host["looking_ms"]["max"].as_f64().is_some_and(|millis| millis > 0.0 && millis < 1000.0), "{host:#}");
        if summary["fidelity"]["verdict"] == "faithful" {
            assert_eq!((outcome.code(), signals(&summary).len()), (Some(0), 0), "{}", outcome.stderr);
            assert!(outcome.stderr.contains("faithful"), "{}", outcome.stderr);
            let page = user.read("results/quiet/latest/report.html");
            assert!(
                ["id=\"host\"", "id=\"lateness\"", "id=\"used\"", "faithful"].iter().all(|part| page.contains(part))
            );
            return;
        }
        said += &outcome.stderr;
    }
    panic!("no run was faithful:\n{said}");
}

#[test]
fn an_overloaded_host_is_named_and_strictly_it_is_exit_7() {
    let user = User::new();
    let scenario = scenario(&user);
    let cpu = cpu();
    let burners = Burners::on(cpu, 48);
    // Forty-nine share a processor: a stage takes several times what it should, and then longer than any transfer.
    let arguments = ["run", &scenario, "--json", "--set", "node.worker.slowdown=1.5", "--set", "load.concurrency=4"];
    let (strictly, ..) = kept_on(cpu, &user, &[&arguments[..], &["--strict"]].concat());
    let (_, summary, stderr) = kept_on(cpu, &user, &arguments);
    drop(burners);
    assert!(signals(&summary).contains(&"compute"), "{stderr}\n{:#}", summary["fidelity"]);
    let doubt = &summary["fidelity"]["doubts"][0];
    assert!(doubt["what"].as_str().expect("words").contains("busy"), "{doubt:#}");
    assert_eq!((summary["fidelity"]["verdict"].as_str(), strictly), (Some("invalid"), Some(7)), "{stderr}");
    assert!(stderr.contains("invalid"), "{stderr}");
    // The record alone says the same again, and what was expected of the verdict.
    let again = user.run(&["report", "results/quiet/latest", "--json"]).expect(1);
    assert_eq!(again.json()["fidelity"], summary["fidelity"]);
    assert!(again.stderr.contains("verdict: degraded expected, invalid found"), "{}", again.stderr);
    // A record of which nobody looked at the host is no better.
    let events = user.read("results/quiet/latest/events.jsonl");
    let blind: String =
        events.lines().filter(|line| !line.contains("sampled")).map(|line| format!("{line}\n")).collect();
    assert_ne!(blind.len(), events.len());
    user.write("results/quiet/latest/events.jsonl", &blind);
    let again = user.run(&["report", "results/quiet/latest", "--json"]).expect(1);
    assert!(again.stderr.contains("verdict: degraded expected, but nobody looked"), "{}", again.stderr);
}

/// The thread alone is put behind everything else on a processor that others burn: computing goes on as it should.
#[test]
fn a_forwarder_that_gets_no_processor_is_named() {
    let user = User::new();
    let scenario = scenario(&user);
    let mut run = user.start(&["run", &scenario, "--json", "--links", "software"]);
    until_load(&user);
    let forwarders: Vec<String> = story::processes_with(&scenario).into_iter().flat_map(forwarders).collect();
    assert!(!forwarders.is_empty(), "nobody forwards");
    let cpu = cpu();
    let burners = Burners::on(cpu, 4);
    let set = |program: &str, arguments: &[&str]| {
        let done = Command::new(program).args(arguments).output().expect("util-linux is there");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    for forwarder in &forwarders {
        set("taskset", &["-p", "-c", &cpu.to_string(), forwarder]);
        set("chrt", &["-i", "-p", "0", forwarder]);
    }
    run.wait().expect("emu ends");
    drop(burners);
    let summary: Value = serde_json::from_str(&user.read("stdout")).expect("a summary");
    assert!(signals(&summary).contains(&"forwarder"), "{}\n{:#}", user.read("stderr"), summary["host"]);
}

/// The threads of a process that forward packets.
fn forwarders(process: i32) -> Vec<String> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let forwards = threads.filter(|thread| {
        std::fs::read_to_string(thread.path().join("comm")).is_ok_and(|name| name.trim() == "forwarder")
    });
    forwards.map(|thread| thread.file_name().to_string_lossy().into_owned()).collect()
}

fn until_load(user: &User) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !user.read("stderr").contains("load begins") {
        assert!(Instant::now() < deadline, "no load:\n{}", user.read("stderr"));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_queue_of_two_packets_is_named_with_its_direction() {
    let user = User::new();
    let scenario = scenario(&user);
    let outcome = user.run(&["run", &scenario, "--json", "--set", "topology.queue=\"2 packets\""]);
    let summary = outcome.json();
    assert!(signals(&summary).contains(&"queue"), "{}\n{:#}", outcome.stderr, summary["traffic"]);
    assert!(outcome.stderr.contains("a queue is too short: from n0"), "{}", outcome.stderr);
}

/// Somebody else's hand in the network: a qdisc that emu didn't make, on the interface of a node.
#[test]
fn a_link_that_was_changed_behind_emus_back_is_named_and_makes_the_run_invalid() {
    if !nix::unistd::geteuid().is_root() || Command::new("tc").arg("-V").output().is_err() {
        eprintln!("skipped: this needs root and tc");
        return;
    }
    let user = User::new();
    let scenario = scenario(&user);
    let mut run = user.start(&["run", &scenario, "--json", "--strict", "--links", "software"]);
    until_load(&user);
    let results = user.path().join("results").to_string_lossy().into_owned();
    let nodes = story::processes_with(&results);
    let node = nodes.iter().find(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("n02")
    });
    let node = node.expect("a node runs").to_string();
    let tc = ["tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "1mbit", "burst", "4kb", "limit", "64kb"];
    let changed = Command::new("nsenter").args(["-t", &node, "-n"]).args(tc).output().expect("nsenter starts");
    assert!(changed.status.success(), "{}", String::from_utf8_lossy(&changed.stderr));
    assert_eq!(run.wait().expect("emu ends").code(), Some(7), "{}", user.read("stderr"));
    assert!(user.read("stderr").contains("qdisc tbf, which is not emu's"), "{}", user.read("stderr"));
    assert!(user.read("stderr").contains("from n02"), "{}", user.read("stderr"));
}

/// A scenario that ships says what it expects in words that exist.
#[test]
fn a_verdict_that_nobody_can_expect_is_a_mistake() {
    let user = User::new();
    let outcome = user.run(&["check", &shipped("quickstart"), "--set", "expect.verdict=\"invalid\""]).expect(2);
    assert!(outcome.stderr.contains("faithful"), "{}", outcome.stderr);
}
