//! Each kind of fault, through the program: it fires, has its effect, heals alone, and nothing is lost.

mod storage;
#[path = "../story/mod.rs"]
mod story;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use emulator::fault::catalogue;
use emulator::scenario::schema::schema;
use serde_json::Value;
use story::{Outcome, User, nothing_lost_twice_or_wrong};

const SCENARIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios/faults.toml");

/// A run with these faults, and what its log says.
struct Run {
    summary: Value,
    events: Vec<Value>,
}

fn emu(user: &User, verb: &str, faults: &str) -> Outcome {
    user.run(&[verb, SCENARIO, "--json", "--set", &format!("fault=[{faults}]")])
}

impl Run {
    /// Runs it; every fault must fire, have its effect and heal, in that order.
    fn of(user: &User, faults: &str) -> Run {
        let summary = emu(user, "run", faults).expect(0).json();
        nothing_lost_twice_or_wrong(&summary);
        for fault in summary["faults"].as_array().expect("faults") {
            let at =
                |instant: &str| fault[instant].as_f64().unwrap_or_else(|| panic!("{instant} is missing: {fault:#}"));
            let instants = [at("planned_s"), at("fired_s"), at("effect_s"), at("healed_s")];
            assert!(instants.is_sorted(), "{fault:#}");
        }
        assert_eq!(summary["died"], Value::Array(Vec::new()), "only faults end processes");
        Run::read(user, summary)
    }

    /// The run that was the last one.
    fn read(user: &User, summary: Value) -> Run {
        let events = user.read("results/faults/latest/events.jsonl");
        let events = events.lines().map(|line| serde_json::from_str(line).expect("an event")).collect();
        Run { summary, events }
    }

    fn events<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events.iter().filter(move |event| event["event"] == name)
    }

    fn target(&self) -> &str {
        self.summary["faults"][0]["target"].as_str().expect("a target")
    }

    /// How processes of the target ended before they were all asked to.
    fn ends(&self) -> Vec<&str> {
        let own = self.events("node_exited").filter(|event| event["node"] == self.target());
        own.filter_map(|event| event["cause"].as_str()).filter(|cause| *cause != "asked").collect()
    }

    /// How often a process of the target was started.
    fn starts(&self) -> usize {
        self.events("node_started").filter(|event| event["node"] == self.target()).count()
    }

    /// What the fault did after its first step.
    fn steps(&self) -> Vec<&str> {
        self.events("fault_stepped").filter_map(|event| event["what"].as_str()).collect()
    }

    /// Packets lost on the way from one node to another.
    fn lost(&self, from: &str, to: &str) -> u64 {
        let way = self.events("traffic").find(|event| event["from"] == from && event["to"] == to);
        way.and_then(|event| event["counters"]["lost"].as_u64()).unwrap_or_default()
    }

    fn detected_by(&self) -> Option<&str> {
        self.summary["faults"][0]["detected_by"].as_str()
    }
}

/// Kinds that have a story below.
const TOLD: [&str; 25] = [
    "kill",
    "restart",
    "pause",
    "crash-loop",
    "clock",
    "oom",
    "cpu",
    "straggler",
    "intermittent",
    "disk-full",
    "read-only",
    "slow",
    "eio",
    "bit-flip",
    "truncate",
    "down",
    "flap",
    "blackhole",
    "partition",
    "degrade",
    "loss-burst",
    "reorder",
    "duplicate",
    "corrupt",
    "trace",
];

#[test]
fn every_kind_that_can_be_written_is_in_the_catalogue_and_has_a_story() {
    let schema = schema();
    let kinds = schema.pointer("/properties/fault/items/oneOf").and_then(Value::as_array).expect("kinds of faults");
    let written: BTreeSet<&str> =
        kinds.iter().filter_map(|kind| kind.pointer("/properties/kind/const")?.as_str()).collect();
    let told: BTreeSet<&str> = catalogue::ALL.iter().map(|entry| entry.kind).collect();
    assert_eq!(written, told);
    assert_eq!(told, BTreeSet::from(TOLD));
}

