//! Looking at runs and into them: `emu ls`, `exec`, `shell`, `top`, `run --keep` and `replay`.

mod story;

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use story::{Outcome, Running, User, processes_with, shipped};

const PATIENCE: Duration = Duration::from_secs(180);

/// Waits until `done`, which is asked again and again.
#[track_caller]
fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A cluster that stays up until Enter is pressed.
struct Kept {
    user: User,
    run: Running,
}

impl Kept {
    fn start(user: User) -> Kept {
        let scenario = user.write("story.toml", &fs::read_to_string(shipped("quickstart")).expect("a scenario"));
        let file = |name: &str| fs::File::create(user.path().join(name)).expect("a file in an own folder");
        // Short, and nobody dies.
        let short = ["--set", "fault=[]", "--set", "duration=\"2 s\"", "--set", "expect.completed=1", "--keep"];
        let mut command = user.emu(&[&["run", scenario.to_str().unwrap()][..], &short].concat());
        let run = command.stdin(Stdio::piped()).stdout(file("stdout")).stderr(file("stderr")).spawn().expect("emu");
        let mut kept = Kept { user, run: Running(run) };
        eventually("the cluster stays up", || {
            assert!(kept.run.0.try_wait().expect("a state").is_none(), "{}", kept.user.read("stderr"));
            kept.user.read("stderr").contains("the cluster stays up")
        });
        kept
    }

    fn exec(&self, node: &str, command: &[&str]) -> Outcome {
        self.user.run(&[&["exec", "latest", node, "--"], command].concat())
    }

    /// Presses Enter, and returns how the run ended.
    #[track_caller]
    fn enter(mut self) -> (User, Option<i32>) {
        self.run.0.stdin.take().expect("a pipe").write_all(b"\n").expect("the run still listens");
        let code = self.run.0.wait().expect("an end").code();
        let folder = self.user.path().to_string_lossy().into_owned();
        eventually("nothing is left", || processes_with(&folder).is_empty());
        (self.user, code)
    }
}

#[test]
fn a_kept_cluster_can_be_looked_at_and_entered_and_goes_when_enter_is_pressed() {
    let kept = Kept::start(User::new());
    let runs = kept.user.run(&["ls", "--json"]).expect(0).json();
    assert_eq!(
        (runs[0]["state"].as_str(), runs[0]["scenario"].as_str()),
        (Some("alive"), Some("quickstart")),
        "{runs:#}"
    );
    assert!(kept.user.run(&["ls"]).expect(0).stdout.contains("alive"));

    // The node's name, its folder, its network, and the processes of the run.
    assert_eq!(kept.exec("n02", &["cat", "/proc/sys/kernel/hostname"]).expect(0).stdout, "n02\n");
    let folder = kept.exec("n02", &["pwd"]).expect(0).stdout;
    assert!(folder.trim_end().ends_with("nodes/n02/state"), "{folder}");
    assert!(kept.exec("n02", &["cat", "/proc/self/net/dev"]).expect(0).stdout.contains("eth0"));
    let first = kept.exec("n02", &["cat", "/proc/1/cmdline"]).expect(0).stdout;
    assert!(first.contains("--keep"), "{first:?}");
    assert_eq!(kept.exec("n02", &["sh", "-c", "echo $EMU_NODE"]).expect(0).stdout, "n02\n");

    // Exit codes are those of the command, as a shell tells them.
    kept.exec("n03", &["sh", "-c", "exit 7"]).expect(7);
    kept.exec("n03", &["sh", "-c", "kill -TERM $$"]).expect(143);
    assert!(kept.exec("n03", &["no-such-program"]).expect(127).stderr.contains("no-such-program"));

    // What is said of mistakes names the way out.
    let wrong = kept.exec("n99", &["true"]).expect(2).stderr;
    assert!(wrong.contains("n99") && wrong.contains("n00, n01, n02, n03, n04"), "{wrong}");
    assert!(kept.user.run(&["exec", "nothing", "n02", "--", "true"]).expect(2).stderr.contains("quickstart/"));

    let usage = kept.user.run(&["top", "--json"]).expect(0).json();
    let usage = usage.as_array().expect("a list");
    let duties: Vec<&str> = usage.iter().map(|usage| usage["duty"].as_str().unwrap()).collect();
    assert_eq!(duties[..3], ["testbed", "client", "dispatcher"], "{usage:#?}");
    assert!(duties.contains(&"stage 0") && duties.contains(&"stage 1"), "{duties:?}");
    assert!(usage.iter().all(|usage| usage["memory_bytes"].as_u64() > Some(1 << 20)), "{usage:#?}");
    // Heartbeats at least.
    assert!(usage[3]["sent_per_s"].as_f64() > Some(0.0), "{:#}", usage[3]);
    assert!(kept.user.run(&["top", "--once"]).expect(0).stdout.contains("dispatcher"));

    let (user, code) = kept.enter();
    assert_eq!(code, Some(0), "{}", user.read("stderr"));
    let runs = user.run(&["ls", "--json"]).expect(0).json();
    assert_eq!(runs[0]["state"], "ok", "{runs:#}");
    assert!(runs[0]["throughput_per_s"].as_f64() > Some(0.0), "{runs:#}");
    // The run tells that somebody was there.
    let summary: Value = serde_json::from_str(&user.read("results/quickstart/latest/summary.json")).unwrap();
    assert!(summary["warnings"].to_string().contains("n03 was entered"), "{:#}", summary["warnings"]);
    assert_eq!(summary["violations"].as_array().map(Vec::len), Some(0), "{:#}", summary["violations"]);
    assert!(user.run(&["exec", "latest", "n02", "--", "true"]).expect(2).stderr.contains("--keep"));
}

