//! What is written about scenarios stays true: the schema, the reference of keys, the examples, and
//! the scenarios that ship.

use std::path::{Path, PathBuf};
use std::process::Command;

use emulator::scenario::schema::{reference, schema_text};
use emulator::scenario::{Overrides, load, read};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn shipped() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(root().join("scenarios"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    files
}

/// Compares a committed file with what it is made from; `UPDATE_COMMITTED=1` writes it instead.
fn assert_current(path: &Path, wanted: &str) {
    if std::env::var_os("UPDATE_COMMITTED").is_some() {
        std::fs::write(path, wanted).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == wanted, "{} is out of date; run this test with UPDATE_COMMITTED=1", path.display());
}

fn docs() -> (PathBuf, String) {
    let path = root().join("docs/scenario.md");
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text)
}

#[test]
fn the_committed_schema_is_current() {
    assert_current(&root().join("scenarios/schema.json"), &schema_text());
}

#[test]
fn the_reference_of_keys_is_current() {
    let (path, text) = docs();
    let (before, rest) = text.split_once("<!-- keys -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- /keys -->").unwrap();
    assert_current(&path, &format!("{before}<!-- keys -->\n{}<!-- /keys -->{after}", reference()));
}

#[test]
fn every_example_in_the_docs_is_a_scenario_or_a_part_of_one() {
    let whole = "name = \"x\"\nduration = \"20 s\"\n[model]\nname = \"tiny-cnn\"\n";
    let base: toml::Table =
        toml::from_str(&format!("{whole}[topology]\nkind = \"mesh\"\nnodes = 8\nrate = \"10 Mbit/s\"\n")).unwrap();
    let (_, text) = docs();
    let examples: Vec<&str> = text.split("```toml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect();
    assert!(examples.len() >= 7);
    for example in examples {
        // What the example doesn't say, a plain scenario does.
        let mut scenario = base.clone();
        scenario.extend(toml::from_str::<toml::Table>(example).unwrap());
        let text = toml::to_string(&scenario).unwrap();
        if let Err(errors) = read(&text, "example", Path::new("."), &Overrides::default()) {
            panic!("{example}\n{}", errors.render(false, 100));
        }
    }
}

#[test]
fn every_scenario_that_ships_is_right_and_names_the_schema() {
    assert!(shipped().len() >= 4);
    for file in shipped() {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("#:schema ./schema.json\n"), "{}", file.display());
        let loaded =
            load(&file, &Overrides::default()).unwrap_or_else(|errors| panic!("{}", errors.render(false, 100)));
        assert_eq!(Some(loaded.scenario.name.as_str()), file.file_stem().and_then(|stem| stem.to_str()));
    }
}

#[test]
fn the_scaling_scenario_holds_at_every_size() {
    let file = root().join("scenarios/scaling.toml");
    for nodes in [5, 10, 15, 20] {
        let overrides = Overrides { set: vec![format!("topology.nodes={nodes}")], seed: None };
        let loaded = load(&file, &overrides).unwrap();
        assert_eq!(loaded.scenario.nodes.len(), nodes);
    }
}

#[test]
fn the_scenarios_that_ship_fit_the_schema() {
    let script = r#"
import json, sys, tomllib
try:
    import jsonschema
except ImportError:
    sys.exit(77)
schema = json.load(open(sys.argv[1]))
jsonschema.Draft7Validator.check_schema(schema)
for path in sys.argv[2:]:
    for error in jsonschema.Draft7Validator(schema).iter_errors(tomllib.load(open(path, "rb"))):
        sys.exit(f"{path}: {error.message}")
wrong = {"name": "x", "duration": 60, "model": {}, "topology": {"kind": "mesh", "nodes": 3}, "sede": 1}
assert len(list(jsonschema.Draft7Validator(schema).iter_errors(wrong))) == 2
"#;
    let schema = root().join("scenarios/schema.json");
    let output = match Command::new("python3").arg("-c").arg(script).arg(schema).args(shipped()).output() {
        Ok(output) => output,
        Err(error) => return eprintln!("skipped: python3 can't be started: {error}"),
    };
    if output.status.code() == Some(77) {
        return eprintln!("skipped: python3 has no jsonschema (apt-get install python3-jsonschema)");
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_catalogue_of_faults_is_current() {
    let path = root().join("docs/faults.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("<!-- kinds -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- /kinds -->").unwrap();
    assert_current(
        &path,
        &format!("{before}<!-- kinds -->\n{}<!-- /kinds -->{after}", emulator::fault::catalogue::table()),
    );
}