#[test]
fn a_killed_node_starts_again_when_the_fault_heals() {
    let user = User::new();
    let run = Run::of(&user, "{ kind = \"kill\", target = \"stage:0\", at = \"1 s\", for = \"1 s\" }");
    assert_eq!((run.ends(), run.starts()), (vec!["planned"], 2));
}

#[test]
fn a_restarted_node_is_back_without_a_time_to_stay_away() {
    let user = User::new();
    let run = Run::of(&user, "{ kind = \"restart\", target = \"stage:0\", at = \"1 s\" }");
    assert_eq!((run.ends(), run.starts()), (vec!["planned"], 2));
}

#[test]
fn a_paused_node_is_missed_though_its_connections_stay_open() {
    let user = User::new();
    let run = Run::of(&user, "{ kind = \"pause\", target = \"stage:0\", at = \"500 ms\", for = \"3 s\" }");
    assert_eq!((run.ends().len(), run.starts(), run.detected_by()), (0, 1, Some("heartbeat")));
}

#[test]
fn a_node_in_a_crash_loop_dies_each_time_it_comes_up_until_it_is_healed() {
    let user = User::new();
    let keys = "up = \"300 ms\", down = \"300 ms\"";
    let run = Run::of(
        &user,
        &format!("{{ kind = \"crash-loop\", target = \"stage:0\", at = \"1 s\", for = \"2 s\", {keys} }}"),
    );
    assert_eq!(run.steps(), ["started", "dead", "started", "dead", "started", "dead"]);
    assert_eq!((run.ends(), run.starts()), (vec!["planned"; 4], 5));
}

#[test]
fn a_node_that_comes_back_an_hour_ahead_serves_and_the_record_stays_on_one_clock() {
    let user = User::new();
    if !has("clocks") {
        return;
    }
    let fault = "{ kind = \"clock\", target = \"stage:0\", at = \"1 s\", for = \"2 s\", ahead = \"1 h\" }";
    let run = Run::of(&user, fault);
    assert_eq!(run.steps(), ["3600 s ahead", "ended"]);
    assert_eq!((run.ends(), run.starts()), (vec!["planned"; 2], 3));
    let instants = run.events.iter().filter_map(|event| event["at"].as_u64());
    let (first, last) = (instants.clone().min().expect("events"), instants.max().expect("events"));
    assert!(last - first < 60_000_000_000, "the log spans {} s", (last - first) / 1_000_000_000);
}

#[test]
fn the_kernel_ends_a_node_whose_memory_is_taken_away() {
    let user = User::new();
    if !has("memory-limits") {
        return;
    }
    let run = Run::of(&user, "{ kind = \"oom\", target = \"stage:0\", at = \"1 s\", for = \"1 s\" }");
    assert_eq!((run.ends(), run.starts()), (vec!["starved"], 2));
}

#[test]
fn a_node_loses_its_processors_step_by_step_and_gets_them_back() {
    let user = User::new();
    if !has("cpu-limits") {
        return;
    }
    let keys = "cores = 0.2, over = \"400 ms\"";
    let run =
        Run::of(&user, &format!("{{ kind = \"cpu\", target = \"stage:0\", at = \"1 s\", for = \"1 s\", {keys} }}"));
    assert_eq!(run.steps(), ["0.60 cores", "0.40 cores", "0.20 cores"]);
}

