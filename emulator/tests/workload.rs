//! Programs of others on the nodes: run as a user runs them, measured, broken and checked.

mod story;

use std::fs;
use std::path::Path;

use serde_json::Value;

use story::{Outcome, User, processes_with, shipped};

/// Whether programs are there; that a story is not told without them is said.
fn are_here(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_here = |program: &&&str| std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    let missing: Vec<&&str> = programs.iter().filter(|program| !is_here(program)).collect();
    if !missing.is_empty() {
        eprintln!("skipped: {missing:?} are not installed (scripts/provision.sh does it)");
    }
    missing.is_empty()
}

/// Two nodes 5 ms apart, with `nodes` after that.
fn scenario(name: &str, nodes: &str) -> String {
    format!(
        "name = {name:?}\nduration = \"3 s\"\nwarmup = \"500 ms\"\ndrain = \"2 s\"\n\
         [workload]\nkind = \"command\"\npatience = \"10 s\"\n\
         [topology]\nkind = \"mesh\"\nnodes = 2\nrate = \"50 Mbit/s\"\ndelay = \"5 ms\"\n{nodes}"
    )
}

const PING: &str = "[[probe]]\nname = \"ping\"\nkind = \"ping\"\nfrom = \"n01\"\nto = \"n00\"\nrate = \"20 /s\"\n";

fn run(user: &User, text: &str) -> Outcome {
    user.write("scenario.toml", text);
    user.run(&["run", "scenario.toml", "--json"])
}

/// What was measured by this name.
fn measured<'a>(summary: &'a Value, name: &str) -> &'a Value {
    let all = summary["measured"].as_array().expect("what was measured");
    all.iter().find(|it| it["name"] == name).unwrap_or_else(|| panic!("{name} is missing: {all:#?}"))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn log(user: &User, name: &str, file: &str) -> String {
    user.read(&format!("results/{name}/latest/nodes/{file}"))
}

#[test]
fn iperf3_fills_its_link_and_pings_meanwhile_are_measured() {
    if !are_here(&["iperf3"]) {
        return;
    }
    let user = User::new();
    let summary = user.run(&["run", &shipped("iperf3"), "--json"]).expect(0).json();
    let ping = measured(&summary, "ping-0");
    assert!(number(&ping["completed"]) >= 80.0, "{ping:#}");
    // Four times 5 ms, there and back.
    assert!(number(&ping["latency_ms"]["p50"]) >= 20.0, "{ping:#}");
    assert_eq!((&summary["checks"][0]["passed"], &summary["checks"][0]["node"]), (&true.into(), &"n01".into()));
    // Several megabytes passed, as iperf3 says itself.
    assert!(number(&summary["traffic"]["bytes"]) > 8e6, "{:#}", summary["traffic"]);
    assert!(log(&user, "iperf3", "n00/stdout.log").contains("Accepted connection"));
    // What has no meaning is not there.
    assert_eq!((&summary["model"], &summary["plan"], &summary["bound"]), (&"".into(), &Value::Null, &Value::Null));
    let invariants = summary["invariants"].as_array().expect("invariants");
    let names: Vec<&str> = invariants.iter().filter_map(|finding| finding["name"].as_str()).collect();
    assert_eq!(names, ["one_outcome", "no_duplicate", "nothing_left"]);
}

#[test]
fn etcd_loses_its_leader_and_no_acknowledged_write() {
    if !are_here(&["etcd", "etcdctl"]) {
        return;
    }
    let user = User::new();
    let summary = user.run(&["run", &shipped("etcd"), "--json"]).expect(0).json();
    let fault = &summary["faults"][0];
    // The leader is gone: writes fail, until there is another.
    assert_eq!(fault["detected_by"], "probe", "{fault:#}");
    assert!(number(&fault["recovered_s"]) > number(&fault["effect_s"]) + 0.2, "{fault:#}");
    assert!(fault["healed_s"].is_number());
    assert!(number(&measured(&summary, "write")["completed"]) > 10.0);
    let said = summary["checks"][0]["said"].as_str().unwrap_or_default();
    assert!(said.contains("writes were acknowledged"), "{said}");
}

