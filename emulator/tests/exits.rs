//! Each documented exit code, reached as a user would reach it.

mod story;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use story::{User, shipped};

/// Waits until `condition` holds; panics with the run's own words when it doesn't within a minute.
fn until(user: &User, what: &str, condition: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < patience, "{what} did not happen:\n{}", user.read("stderr"));
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn load_has_begun(user: &User) -> bool {
    user.read("stderr").contains("load")
}

#[test]
fn an_expectation_that_fails_is_exit_1() {
    let user = User::new();
    let outcome = user.run(&["run", &shipped("quickstart"), "--set", "expect.throughput=\"100000 /s\""]).expect(1);
    assert!(outcome.stderr.contains("throughput"), "{}", outcome.stderr);
}

#[test]
fn a_wrong_scenario_or_command_line_is_exit_2() {
    let user = User::new();
    let outcome = user.run(&["run", &shipped("quickstart"), "--set", "topology.nodez=3"]).expect(2);
    assert!(outcome.stderr.contains("nodes"), "no hint at the right name: {}", outcome.stderr);
    user.run(&["run", "no-such-scenario.toml"]).expect(2);
    user.run(&["walk"]).expect(2);
}

#[test]
fn links_that_the_kernel_lacks_are_exit_3_with_the_fix() {
    let user = User::new();
    let doctor = user.run(&["doctor", "--json"]).json();
    let netem = doctor.as_array().expect("a list of checks").iter().find(|check| check["capability"] == "netem-media");
    if netem.expect("a check of netem")["state"] == "works" {
        eprintln!("skipped: this kernel has netem");
        return;
    }
    for verb in ["run", "doctor"] {
        let outcome = user.run(&[verb, &shipped("quickstart"), "--links", "netem"]).expect(3);
        assert!(outcome.stderr.contains("--links software"), "{}", outcome.stderr);
    }
    user.run(&["doctor", &shipped("quickstart"), "--links", "software"]).expect(0);
}

#[test]
fn shared_airtime_needs_links_in_software_and_asking_for_others_is_exit_3() {
    let user = User::new();
    let shared = ["--set", "topology.airtime=\"shared\""];
    user.run(&[&["check", &shipped("20node_fail")], &shared[..]].concat()).expect(0);
    let outcome = user.run(&[&["run", &shipped("20node_fail"), "--links", "netem"], &shared[..]].concat()).expect(3);
    assert!(outcome.stderr.contains("--links software") || outcome.stderr.contains("netem"), "{}", outcome.stderr);
}

#[test]
fn a_cluster_without_a_plan_or_results_without_a_place_are_exit_4() {
    let user = User::new();
    let outcome = user.run(&["run", &shipped("quickstart"), "--set", "topology.nodes=3"]).expect(4);
    assert!(outcome.stderr.contains("no placement of the model on the 1 available nodes"), "{}", outcome.stderr);
    let outcome = user.run(&["run", &shipped("quickstart"), "--results", "/proc/nowhere"]).expect(4);
    assert!(outcome.stderr.contains("--results"), "{}", outcome.stderr);
}

#[test]
fn a_model_that_fits_nowhere_is_found_before_anything_is_built_and_is_exit_2() {
    let user = User::new();
    let outcome = user.run(&["run", &shipped("20node_fail"), "--set", "node.worker.memory=\"24 MiB\""]).expect(2);
    assert!(outcome.stderr.contains("MiB"), "{}", outcome.stderr);
}

#[test]
fn a_node_that_dies_without_a_fault_is_exit_5() {
    let user = User::new();
    let mut run = user.start(&["run", &shipped("quickstart")]);
    until(&user, "load", || load_has_begun(&user));
    let folder = user.path().to_string_lossy().into_owned();
    let victim = *story::processes_with(&format!("{folder}/results"))
        .iter()
        .find(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains("n04")
        })
        .unwrap_or_else(|| panic!("no node is running:\n{}", user.read("stderr")));
    kill(Pid::from_raw(victim), Signal::SIGKILL).expect("the node can be killed");
    assert_eq!(run.wait().expect("emu ends").code(), Some(5), "{}", user.read("stderr"));
    assert!(user.read("stderr").contains("n04"));
}

/// Control groups of the run that this process began.
fn control_groups(run: &Child) -> Vec<PathBuf> {
    let name = format!("emu-{}-", run.id());
    let (mut groups, mut folders) = (Vec::new(), vec![PathBuf::from("/sys/fs/cgroup")]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&name) {
                groups.push(entry.path());
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
    groups
}

#[test]
fn a_control_group_that_can_not_be_removed_is_exit_6_and_the_next_command_removes_it() {
    let user = User::new();
    let mut run = user.start(&["run", &shipped("quickstart"), "--set", "duration=\"3 s\""]);
    until(&user, "load", || load_has_begun(&user));
    let groups = control_groups(&run);
    let Some(group) = groups.first() else {
        eprintln!("skipped: no control groups can be made here");
        run.wait().expect("emu ends");
        return;
    };
    // Somebody else's process in it: the kernel does not remove a group that is not empty.
    let mut squatter = Command::new("sleep").arg("60").spawn().expect("a process");
    std::fs::write(group.join("cgroup.procs"), squatter.id().to_string()).expect("a process can be put there");
    let code = run.wait().expect("emu ends").code();
    squatter.kill().expect("it can be ended");
    squatter.wait().expect("it ends");
    assert_eq!(code, Some(6), "{}", user.read("stderr"));
    assert!(user.read("stderr").contains("left behind"), "{}", user.read("stderr"));
    assert!(group.exists());
    user.run(&["doctor"]);
    assert!(!group.exists(), "{} is still there", group.display());
}

#[test]
fn an_interrupted_run_is_exit_130_or_143_and_keeps_what_it_has() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let user = User::new();
        let mut run = user.start(&["run", &shipped("quickstart")]);
        until(&user, "load", || load_has_begun(&user));
        kill(Pid::from_raw(run.id() as i32), signal).expect("emu can be signalled");
        assert_eq!(run.wait().expect("emu ends").code(), Some(code), "{}", user.read("stderr"));
        let summary: serde_json::Value =
            serde_json::from_str(&user.read("results/quickstart/latest/summary.json")).expect("a summary");
        assert_eq!(summary["complete"], false);
        assert_eq!(summary["exit"], code);
    }
}

#[test]
fn who_reads_only_the_first_line_does_not_end_the_run() {
    let user = User::new();
    let mut command =
        user.emu(&["run", &shipped("quickstart"), "--set", "duration=\"3 s\"", "--set", "fault=[]", "--json"]);
    command.args(["--set", "expect.completed=1"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut run = command.spawn().expect("emu starts");
    // Nobody reads what it says for people.
    drop(run.stderr.take());
    let output = run.wait_with_output().expect("an end");
    assert!(output.status.success(), "{:?}", output.status);
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a summary");
    assert_eq!(summary["exit"], 0);
}