#[test]
fn a_straggler_takes_so_many_times_as_long_and_is_well_when_it_is_healed() {
    let user = User::new();
    let run = Run::of(&user, "{ kind = \"straggler\", target = \"stage:0\", at = \"1 s\", for = \"2 s\", factor = 6 }");
    let at = |event: &str| run.events(event).next().and_then(|event| event["at"].as_u64()).expect("an instant");
    let (slow, well) = (at("fault_effective"), at("fault_healed"));
    let plan = run.events("planned").next().expect("a plan");
    let stages = plan["plan"]["stages"].as_array().expect("stages");
    let compute: planner::plan::Stage = serde_json::from_value(stages[0].clone()).expect("a stage");
    let work = |begin: u64, end: u64| {
        let own = run.events("processed").filter(|event| event["on"] == run.target() && event["stage"] == 0);
        let times = own.filter_map(|event| Some((event["started"].as_u64()?, event["finished"].as_u64()?)));
        times.filter(|(started, _)| (begin..end).contains(started)).map(|(from, to)| to - from).collect::<Vec<u64>>()
    };
    // The node has heard of it within a request's time, and hears of the end only after it.
    let six = compute.compute.as_nanos() as u64 * 6;
    let during = work(slow, well);
    assert!(during.iter().skip(2).all(|time| *time >= six), "{during:?} is not all above {six}");
    assert!(during.len() > 4 && work(well, u64::MAX).into_iter().min() < Some(six), "it recovers");
}

#[test]
fn an_intermittent_node_is_off_and_on_by_the_seed() {
    let user = User::new();
    let keys = "on = \"400 ms\", off = \"300 ms\", jitter = \"30 %\"";
    let fault = format!("{{ kind = \"intermittent\", target = \"stage:0\", at = \"1 s\", for = \"2 s\", {keys} }}");
    let run = Run::of(&user, &fault);
    assert!(run.ends().len() >= 2 && run.ends().iter().all(|cause| *cause == "planned"), "{:?}", run.ends());
    assert_eq!(run.starts(), run.ends().len() + 1, "it is on in the end");
    assert!(run.steps().starts_with(&["on", "off"]), "{:?}", run.steps());
}

#[test]
fn nothing_passes_a_link_that_is_down() {
    let user = User::new();
    let run = Run::of(&user, "{ kind = \"down\", target = [\"n01\", \"n02\"], at = \"1 s\", for = \"1 s\" }");
    assert!(run.lost("n02", "n01") > 0);
}

#[test]
fn a_flapping_link_goes_down_and_up() {
    let user = User::new();
    let keys = "period = \"400 ms\", duty = \"25 %\"";
    let run = Run::of(
        &user,
        &format!("{{ kind = \"flap\", target = [\"n01\", \"n02\"], at = \"1 s\", for = \"1 s\", {keys} }}"),
    );
    assert_eq!(run.steps(), ["up", "down", "up", "down", "up"]);
    assert!(run.lost("n02", "n01") > 0);
}

#[test]
fn a_black_hole_can_swallow_one_way_only() {
    let user = User::new();
    let one_way = "{ kind = \"blackhole\", target = [\"n02\", \"n01\"], both = false, at = \"500 ms\", for = \"3 s\" }";
    let run = Run::of(&user, one_way);
    assert_eq!(run.target(), "n02→n01");
    assert_eq!(run.lost("n02", "n01"), 0, "it is the receiver that hears nothing");
}

#[test]
fn partitions_are_listed_or_drawn() {
    let user = User::new();
    for (keys, between) in [
        ("groups = [[\"n02\"], [\"*\"]]", " | "),
        ("split = \"majority\"", " | "),
        ("split = \"bridge\"", " | "),
        ("split = \"majority\", one_way = true", " → "),
    ] {
        let run = Run::of(&user, &format!("{{ kind = \"partition\", at = \"500 ms\", for = \"2 s\", {keys} }}"));
        let sides: Vec<&str> = run.target().split(between).collect();
        assert_eq!(sides.len(), 2, "{}", run.target());
        assert!(!sides[0].contains("n00") && !sides[0].contains("n01"), "client and dispatcher stay: {sides:?}");
    }
}

