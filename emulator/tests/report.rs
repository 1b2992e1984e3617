//! The reports of a run, read as people read them: in a browser, on a desk, on a phone, in print.

mod story;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use story::{User, shipped};

/// Largest page.
const MOST_BYTES: u64 = 1 << 20;

/// What a browser finds in a report; `None` where there is none. Pictures of it stay under `name` in the build folder.
fn opened(page: &Path, name: &str) -> Option<Value> {
    let Some(python) = std::env::var_os("EMU_PYTHON") else {
        eprintln!("SKIPPED: set EMU_PYTHON to a Python that has the packages playwright and axe-playwright-python");
        return None;
    };
    let chromium = ["chromium", "google-chrome"].map(|name| Command::new(name).arg("--version").output());
    if std::env::var_os("EMU_CHROMIUM").is_none() && chromium.iter().all(Result::is_err) {
        eprintln!("SKIPPED: there is no chromium on the path");
        return None;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/report_page.py");
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report").join(name);
    let output = Command::new(python).arg(script).arg(page).arg(&pictures).output().expect("a script that is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!("pictures of {name} are in {}", pictures.display());
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

/// Nobody who opens the page has reason to complain. `sections` have pictures, in this order.
fn pleases(found: &Value, sections: &[&str]) {
    assert!(found["bytes"].as_u64().unwrap() <= MOST_BYTES, "{} bytes", found["bytes"]);
    for look in ["desk", "dark", "phone"] {
        let here = &found["looks"][look];
        let none = |what: &str| assert_eq!(here[what], serde_json::json!([]), "{look}: {what}");
        // Nothing on the console, nothing asked of a network, no rule of accessibility broken, contrast included.
        ["said", "asked", "violations"].into_iter().for_each(none);
        assert_eq!((&here["shifts"], &here["too_wide"]), (&0.into(), &0.into()), "{look}");
        let pictures = here["pictures"].as_array().unwrap();
        let shown: Vec<&str> = pictures.iter().map(|picture| picture["section"].as_str().unwrap()).collect();
        assert_eq!(shown, sections, "{look}");
        for picture in pictures {
            assert!(picture["marks"].as_u64().unwrap() >= 10, "{look}: {picture}");
            assert!(picture["letters"].as_f64().unwrap() >= 10.0, "{look}: {picture}");
            assert_eq!(picture["outside"], serde_json::json!([]), "{look}: {picture}");
        }
        let cursor: Vec<&str> = here["cursor"].as_array().unwrap().iter().map(|said| said.as_str().unwrap()).collect();
        assert!(cursor.iter().all(|said| said.contains("results")) && cursor[0] != cursor[1], "{look}: {cursor:?}");
        assert_eq!(here["left"], "", "{look}: the cursor stays though nobody is there");
        assert!(here["tables"].as_u64().unwrap() as usize >= sections.len() + 2, "{look}");
        println!("{look}: interactive after {} s", here["interactive_s"]);
    }
}

#[test]
fn a_runs_report_pleases_everyone_who_opens_it() {
    let user = User::new();
    user.run(&["run", &shipped("quickstart")]).expect(0);
    let run = user.path().join("results/quickstart/latest");
    let sections =
        ["throughput", "latency", "spectrum", "recovery", "cluster", "passage", "links", "host", "lateness", "used"];
    for section in sections {
        let drawn = fs::read_to_string(run.join(format!("charts/{section}.svg"))).unwrap();
        assert!(drawn.starts_with("<svg xmlns") && drawn.ends_with("</svg>\n") && !drawn.contains("var("), "{section}");
    }
    let markdown = fs::read_to_string(run.join("report.md")).unwrap();
    assert!(markdown.contains("![Throughput](charts/throughput.svg)") && markdown.contains("kill"), "{markdown}");
    // What is computed again is the same.
    let page = fs::read(run.join("report.html")).unwrap();
    user.run(&["report", "results/quickstart/latest"]).expect(0);
    assert!(page == fs::read(run.join("report.html")).unwrap(), "a second report of the same run differs");
    if let Some(found) = opened(&run.join("report.html"), "quickstart") {
        pleases(&found, &sections);
    }
}

#[test]
fn a_simulation_has_a_report_too() {
    let user = User::new();
    user.run(&["simulate", &shipped("20node_fail")]).expect(0);
    let simulated: Vec<_> = fs::read_dir(user.path().join("results")).unwrap().flatten().collect();
    let page = simulated[0].path().join("latest/report.html");
    assert!(fs::read_to_string(&page).unwrap().contains("simulated: nothing was built, nothing ran"));
    if let Some(found) = opened(&page, "simulation") {
        pleases(&found, &["throughput", "latency", "spectrum", "recovery", "cluster"]);
    }
}