#[test]
fn a_write_that_etcd_loses_fails_the_run_by_name() {
    if !are_here(&["etcd", "etcdctl"]) {
        return;
    }
    let user = User::new();
    // Nothing breaks, but somebody takes away a write that was acknowledged.
    let text = fs::read_to_string(shipped("etcd")).expect("a shipped scenario");
    let thief = "number=$(head -n 1 write.answered)\netcdctl --endpoints {{n01.address}}:2379 del key-$number\n";
    let text = text.replace("check = '''\n", &format!("check = '''\n{thief}"));
    let (text, _) = text.split_once("# The leader is killed.").expect("a fault");
    user.write("etcd.toml", text);
    let summary = user.run(&["run", "etcd.toml", "--json", "--set", "duration=2 s"]).expect(1).json();
    let violations = summary["violations"].to_string();
    assert!(violations.contains("was acknowledged, and is not there"), "{violations}");
    assert_eq!(summary["checks"][0]["passed"], false);
}

#[test]
fn redis_sentinels_make_a_replica_the_primary() {
    if !are_here(&["redis-server", "redis-sentinel", "redis-cli"]) {
        return;
    }
    let user = User::new();
    let summary = user.run(&["run", &shipped("redis-sentinel"), "--json"]).expect(0).json();
    let fault = &summary["faults"][0];
    // Sentinels wait for a second of silence.
    assert!(number(&fault["recovered_s"]) > number(&fault["effect_s"]) + 1.0, "{fault:#}");
    assert!(number(&measured(&summary, "write")["completed"]) > 10.0);
    assert_eq!(summary["checks"][0]["passed"], true);
}

/// A server of one file: GET is answered, and every request is told of on the socket.
const SERVER: &str = r#"
import http.server, json, os, socket, sys
told = socket.socket(socket.AF_UNIX)
told.connect("\0" + os.environ["EMU_SOCKET"][1:])
count = 0
def tell(**line): told.sendall(json.dumps(line).encode() + b"\n")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global count
        count += 1
        tell(offered=count)
        good = self.path == "/good"
        self.send_response(200 if good else 500)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
        tell(completed=count) if good else tell(errored=count, reason="no such path")
tell(nonsense=1)
print("serving as", os.environ["EMU_NODE"], flush=True)
http.server.HTTPServer((os.environ["EMU_ADDRESS"], int(sys.argv[1])), Handler).serve_forever()
"#;

