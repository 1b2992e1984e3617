//! `emu paper`: SEIFER's study, repeated.

mod story;

use std::fs;

use story::User;

#[test]
fn a_minutes_part_of_the_study_reproduces_the_published_figures_and_proves_every_optimum() {
    let user = User::new();
    let told = user.run(&["paper", "--quick", "--json", "--out", "study"]).expect(0).json();
    let rows = told["rows"].as_array().unwrap();
    for row in rows {
        assert_eq!(row["below_bound"], 0, "{row}");
        if row["strategy"] == "optimal" {
            assert_eq!(row["proven"], row["clusters"], "{row}");
        }
        if let (Some(published), "kpath" | "greedy") = (row["published_s"].as_f64(), row["strategy"].as_str().unwrap())
        {
            let ours = row["mean_s"].as_f64().unwrap();
            assert!(published == ours || (ours / published - 1.0).abs() < 0.1, "{row}");
        }
    }
    let read = |name: &str| fs::read_to_string(user.path().join("study").join(name)).unwrap();
    assert_eq!(read("paper.csv").lines().count(), rows.len() + 1);
    assert!(read("paper.md").contains("## Published and ours"));
    for picture in ["seifer.svg", "true.svg"] {
        assert!(read(picture).contains("resnet50, 64 MiB"));
    }
}

#[test]
fn what_can_not_be_studied_is_refused_before_the_work() {
    let user = User::new();
    let refused = user.run(&["paper", "--model", "alexnet"]).expect(2);
    assert!(refused.stderr.contains("vgg16"), "{}", refused.stderr);
    fs::write(user.path().join("taken"), "").unwrap();
    let refused = user.run(&["paper", "--quick", "--out", "taken"]).expect(4);
    assert!(refused.stderr.contains("taken"), "{}", refused.stderr);
}