#[test]
fn a_run_takes_whoever_is_in_its_nodes_along_and_an_exec_that_is_killed_leaves_nothing() {
    let kept = Kept::start(User::new());
    let sleeper = |seconds: &str| {
        let script = format!("sleep {seconds} & sleep {seconds}");
        let mut command = kept.user.emu(&["exec", "latest", "n02", "--", "sh", "-c", &script]);
        let visitor = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("emu");
        eventually("both sleep", || sleeping(seconds) == 2);
        visitor
    };
    let own = std::process::id();
    let [killed, asked, taken] = [1, 2, 3].map(|kind| format!("{kind}00.{own}"));

    let mut visitor = sleeper(&killed);
    kill(Pid::from_raw(visitor.id() as i32), Signal::SIGKILL).expect("it can be killed");
    visitor.wait().expect("an end");
    eventually("nothing is left of it", || sleeping(&killed) == 0);

    let mut visitor = sleeper(&asked);
    kill(Pid::from_raw(visitor.id() as i32), Signal::SIGTERM).expect("it can be asked");
    assert_eq!(visitor.wait().expect("an end").code(), Some(143));
    eventually("nothing is left of it", || sleeping(&asked) == 0);

    let mut visitor = sleeper(&taken);
    let (user, code) = kept.enter();
    assert_eq!(code, Some(0), "{}", user.read("stderr"));
    assert_eq!(visitor.wait().expect("an end").code(), Some(137));
    assert_eq!(sleeping(&taken), 0);
    let events = user.read("results/quickstart/latest/events.jsonl");
    assert!(!events.contains("left_running"), "a visitor is nothing that the run has left");
}

/// How many processes sleep so long.
fn sleeping(seconds: &str) -> usize {
    let line = format!("sleep\0{seconds}\0");
    processes_with(&line).len()
}

#[test]
fn an_ordinary_user_enters_the_nodes_of_an_own_run() {
    let Some(user) = User::unprivileged() else {
        println!(
            "skipped: not root, so that nobody else can be tried (every other story here is an ordinary user's then)"
        );
        return;
    };
    let kept = Kept::start(user);
    assert_eq!(kept.exec("n02", &["cat", "/proc/sys/kernel/hostname"]).expect(0).stdout, "n02\n");
    assert!(kept.exec("n02", &["pwd"]).expect(0).stdout.contains("nodes/n02/state"));
    assert_eq!(kept.exec("n02", &["sh", "-c", "touch mine && ls mine"]).expect(0).stdout, "mine\n");
    // Root may enter it, too.
    let path = kept.user.path().to_string_lossy().into_owned();
    let results = format!("{path}/results");
    let root = User::new();
    let there = ["exec", "latest", "n03", "--results", results.as_str(), "--", "cat", "/proc/sys/kernel/hostname"];
    assert_eq!(root.run(&there).expect(0).stdout, "n03\n");
    let (user, code) = kept.enter();
    assert_eq!(code, Some(0), "{}", user.read("stderr"));
}