#[test]
fn every_kind_of_probe_and_what_a_program_tells_itself_are_in_one_record() {
    if !are_here(&["python3"]) {
        return;
    }
    let user = User::new();
    user.write("server.py", SERVER);
    let probe =
        |name: &str, what: &str| format!("[[probe]]\nname = {name:?}\nfrom = \"n01\"\nrate = \"10 /s\"\n{what}\n");
    let text = scenario(
        "kinds",
        &[
            "[node.n00]\nrun = [\"python3\", \"{{scenario}}/server.py\", \"8080\"]\n".to_owned(),
            "ready = { kind = \"http\", port = 8080, path = \"/good\" }\n".to_owned(),
            "[node.n01]\nload = \"echo loaded from {{state}}; exec sleep 60\"\n".to_owned(),
            "check = \"grep -c . ask.answered && echo {{name}} has {{n00.address}} for a neighbour\"\n".to_owned(),
            probe("ping", "kind = \"ping\"\nto = \"n00\""),
            probe("tcp", "kind = \"tcp\"\nto = \"n00\"\nport = 8080"),
            probe("refused", "kind = \"tcp\"\nto = \"n00\"\nport = 1"),
            probe("good", "kind = \"http\"\nto = \"n00\"\nport = 8080\npath = \"/good\""),
            probe("bad", "kind = \"http\"\nto = \"n00\"\nport = 8080\npath = \"/bad\"\narrival = \"poisson\""),
            "[[probe]]\nname = \"ask\"\nkind = \"command\"\nfrom = \"n01\"\nconcurrency = 2\n".to_owned(),
            "run = \"test $(({{number}} % 5)) != 0 && sleep 0.1\"\n".to_owned(),
            "[[probe]]\nname = \"slow\"\nkind = \"command\"\nfrom = \"n01\"\nrun = \"sleep 5\"\ntimeout = \"200 ms\"\n"
                .to_owned(),
        ]
        .concat(),
    );
    let summary = run(&user, &text).expect(0).json();
    for (name, share) in [("ping", 1.0), ("tcp", 1.0), ("refused", 0.0), ("good", 1.0), ("bad", 0.0), ("slow", 0.0)] {
        let of = measured(&summary, name);
        let (offered, completed) = (number(&of["offered"]), number(&of["completed"]));
        assert!(offered >= 10.0 && completed == share * offered, "{of:#}");
        assert_eq!(number(&of["completed"]) + number(&of["errored"]), offered, "{of:#}");
    }
    // A connection is a way there and back, a GET two.
    assert!(number(&measured(&summary, "ping")["latency_ms"]["p50"]) >= 10.0);
    assert!(number(&measured(&summary, "good")["latency_ms"]["p50"]) >= 20.0);
    assert_eq!(measured(&summary, "refused")["first_error"], "connection refused");
    assert_eq!(measured(&summary, "bad")["first_error"], "status 500");
    assert_eq!(measured(&summary, "slow")["first_error"], "not done in time");
    let ask = measured(&summary, "ask");
    assert!(number(&ask["completed"]) > 10.0 && number(&ask["latency_ms"]["p50"]) >= 100.0, "{ask:#}");
    // What the server told of itself, by its own count: every GET, those of the readiness probe too.
    let own = measured(&summary, "n00");
    assert_eq!(own["kind"], "own");
    assert!(number(&own["completed"]) > number(&measured(&summary, "good")["completed"]), "{own:#}");
    assert_eq!(own["errored"], measured(&summary, "bad")["errored"]);
    assert_eq!(own["first_error"], "no such path");
    assert!(log(&user, "kinds", "n00/stderr.log").contains("nonsense"), "what is no line is told in the log");
    assert!(log(&user, "kinds", "n00/stdout.log").contains("serving as n00"));
    assert!(log(&user, "kinds", "n01/load.log").contains("nodes/n01/state"));
    assert!(log(&user, "kinds", "n01/check.log").contains("n01 has 10.0.0.1 for a neighbour"));
    // All of them together.
    let sum: f64 = summary["measured"].as_array().unwrap().iter().map(|it| number(&it["offered"])).sum();
    assert_eq!(number(&summary["requests"]["offered"]), sum);
    let page = user.read("results/kinds/latest/report.html");
    assert!(page.contains("What was measured") && page.contains("no such path"), "the report has a table of it");
    let again = user.run(&["report", "results/kinds/latest", "--json"]).expect(0).json();
    assert_eq!(again, summary, "the same comes from the record again");
}

#[test]
fn programs_that_wait_for_a_processor_make_the_result_doubtful() {
    let user = User::new();
    let burns = "[node.n00]\nrun = \"for core in $(seq $(($(nproc) * 4))); do while :; do :; done & done; wait\"\n";
    let summary = run(&user, &scenario("burns", &format!("{burns}{PING}"))).json();
    let doubts = summary["fidelity"]["doubts"].as_array().expect("a verdict");
    if summary["host"]["run_delay_s"].is_null() {
        return eprintln!("skipped: this kernel doesn't tell how long processes wait");
    }
    let doubt = doubts.iter().find(|doubt| doubt["signal"] == "processors");
    let doubt = doubt.unwrap_or_else(|| panic!("nobody doubts it: {doubts:#?}"));
    assert!(doubt["what"].as_str().is_some_and(|what| what.contains("waited for a processor")), "{doubt:#}");
    assert_eq!(doubt["grade"], "degraded");
}

/// A program that is up from the first moment and writes a line each time it begins.
const LIVES: &str = "[node.n00]\nmemory = \"64 MiB\"\nrun = \"echo begins >> {{state}}/lives; echo up; exec sleep 1000\"\n\
                     ready = { kind = \"log\", text = \"up\" }\n";

