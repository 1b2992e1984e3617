//! A grid of runs, as a user sweeps it; simulated, so that it takes no time.

mod story;

use std::fs;
use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use story::{Outcome, User, shipped};

fn swept(user: &User, more: &[&str]) -> Outcome {
    user.run(&[&["sweep", &shipped("scaling"), "--simulate", "--json"], more].concat())
}

/// The only folder of a sweep that there is.
fn folder(user: &User) -> PathBuf {
    let all: Vec<_> = fs::read_dir(user.path().join("results/scaling-sweep")).unwrap().flatten().collect();
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].path()
}

/// Runs that were made, by what was said of each.
fn made(outcome: &Outcome) -> usize {
    outcome.stderr.lines().filter(|line| line.contains(", seed ")).count()
}

#[test]
fn a_sweep_makes_what_is_missing_and_fits_the_curve() {
    let user = User::new();
    let first = swept(&user, &["--vary", "nodes=5,10,20", "--repeat", "2"]).expect(0);
    assert_eq!(made(&first), 6, "{}", first.stderr);
    let again = swept(&user, &["--vary", "nodes=5,10,20", "--repeat", "2"]).expect(0);
    assert_eq!(made(&again), 0, "{}", again.stderr);
    // Another value and another repetition: what was there is not made again.
    let more = swept(&user, &["--vary", "nodes=5,10,15,20", "--repeat", "3"]).expect(0);
    assert_eq!(made(&more), 6, "{}", more.stderr);
    let told = more.json();
    let sets = told["points"]["sets"].as_array().unwrap();
    assert_eq!(sets.iter().map(|set| &set["runs"]).collect::<Vec<_>>(), [3, 3, 3, 3]);
    let curve = &told["curves"][0];
    assert_eq!(curve["over"], "nodes");
    assert!(curve["fit"]["law"]["lambda"].as_f64().unwrap() > 0.0, "{curve}");
    let folder = folder(&user);
    for file in
        ["report.html", "charts/throughput.svg", "charts/latency-p99.svg", "sweep.csv", "sweep.json", "scenario.toml"]
    {
        assert!(folder.join(file).exists(), "{file} is missing");
    }
    assert_eq!(fs::read_to_string(folder.join("sweep.csv")).unwrap().lines().count(), 5);
    assert!(told["bounds"].as_array().unwrap().iter().all(serde_json::Value::is_number), "{}", told["bounds"]);
    // Its points are sets for `emu compare`.
    let point = |nodes: u32| format!("{}/runs/nodes={nodes}", folder.display());
    user.run(&["compare", &point(5), &point(20)]).expect(0);
}

#[test]
fn a_sweep_that_is_interrupted_goes_on_where_it_was_left() {
    let user = User::new();
    let scenario = shipped("scaling");
    let arguments = ["sweep", &scenario, "--simulate", "--vary", "nodes=5,10,20", "--repeat", "6"];
    let mut child = user.start(&arguments);
    while user.read("stderr").lines().count() < 5 {
        assert!(child.try_wait().unwrap().is_none(), "{}", user.read("stderr"));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let said = user.read("stderr");
    assert!(said.contains("the same command goes on from here"), "{said}");
    let before = said.lines().filter(|line| line.contains(", seed ")).count();
    let rest = user.run(&arguments).expect(0);
    assert_eq!(before + made(&rest), 18);
}

#[test]
fn what_can_not_be_swept_is_told_before_anything_runs() {
    let user = User::new();
    for (vary, said) in [("nodes", "KEY=VALUE"), ("topology.sides=1 m,2 m", "sides"), ("nodes=5,2", "nodes")] {
        let refused = swept(&user, &["--vary", vary]).expect(2);
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
        assert_eq!(made(&refused), 0);
    }
    assert!(!user.path().join("results").exists());
}

#[test]
fn the_figure_of_a_sweep_is_one_picture_with_curve_bound_and_bars() {
    let user = User::new();
    let vary = ["--vary", "nodes=5,10,20", "--repeat", "2"];
    swept(&user, &[&vary[..], &["--figure", "paper/figures/scaling.svg"]].concat()).expect(0);
    let picture = user.read("paper/figures/scaling.svg");
    for part in [
        "scaling: throughput and latency over nodes",
        "requests per second",
        "milliseconds",
        "universal scalability law",
        "bound",
        "2 runs at each point",
        "prefers-color-scheme:dark",
    ] {
        assert!(picture.contains(part), "{part} is missing: {picture}");
    }
    // A bar for each point in either plot.
    assert_eq!(picture.matches("m-4 0V").count(), 6, "{picture}");
    // No number, no axis.
    let told = user
        .run(&[
            "sweep",
            &shipped("scaling"),
            "--simulate",
            "--vary",
            "plan.strategy=optimal,greedy",
            "--repeat",
            "1",
            "--figure",
            "none.svg",
        ])
        .expect(4)
        .stderr;
    assert!(told.contains("nothing to draw"), "{told}");
}