#[test]
fn a_shell_in_a_node_has_the_terminal() {
    let kept = Kept::start(User::new());
    let emu = env!("CARGO_BIN_EXE_emu");
    // `script` gives it one.
    let line = format!("SHELL=/bin/sh {emu} shell latest n02");
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).current_dir(kept.user.path());
    let script = script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let Ok(mut script) = script else {
        println!("skipped: there is no `script` here to make a terminal with");
        return;
    };
    let mut keys = script.stdin.take().expect("a pipe");
    keys.write_all(b"tty; cat /proc/sys/kernel/hostname; exit 5\n").expect("it listens");
    let output = script.wait_with_output().expect("an end");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("/dev/pts/") || text.contains("/dev/"), "{text}");
    assert!(text.contains("n02\r\n"), "{text}");
    assert_eq!(output.status.code(), Some(5), "{text}");
    kept.enter();
}

#[test]
fn a_cluster_whose_load_failed_is_kept_too_and_an_interrupt_ends_it() {
    let user = User::new();
    let scenario = shipped("quickstart");
    let short = ["--set", "fault=[]", "--set", "duration=\"2 s\"", "--set", "expect.completed=100000", "--keep"];
    let mut run = user.start(&[&["run", scenario.as_str()][..], &short].concat());
    eventually("the cluster stays up", || user.read("stderr").contains("the cluster stays up"));
    kill(Pid::from_raw(run.id() as i32), Signal::SIGINT).expect("it can be interrupted");
    assert_eq!(run.wait().expect("an end").code(), Some(1), "the result counts: {}", user.read("stderr"));
    let runs = user.run(&["ls", "--json"]).expect(0).json();
    assert_eq!((runs[0]["state"].as_str(), runs[0]["exit"].as_u64()), (Some("failed"), Some(1)), "{runs:#}");
}

#[test]
fn a_killed_run_is_listed_as_killed_and_can_be_run_again() {
    let user = User::new();
    let scenario = shipped("quickstart");
    let short = ["--set", "fault=[]", "--set", "duration=\"2 s\"", "--set", "expect.completed=1"];
    let mut run = user.start(&[&["run", scenario.as_str(), "--seed", "11"][..], &short].concat());
    eventually("it is alive", || user.run(&["ls"]).stdout.contains("alive"));
    kill(Pid::from_raw(run.id() as i32), Signal::SIGKILL).expect("it can be killed");
    run.wait().expect("an end");
    assert!(user.run(&["ls"]).expect(0).stdout.contains("killed"));
    assert!(user.run(&["top"]).expect(2).stderr.contains("not alive"));

    let again = user.run(&["replay", "latest", "--json"]).expect(0);
    assert!(again.stderr.contains("which version of emu it was of is not known"), "{}", again.stderr);
    let first = again.json();
    assert_eq!(first["seed"], 11);
    // And that once more: the same scenario, seed and plan.
    let second = user.run(&["replay", "latest", "--json", "--pcap", "n01"]).expect(0).json();
    assert!(user.path().join("results/quickstart/latest/capture/n01.pcapng").is_file());
    let plan = |summary: &Value| {
        summary["plan"]["stages"].as_array().expect("stages").iter().map(|s| s["node"].clone()).collect::<Vec<_>>()
    };
    assert_eq!((&second["seed"], plan(&second)), (&first["seed"], plan(&first)));
    let resolved: Vec<String> = user
        .run(&["ls", "--json"])
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|run| fs::read_to_string(format!("{}/resolved.json", run["folder"].as_str().unwrap())).unwrap())
        .collect();
    assert!(resolved.len() == 3 && resolved.iter().all(|text| *text == resolved[0]), "the scenario changed on its way");

    // Another version, or another model, is told.
    let env = user.path().join("results/quickstart/latest/env.json");
    let text = fs::read_to_string(&env).unwrap();
    fs::write(&env, text.replace("\"version\": \"", "\"version\": \"9.")).unwrap();
    assert!(user.run(&["replay", "latest"]).expect(0).stderr.contains("of emu 9."));
    let env = user.path().join("results/quickstart/latest/env.json");
    let digest = serde_json::from_str::<Value>(&text).unwrap()["model"]["digest"].as_str().unwrap().to_owned();
    fs::write(&env, text.replace(&digest, "0123")).unwrap();
    let refused = user.run(&["replay", "latest"]).expect(2).stderr;
    assert!(refused.contains("0123") && refused.contains(&digest), "{refused}");
}