#[test]
fn faults_hit_what_runs_on_a_node_as_they_hit_any_node() {
    let user = User::new();
    let fault = |kind: &str, at: &str, more: &str| format!("[[fault]]\nkind = {kind:?}\nat = \"{at} ms\"\n{more}\n");
    // The state folder outlives what is killed in it, which its own probe sees.
    let text = scenario(
        "broken",
        &[
            LIVES.to_owned(),
            PING.to_owned(),
            "[[probe]]\nname = \"up\"\nkind = \"command\"\nfrom = \"n01\"\nrun = \"true\"\n".to_owned(),
            fault("kill", "600", "target = \"n00\"\nfor = \"300 ms\""),
            fault("pause", "1300", "target = \"n00\"\nfor = \"300 ms\""),
            fault("restart", "1900", "target = \"random\""),
            fault("down", "2300", "target = [\"n00\", \"n01\"]\nfor = \"300 ms\""),
        ]
        .concat(),
    );
    let summary = run(&user, &text).expect(0).json();
    for fault in summary["faults"].as_array().expect("faults") {
        assert!(fault["effect_s"].is_number() && fault["failed"].is_null(), "{fault:#}");
    }
    let events = user.read("results/broken/latest/events.jsonl");
    let count = |what: &str| events.lines().filter(|line| line.contains(what)).count();
    assert_eq!(count("\"event\":\"node_started\",\"node\":\"n00\""), 3, "it was started, killed and restarted");
    assert_eq!(count("\"on\":\"n00\",\"event\":\"ready\""), 3, "and was ready each time");
    // Networks don't die with a process; a link that is down is noticed by those who speak across it.
    let down = &summary["faults"][3];
    assert_eq!((&down["kind"], &down["detected_by"]), (&"down".into(), &"probe".into()), "{down:#}");
    assert!(number(&down["recovered_s"]) >= number(&down["healed_s"]), "{down:#}");
}