#[test]
fn packets_are_delayed_lost_reordered_doubled_and_spoilt_without_harm_to_results() {
    let user = User::new();
    let fault = |kind: &str, at: &str, keys: &str| {
        format!("{{ kind = \"{kind}\", target = \"after-stage:0\", at = \"{at} ms\", for = \"500 ms\", {keys} }}")
    };
    let faults = [
        fault("degrade", "500", "delay = \"8 ms\""),
        fault("loss-burst", "1000", "loss = \"20 %\", length = 4"),
        fault("reorder", "1600", "share = \"20 %\", delay = \"3 ms\""),
        fault("duplicate", "2200", "share = \"50 %\""),
        fault("corrupt", "2800", "share = \"10 %\""),
    ];
    let run = Run::of(&user, &faults.join(", "));
    let target = run.target().to_owned();
    let (from, to) = target.split_once('↔').expect("both ways");
    assert!(run.lost(from, to) + run.lost(to, from) > 0, "bursts lose packets");
}

#[test]
fn a_link_follows_a_trace_from_a_file() {
    let user = User::new();
    let scenario = std::fs::read_to_string(SCENARIO).expect("a scenario");
    user.write("trace.csv", "seconds,rate\n0,10 Mbit/s\n0.3,2 Mbit/s\n0.5,0\n0.6,50 Mbit/s\n");
    let trace = "\n[[fault]]\nkind = \"trace\"\ntarget = \"after-stage:0\"\nfile = \"trace.csv\"\nat = \"1 s\"\nfor = \"1 s\"\n";
    user.write("traced.toml", &(scenario + trace));
    let summary = user.run(&["run", "traced.toml", "--json"]).expect(0).json();
    nothing_lost_twice_or_wrong(&summary);
    assert_eq!(Run::read(&user, summary).steps(), ["2 Mbit/s", "12.112 kbit/s", "50 Mbit/s"]);
    let rates = "rates = \"0,10 Mbit/s; 0.3,2 Mbit/s; 0.5,0; 0.6,50 Mbit/s\"";
    let same = format!("{{ kind = \"trace\", target = \"after-stage:0\", at = \"1 s\", for = \"1 s\", {rates} }}");
    assert_eq!(Run::of(&user, &same).steps(), ["2 Mbit/s", "12.112 kbit/s", "50 Mbit/s"]);
}

#[test]
fn faults_of_many_kinds_overlap_on_one_node_and_each_heals_alone() {
    let user = User::new();
    let fault = |kind: &str, at: u32, lasts: u32, keys: &str| {
        format!("{{ kind = \"{kind}\", target = \"n02\", at = \"{at} ms\", for = \"{lasts} ms\"{keys} }}")
    };
    let faults = [
        fault("straggler", 500, 2500, ", factor = 3, over = \"1 s\""),
        fault("kill", 800, 1000, ""),
        fault("crash-loop", 1000, 1500, ", up = \"200 ms\", down = \"200 ms\""),
        fault("pause", 1200, 1200, ""),
        fault("intermittent", 1400, 1500, ", on = \"150 ms\", off = \"250 ms\""),
        "{ kind = \"flap\", target = [\"n01\", \"n02\"], at = \"700 ms\", for = \"2 s\", period = \"500 ms\" }"
            .to_owned(),
    ];
    let run = Run::of(&user, &faults.join(", "));
    assert_eq!(run.starts(), run.ends().len() + 1, "it lives in the end: {:?}", run.ends());
}

