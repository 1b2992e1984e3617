//! `emu run --ui`, with somebody at the keys.

use std::time::Duration;

use crate::WATCHED;
use crate::pty::Pty;
use crate::story::{User, nothing_lost_twice_or_wrong, processes_with};
use serde_json::Value;

fn watched(user: &User, more: &[&str], columns: u16, rows: u16) -> Pty {
    Pty::run(user.emu(&[&["run", WATCHED, "--ui"][..], more].concat()), columns, rows)
}

fn summary(user: &User) -> Value {
    serde_json::from_str(&user.read("results/live/latest/summary.json")).expect("JSON")
}

/// Keeps a picture where a person can look at it.
fn keep(name: &str, text: &str) {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("live");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join(name), text).expect("a file");
}

#[test]
fn the_screen_shows_nodes_throughput_and_faults_and_a_fault_by_hand_is_in_the_summary() {
    let user = User::new();
    let mut pty = watched(&user, &[], 100, 30);
    let text = pty.until("load", |text| text.contains("stage 0") && text.contains("p99") && text.contains(" done "));
    for shown in ["Throughput", "Latency", "Nodes", "5 of 5 up", "dispatcher", "client", "Mbit/s"] {
        let text = pty.until(shown, |text| text.contains(shown));
        assert!(text.contains(shown));
    }
    assert!(text.contains("pause"), "the fault to come is not shown:\n{text}");
    pty.until("the scenario's fault", |text| text.contains("1 active"));
    keep("100x30.txt", &pty.text());
    pty.until("its end", |text| text.contains("healed after"));

    // What, where, yes: the first of each list, the process that holds the first stage.
    pty.press("i");
    let text = pty.until("the choice of a fault", |text| text.contains("Inject a fault"));
    keep("menu.txt", &text);
    pty.press("\r");
    pty.until("the choice of a place", |text| {
        !text.contains("Inject a fault") && text.contains("kill a process") && text.contains("n03")
    });
    keep("menu2.txt", &pty.text());
    pty.press("\r");
    pty.until("the fault by hand", |text| text.contains("by hand") && text.contains("1 active"));
    pty.until("that a node is gone", |text| text.contains("4 of 5 up"));
    let status = pty.end();
    pty.is_restored();
    assert!(pty.text().contains("summary.json"), "the closing text is not to be seen:\n{}", pty.text());
    assert_eq!(status.code(), Some(0), "{}", pty.text());

    let summary = summary(&user);
    nothing_lost_twice_or_wrong(&summary);
    let [planned, by_hand] = &summary["faults"].as_array().unwrap()[..] else { panic!("{:#}", summary["faults"]) };
    assert_eq!((&planned["kind"], &planned["by_hand"]), (&"pause".into(), &false.into()));
    assert_eq!((&by_hand["kind"], &by_hand["by_hand"]), (&"kill".into(), &true.into()));
    let at = |column: &str| by_hand[column].as_f64().unwrap_or_else(|| panic!("{column} is missing: {by_hand:#}"));
    assert!(at("planned_s") > 4.0 && at("planned_s") <= at("fired_s"), "{by_hand:#}");
    assert!(at("fired_s") <= at("effect_s") && at("effect_s") <= at("healed_s"), "{by_hand:#}");
    // The record alone says the same.
    let again = user.run(&["report", "results/live/latest", "--json"]).expect(0).json();
    assert_eq!(again, summary);
}

#[test]
fn q_ends_the_run_as_an_interrupt_does_and_leaves_nothing() {
    let user = User::new();
    // Found again by a word in their command line, as nobody else's would be.
    let folder = format!("left-by-{}", std::process::id());
    let mut pty = watched(&user, &["--results", &folder], 80, 24);
    let text = pty.until("load", |text| text.contains("1 active"));
    keep("80x24.txt", &text);
    pty.press(" ");
    pty.until("that the picture is held", |text| text.contains("HELD"));
    let (held, later) = (pty.text(), std::thread::sleep(Duration::from_millis(600)));
    let () = later;
    assert_eq!(pty.text(), held, "a picture that is held goes on");
    pty.press("q");
    assert_eq!(pty.end().code(), Some(130), "{}", pty.text());
    pty.is_restored();
    assert_eq!(processes_with(&folder), [0; 0]);
    let text = user.read(&format!("{folder}/live/latest/summary.json"));
    let summary: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&summary["exit"], &summary["complete"]), (&130.into(), &false.into()));
}

#[test]
fn the_terminal_is_restored_when_the_run_is_killed_from_within_or_terminated_from_outside() {
    let user = User::new();
    let mut pty = watched(&user, &[], 200, 50);
    let text = pty.until("load", |text| text.contains("1 active"));
    keep("200x50.txt", &text);
    // The first process of the sandbox, the only child of the one outside.
    let outside = pty.child.id();
    let children = std::fs::read_to_string(format!("/proc/{outside}/task/{outside}/children")).expect("children");
    let first: i32 = children.trim().parse().unwrap_or_else(|_| panic!("one child, not {children:?}"));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(first), nix::sys::signal::Signal::SIGKILL).expect("it is there");
    assert_eq!(pty.end().code(), Some(4), "{}", pty.text());
    pty.is_restored();

    let mut pty = watched(&user, &[], 80, 24);
    pty.until("load", |text| text.contains("in flight"));
    let outside = nix::unistd::Pid::from_raw(pty.child.id() as i32);
    nix::sys::signal::kill(outside, nix::sys::signal::Signal::SIGTERM).expect("it is there");
    assert_eq!(pty.end().code(), Some(143), "{}", pty.text());
    pty.is_restored();
}

#[test]
fn without_a_terminal_the_live_view_is_refused_and_the_way_out_named() {
    let user = User::new();
    let outcome = user.run(&["run", WATCHED, "--ui"]).expect(2);
    assert!(outcome.stderr.contains("--ui needs a terminal"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("--metrics"), "{}", outcome.stderr);
    assert!(!user.path().join("results").exists(), "a run was begun");
}
