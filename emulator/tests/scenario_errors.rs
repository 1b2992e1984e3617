//! What people see when a scenario is wrong. `mistakes/NAME.toml` holds the mistakes, `mistakes/NAME.txt`
//! the report; `UPDATE_COMMITTED=1` writes the reports anew, to be read before they are committed.

use std::path::Path;

use emulator::scenario::{Overrides, ScenarioErrors, load, read};
use miette::Diagnostic;

fn assert_report(name: &str, overrides: &Overrides, report: &str) {
    // Tests run in the folder of their crate: paths in reports are the same on every machine.
    let folder = Path::new("tests/mistakes");
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    let errors = read(&text, name, folder, overrides).unwrap_err();
    let found = errors.render(false, 100);
    let report = folder.join(report);
    if std::env::var_os("UPDATE_COMMITTED").is_some() {
        std::fs::write(&report, &found).unwrap();
    }
    let wanted = std::fs::read_to_string(&report).unwrap_or_default();
    assert!(found == wanted, "{} is out of date; the report is now\n{found}", report.display());
}

fn messages(errors: &ScenarioErrors) -> Vec<String> {
    errors.errors.iter().map(ToString::to_string).collect()
}

#[test]
fn every_mistake_of_form_is_told_in_one_pass() {
    assert_report("form.toml", &Overrides::default(), "form.txt");
}

#[test]
fn every_mistake_of_meaning_is_told_in_one_pass() {
    assert_report("meaning.toml", &Overrides::default(), "meaning.txt");
}

#[test]
fn a_chaos_that_can_draw_nothing_says_why() {
    assert_report("chaos.toml", &Overrides::default(), "chaos.txt");
}

#[test]
fn mistakes_about_programs_of_others_point_to_the_name_in_the_command_line() {
    assert_report("commands.toml", &Overrides::default(), "commands.txt");
    assert_report("commands_measured.toml", &Overrides::default(), "commands_measured.txt");
    assert_report("commands_unasked.toml", &Overrides::default(), "commands_unasked.txt");
    assert_report("commands_silent.toml", &Overrides::default(), "commands_silent.txt");
}

#[test]
fn a_queue_that_is_kept_short_without_a_rate_has_nothing_in_it() {
    assert_report("aqm.toml", &Overrides::default(), "aqm.txt");
}

#[test]
fn mistakes_in_a_graph_point_to_its_lists() {
    assert_report("graph.toml", &Overrides::default(), "graph.txt");
}

#[test]
fn what_is_no_toml_is_told_with_whatever_else_is_certain() {
    assert_report("syntax.toml", &Overrides::default(), "syntax.txt");
}

#[test]
fn a_mistake_in_a_matrix_points_into_its_file() {
    assert_report("matrix.toml", &Overrides::default(), "matrix.txt");
}

#[test]
fn a_mistake_on_the_command_line_points_there() {
    let set = ["topology.nodes=3x", "duration=1 m", "fault.99.at=3", "name.x=1", "nonsense", "topolgy.rate=3"];
    let overrides = Overrides { set: set.map(str::to_owned).into(), seed: Some(7) };
    assert_report("meaning.toml", &overrides, "overrides.txt");
}

#[test]
fn a_file_that_is_not_there_is_told_with_the_one_that_was_meant() {
    let errors = load(Path::new("tests/mistakes/grahp.toml"), &Overrides::default()).unwrap_err();
    let report = errors.render(false, 100);
    assert!(report.contains("can't read tests/mistakes/grahp.toml: No such file"), "{report}");
    assert!(report.contains("did you mean tests/mistakes/graph.toml?"), "{report}");
}

#[test]
fn a_slip_is_told_once_however_much_depends_on_it() {
    // The duration is unknown, so no fault can be past the end; the nodes are, so no name can be wrong.
    let text = r#"
        name = "x"
        duraton = "20 s"
        model = { name = "tiny-cnn" }
        topology = { kind = "mesh", nodes = "five" }
        fault = [{ kind = "kill", target = "n09", at = "1 h" }]
    "#;
    let errors = read(text, "x.toml", Path::new("."), &Overrides::default()).unwrap_err();
    let told = messages(&errors);
    assert_eq!(told, ["unknown key `duraton` in the scenario", "`nodes` must be a whole number, not a string"]);
}

#[test]
fn every_mistake_has_a_caret_and_its_file() {
    let text = std::fs::read_to_string("tests/mistakes/form.toml").unwrap();
    let errors = read(&text, "form.toml", Path::new("."), &Overrides::default()).unwrap_err();
    assert_eq!(errors.related().unwrap().count(), errors.errors.len());
    for error in &errors.errors {
        assert!(error.source_code().is_some() && error.labels().unwrap().count() >= 1, "{error}");
    }
}

#[test]
fn colours_are_only_for_terminals() {
    let errors = read("", "x.toml", Path::new("."), &Overrides::default()).unwrap_err();
    assert!(!errors.render(false, 100).contains('\u{1b}'));
    assert!(errors.render(true, 100).contains('\u{1b}'));
}

#[test]
fn a_line_too_long_to_be_shown_is_only_told_of() {
    for text in [format!("{} = 1", ["a"; 50_000].join(".")), format!("a = {}", "[".repeat(100_000))] {
        let errors = read(&text, "long.toml", Path::new("."), &Overrides::default()).unwrap_err();
        assert!(errors.render(false, 100).contains("long.toml, line 1"));
    }
}