#[test]
fn a_simulation_has_a_fault_or_says_which_kind_it_has_not() {
    let user = User::new();
    for entry in catalogue::ALL {
        let keys = match entry.kind {
            "cpu" => ", cores = 0.5",
            "straggler" => ", factor = 3",
            "intermittent" => ", on = \"300 ms\", off = \"200 ms\"",
            "flap" => ", period = \"300 ms\"",
            "degrade" => ", rate = \"1 Mbit/s\"",
            "loss-burst" => ", loss = 0.1",
            "reorder" | "duplicate" | "corrupt" => ", share = 0.1",
            "trace" => ", file = \"mobile.trace\"",
            "slow" => ", delay = \"5 ms\"",
            _ => "",
        };
        let target = match (entry.kind, entry.of_a_node) {
            ("partition", _) => "split = \"majority\"",
            (_, true) => "target = \"stage:0\"",
            (_, false) => "target = \"after-stage:0\"",
        };
        let fault = format!(
            "[[fault]]\nkind = {:?}\n{target}\nat = \"1 s\"\nfor = \"1 s\"\n{}\n",
            entry.kind,
            keys.trim_start_matches(", ").replace(", ", "\n")
        );
        user.write("mobile.trace", "5\n10\n300\n");
        let scenario = std::fs::read_to_string(SCENARIO).expect("a scenario");
        user.write("simulated.toml", &format!("{scenario}\n{fault}"));
        let outcome = user.run(&["simulate", "simulated.toml", "--json"]).expect(0);
        let told = &outcome.json()["faults"][0];
        let refused = told["failed"].as_str().unwrap_or_default();
        assert_eq!(entry.simulated, told["healed_s"].is_number(), "{told:#}");
        assert_eq!(entry.simulated, refused.is_empty(), "{told:#}");
        assert!(entry.simulated || refused.contains(&format!("{:?}", entry.kind)), "{told:#}");
    }
}

#[test]
fn a_simulated_straggler_slows_down_what_it_computes() {
    let user = User::new();
    let completed = |faults: &str| {
        let summary = emu(&user, "simulate", faults).expect(0).json();
        summary["requests"]["completed"].as_u64().expect("a count")
    };
    let slow = "{ kind = \"straggler\", target = \"stage:0\", at = \"0 s\", factor = 8 }";
    assert!(completed(slow) * 4 < completed("") * 3, "{} of {}", completed(slow), completed(""));
}

#[test]
fn a_host_that_lacks_what_a_fault_needs_refuses_the_scenario_and_says_why() {
    let Some(user) = User::unprivileged() else {
        return eprintln!("skipped: only root can become somebody without rights");
    };
    let scenario = std::fs::read_to_string(SCENARIO).expect("a scenario");
    let mut needy = vec![("oom", "", "memory limits"), ("cpu", "cores = 0.5", "CPU limits")];
    // Whoever may open the device can have layers, root or not: then the two stories above are told by ordinary users, too.
    let device = std::fs::metadata("/dev/fuse").map_or(0, |device| device.permissions().mode());
    if device & 0o006 == 0 {
        needy.extend([("slow", "delay = \"5 ms\"", "/dev/fuse"), ("eio", "", "/dev/fuse")]);
    }
    for (kind, keys, limits) in needy {
        let fault = format!("[[fault]]\nkind = {kind:?}\ntarget = \"stage:0\"\nat = \"1 s\"\n{keys}\n");
        user.write("needy.toml", &format!("{scenario}\n{fault}"));
        let outcome = user.run(&["run", "needy.toml"]).expect(3);
        assert!(outcome.stderr.contains(kind) && outcome.stderr.contains(limits), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("fix:"), "{}", outcome.stderr);
        let doctor = user.run(&["doctor", "needy.toml"]).expect(3);
        assert!(doctor.stderr.contains("MISSING"), "{}", doctor.stderr);
        // One that may be left out is.
        user.write("needy.toml", &format!("{scenario}\n{fault}optional = true\n"));
        let summary = user.run(&["run", "needy.toml", "--json"]).expect(0).json();
        assert_eq!(summary["faults"], Value::Array(Vec::new()));
        let warnings = summary["warnings"].to_string();
        assert!(warnings.contains("1 of them") && warnings.contains(kind), "{warnings}");
    }
}

/// Whether this host can do it; says so if not.
fn has(capability: &str) -> bool {
    let findings = User::new().run(&["doctor", "--json"]).json();
    let works = |finding: &Value| finding["capability"] == capability && finding["state"] == "works";
    let has = findings.as_array().is_some_and(|findings| findings.iter().any(works));
    if !has {
        eprintln!("skipped: this host has no {capability}");
    }
    has
}