#[test]
fn what_takes_more_memory_than_its_node_has_is_told_from_what_a_fault_starves() {
    if !are_here(&["python3"]) {
        return;
    }
    let user = User::new();
    let hungry = "[node.n00]\nmemory = \"64 MiB\"\nrun = \"sleep 1; python3 -c 'a = bytearray(200 << 20)'\"\n";
    let outcome = run(&user, &scenario("hungry", &format!("{hungry}{PING}")));
    if outcome.json()["warnings"].to_string().contains("memory") {
        return eprintln!("skipped: nothing limits memory here");
    }
    let summary = outcome.expect(5).json();
    assert_eq!(summary["died"][0]["cause"], "out_of_memory", "{:#}", summary["died"]);

    let fault = "[[fault]]\nkind = \"oom\"\ntarget = \"n00\"\nat = \"1 s\"\nfor = \"500 ms\"\n";
    let summary = run(&user, &scenario("starved", &format!("{LIVES}{PING}{fault}"))).expect(0).json();
    assert!(summary["faults"][0]["effect_s"].is_number(), "{:#}", summary["faults"]);
    assert_eq!(summary["died"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_program_that_is_not_there_is_told_with_its_package() {
    let user = User::new();
    let nodes = format!("needs = {{ no-such-program = \"its-package\" }}\n{}", "");
    let text = scenario("missing", &format!("[node.n00]\nrun = [\"no-such-program\"]\n{PING}"));
    let text = text.replace("patience = ", &format!("{nodes}patience = "));
    let outcome = run(&user, &text).expect(3);
    assert!(outcome.stderr.contains("\"no-such-program\""), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("apt-get install its-package"), "{}", outcome.stderr);
    assert!(!user.path().join("results").exists(), "nothing was begun");
}

#[test]
fn a_program_that_never_serves_is_told_with_its_last_words() {
    let user = User::new();
    let silent =
        "[node.n00]\nrun = \"echo I wait for the tide; exec sleep 1000\"\nready = { kind = \"tcp\", port = 80 }\n";
    let text = scenario("silent", &format!("{silent}{PING}")).replace("\"10 s\"", "\"1 s\"");
    let outcome = run(&user, &text).expect(4);
    assert!(outcome.stderr.contains("n00 was not ready within 1 s"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("stdout.log: I wait for the tide"), "{}", outcome.stderr);

    let gone = "[node.n00]\nrun = \"echo the port is taken >&2; exit 7\"\nready = { kind = \"tcp\", port = 80 }\n";
    let outcome = run(&user, &scenario("gone", &format!("{gone}{PING}"))).expect(4);
    assert!(
        outcome.stderr.contains("n00 ended during set-up: it ended by itself with exit code 7"),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("stderr.log: the port is taken"), "{}", outcome.stderr);
    assert!(processes_with("the tide").is_empty(), "nothing is left");
}

#[test]
fn a_program_that_ends_by_itself_fails_the_run_and_a_check_that_fails_does_too() {
    let user = User::new();
    let dies = "[node.n00]\nrun = \"sleep 1; kill -SEGV $$\"\n";
    let summary = run(&user, &scenario("dies", &format!("{dies}{PING}"))).expect(5).json();
    assert_eq!((&summary["died"][0]["node"], &summary["died"][0]["cause"]["signal"]), (&"n00".into(), &11.into()));

    let check = "[node.n01]\ncheck = \"echo two are missing; exit 3\"\n";
    let summary = run(&user, &scenario("checked", &format!("{LIVES}{check}{PING}"))).expect(1).json();
    assert_eq!(summary["violations"][0], "check: n01: exit code 3: two are missing");

    // What was to run for as long as the load must not end with an error, either; and nothing need be measured at all.
    let load = "[node.n01]\nload = \"echo no route; exit 9\"\n";
    let summary = run(&user, &scenario("load", &format!("{LIVES}{load}"))).expect(1).json();
    assert_eq!(summary["violations"][0], "check: n01: load: exit code 9: no route");
}

#[test]
fn a_user_without_rights_runs_programs_of_others() {
    let Some(user) = User::unprivileged() else { return eprintln!("skipped: needs root, to become another user") };
    let outcome = run(&user, &scenario("nobody", &format!("{LIVES}{PING}")));
    let summary = outcome.expect(0).json();
    assert!(number(&measured(&summary, "ping")["completed"]) > 40.0, "{:#}", summary["measured"]);
}

#[test]
fn what_is_for_models_says_so() {
    let user = User::new();
    user.write("scenario.toml", &scenario("other", &format!("{LIVES}{PING}")));
    for command in [&["simulate", "scenario.toml"][..], &["plan", "scenario.toml"]] {
        let outcome = user.run(command).expect(2);
        assert!(outcome.stderr.contains("runs programs of others"), "{}", outcome.stderr);
    }
    let checked = user.run(&["check", "scenario.toml"]).expect(0);
    assert!(checked.stdout.contains("2 nodes"), "{}", checked.stdout);
}

#[test]
fn a_run_of_programs_is_replayed_and_compared_like_any_other() {
    let user = User::new();
    let first = run(&user, &scenario("twice", &format!("{LIVES}{PING}"))).expect(0).json();
    let second = user.run(&["replay", "results/twice/latest", "--json"]).expect(0).json();
    let [one, other] = [&first, &second].map(|summary| number(&measured(summary, "ping")["offered"]));
    // What is due just when the load ends may be offered or not.
    assert!((one - other).abs() <= 1.0, "{one} and {other}");
    let runs = fs::read_dir(user.path().join("results/twice")).expect("runs").flatten();
    let runs: Vec<String> =
        runs.map(|run| run.path().display().to_string()).filter(|run| !run.contains("latest")).collect();
    user.run(&["compare", &runs[0], &runs[1]]).expect(0);
}

#[test]
fn every_scenario_in_the_docs_is_right_and_the_first_one_runs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/workloads.md");
    let text = fs::read_to_string(path).expect("docs/workloads.md");
    let examples: Vec<&str> =
        text.split("```toml\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0)).collect();
    assert!(examples.len() >= 3);
    let user = User::new();
    for (index, example) in examples.iter().enumerate() {
        // Parts stand for themselves; what they leave out, the first has.
        let mut whole: toml::Table = toml::from_str(examples[0]).expect("the first is TOML");
        whole.extend(toml::from_str::<toml::Table>(example).unwrap_or_else(|error| panic!("{example}\n{error}")));
        user.write(&format!("{index}.toml"), &toml::to_string(&whole).expect("TOML"));
        user.run(&["check", &format!("{index}.toml")]).expect(0);
    }
    user.run(&["run", "0.toml"]).expect(0);
}
