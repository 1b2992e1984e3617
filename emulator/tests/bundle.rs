//! A run is packed on one host and repeated on another, which has nothing but the archive.

mod story;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use story::{Outcome, User, nothing_lost_twice_or_wrong};

const SCENARIO: &str = include_str!("scenarios/faults.toml");
const TRACE: &str = "\n[[fault]]\nkind = \"trace\"\ntarget = \"after-stage:0\"\nat = \"1 s\"\nfor = \"1 s\"\nfile = \"given/rates.csv\"\n";

/// Runs a command as somebody whose cache is empty.
fn elsewhere(user: &User, arguments: &[&str]) -> Outcome {
    User::end(user.emu(arguments).env("EMU_CACHE", user.path().join("cache")))
}

/// What the independent tool finds in the archive.
fn listed(archive: &Path) -> String {
    let output = Command::new("tar").arg("-tzf").arg(archive).output().expect("tar");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stages(summary: &Value) -> Vec<(Value, Value)> {
    let stages = summary["plan"]["stages"].as_array().expect("stages");
    stages.iter().map(|stage| (stage["node"].clone(), stage["compute_ms"].clone())).collect()
}

#[test]
fn a_run_of_ones_own_model_is_repeated_elsewhere_from_nothing_but_its_archive() {
    let user = User::new();
    user.run(&["model", "make", "tiny-cnn", "own.onnx"]).expect(0);
    fs::create_dir(user.path().join("given")).expect("a folder");
    user.write("given/rates.csv", "0,20 Mbit/s\n0.5,50 Mbit/s\n");
    user.write("own.toml", &(SCENARIO.replace("name = \"tiny-cnn\"", "path = \"own.onnx\"") + TRACE));
    let first = user.run(&["run", "own.toml", "--seed", "12", "--json"]).expect(0).json();
    let said = user.run(&["bundle", "latest"]).expect(0);
    let archive = user.path().join(said.stdout.trim());
    let names = listed(&archive);
    for name in ["bundle.json", "run/summary.json", "run/events.jsonl", "run/files/given/rates.csv", "model/own.onnx"] {
        assert!(names.lines().any(|line| line == name), "{name} is not in\n{names}");
    }

    let other = User::new();
    fs::rename(&archive, other.path().join("figure.tar.gz")).expect("it can be carried away");
    let profile = fs::read(user.path().join("results/faults/latest/profile.json")).expect("a profile");
    drop(user);
    let second = elsewhere(&other, &["replay", "figure.tar.gz", "--json"]).expect(0).json();
    nothing_lost_twice_or_wrong(&second);
    assert_eq!((&second["seed"], stages(&second)), (&first["seed"], stages(&first)));
    assert_eq!(second["faults"][0]["kind"], "trace");
    let again = fs::read(other.path().join("results/faults/latest/profile.json")).expect("a profile");
    assert!(profile == again, "it was planned with other costs");
    // The second time it lies there already.
    elsewhere(&other, &["replay", "figure.tar.gz"]).expect(0);
    // And what was repeated can be packed again.
    elsewhere(&other, &["bundle", "latest", "--out", "again.tar.gz"]).expect(0);
    assert!(listed(&other.path().join("again.tar.gz")).contains("model/own.onnx"));
}

#[test]
fn what_is_no_bundle_or_not_whole_says_so_and_leaves_nothing() {
    let user = User::new();
    user.write("tiny.toml", SCENARIO);
    user.run(&["run", "tiny.toml", "--set", "duration=\"1 s\""]).expect(0);
    user.run(&["bundle", "latest", "--out", "whole.tar.gz"]).expect(0);
    let whole = fs::read(user.path().join("whole.tar.gz")).expect("an archive");
    for length in [0, 10, 600, whole.len() / 2, whole.len() - 9] {
        fs::write(user.path().join("part.tar.gz"), &whole[..length]).expect("a file");
        let refused = elsewhere(&user, &["replay", "part.tar.gz"]).expect(2).stderr;
        assert!(refused.contains("part.tar.gz can't be unpacked"), "{length}: {refused}");
    }
    user.write("other.txt", "nothing of ours");
    let status = Command::new("tar").args(["-czf", "other.tar.gz", "other.txt"]).current_dir(user.path()).status();
    assert!(status.expect("tar").success());
    let refused = elsewhere(&user, &["replay", "other.tar.gz"]).expect(2).stderr;
    assert!(refused.contains("not made by emu bundle"), "{refused}");
    let left: Vec<_> = fs::read_dir(user.path().join("cache/bundles")).expect("a folder").flatten().collect();
    assert_eq!(left.iter().map(|entry| entry.file_name()).collect::<Vec<_>>(), ["lock"]);
}

#[test]
fn a_run_whose_model_has_changed_is_not_packed() {
    let user = User::new();
    user.run(&["model", "make", "tiny-cnn", "own.onnx"]).expect(0);
    user.write("own.toml", &SCENARIO.replace("name = \"tiny-cnn\"", "path = \"own.onnx\""));
    user.run(&["run", "own.toml", "--set", "duration=\"1 s\""]).expect(0);
    user.write("own.onnx", "something else");
    let refused = user.run(&["bundle", "latest", "--out", "no.tar.gz"]).expect(2).stderr;
    assert!(refused.contains("own.onnx") && refused.contains("put that file back"), "{refused}");
    assert!(!user.path().join("no.tar.gz").exists());
}
