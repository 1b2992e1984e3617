//! Scenario files with the faults that are asked for, and no others: what the search tries, and what it finds.

use std::path::{Path, PathBuf};
use std::time::Duration;

use planner::units::parse_duration;
use toml::{Table, Value};

use crate::scenario::Loaded;

/// A length below which a fault is not made shorter.
const SHORT: Duration = Duration::from_millis(200);

/// A scenario whose faults can be exchanged.
#[derive(Debug, Clone)]
pub struct Script {
    base: Table,
}

impl Script {
    /// Of a scenario as it was loaded from a file in `folder`, and the faults that it has: those written in `[[fault]]`,
    /// then those drawn. Files that it names are named from the root, so that a script may lie anywhere.
    pub fn of(loaded: &Loaded, folder: &Path) -> (Script, Vec<Table>) {
        let mut base = loaded.written.clone();
        base.remove("chaos");
        let mut faults = tables(base.remove("fault"));
        // It was written by this program, and read once already.
        let drawn: Table = toml::from_str(loaded.drawn()).unwrap_or_default();
        faults.extend(tables(drawn.get("fault").cloned()));
        // A seed beyond 63 bits can't be written in TOML, and so never came from there.
        if let Ok(seed) = i64::try_from(loaded.scenario.seed) {
            base.insert("seed".to_owned(), Value::Integer(seed));
        }
        for table in ["model", "topology"] {
            let path = base.get_mut(table).and_then(Value::as_table_mut).and_then(|table| table.get_mut("path"));
            if let Some(Value::String(path)) = path {
                let whole: PathBuf = std::path::absolute(folder.join(&*path)).unwrap_or_else(|_| folder.join(&*path));
                *path = whole.to_string_lossy().into_owned();
            }
        }
        (Script { base }, faults)
    }

    /// The file's text with these faults. `comment` stands above it, a line for each of its lines.
    pub fn with(&self, faults: &[Table], comment: &str) -> String {
        let mut whole = self.base.clone();
        if !faults.is_empty() {
            let faults = faults.iter().cloned().map(Value::Table).collect();
            whole.insert("fault".to_owned(), Value::Array(faults));
        }
        let comment: String = comment.lines().map(|line| format!("# {line}\n")).collect();
        // What was read from TOML can be written as TOML.
        comment + &toml::to_string(&whole).unwrap_or_default()
    }
}

fn tables(list: Option<Value>) -> Vec<Table> {
    let Some(Value::Array(list)) = list else { return Vec::new() };
    let table = |value| match value {
        Value::Table(table) => Some(table),
        _ => None,
    };
    list.into_iter().filter_map(table).collect()
}

/// The next smaller forms of a fault: half as long; with a group of one node less; with one thing less that it changes.
pub fn simpler(fault: &Table) -> Vec<Table> {
    let mut forms = Vec::new();
    let with = |key: &str, value: Value| {
        let mut form = fault.clone();
        form.insert(key.to_owned(), value);
        form
    };
    if let Some(Value::Array(groups)) = fault.get("groups")
        && let Some(Value::Array(first)) = groups.first()
        && first.len() > 1
    {
        let smaller = [Value::Array(first[..first.len() / 2].to_vec())];
        let groups = smaller.into_iter().chain(groups[1..].iter().cloned()).collect();
        forms.push(with("groups", Value::Array(groups)));
    }
    let lasting = fault.get("for").and_then(Value::as_str).and_then(|text| parse_duration(text).ok());
    if let Some(lasting) = lasting.filter(|lasting| *lasting > SHORT) {
        forms.push(with("for", Value::String(format!("{} ms", (lasting / 2).max(SHORT).as_millis()))));
    }
    // Of other kinds, what they say more is needed.
    let keys = if fault.get("kind").and_then(Value::as_str) == Some("degrade") { CHANGES } else { &[] };
    for &key in keys {
        let others = fault.keys().filter(|other| !FIXED.contains(&other.as_str()) && *other != key).count();
        if fault.contains_key(key) && others > 0 {
            let mut form = fault.clone();
            form.remove(key);
            forms.push(form);
        }
    }
    forms
}

/// What a degraded direction may have other values of.
const CHANGES: &[&str] = &["loss", "jitter", "reorder", "duplicate", "corrupt", "rate", "delay"];

/// Keys that say when and whom, not what.
const FIXED: [&str; 9] = ["kind", "at", "for", "every", "times", "optional", "target", "groups", "both"];

/// A fault in a few words: `kill n04 at 5120 ms for 800 ms`.
pub fn in_words(fault: &Table) -> String {
    let text = |key: &str| fault.get(key).map(plain).unwrap_or_default();
    let mut words = vec![text("kind"), text("target"), text("groups")];
    for key in ["at", "for", "every"] {
        if fault.contains_key(key) {
            words.push(format!("{key} {}", text(key)));
        }
    }
    let others = fault.iter().filter(|(key, _)| !FIXED.contains(&key.as_str()));
    words.extend(others.map(|(key, value)| format!("{key} {}", plain(value))));
    words.retain(|word| !word.is_empty());
    words.join(" ")
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) if list.iter().all(Value::is_array) => {
            list.iter().map(plain).collect::<Vec<_>>().join(" | ")
        }
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Overrides, read};

    const SCENARIO: &str = r#"
        name = "x"
        duration = "20 s"
        [model]
        name = "tiny-cnn"
        [topology]
        kind = "mesh"
        nodes = 8
        [chaos]
        rate = "90 /min"
        down = 3
        left = 3
        [[fault]]
        kind = "kill"
        target = "n03"
        at = "6 s"
        for = "1 s"
    "#;

    fn loaded(seed: u64) -> Loaded {
        read(SCENARIO, "x.toml", Path::new("."), &Overrides { set: Vec::new(), seed: Some(seed) }).unwrap()
    }

    #[test]
    fn a_script_with_all_faults_is_the_scenario_that_they_were_drawn_for() {
        for seed in 0..40 {
            let loaded = loaded(seed);
            let (script, faults) = Script::of(&loaded, Path::new("."));
            assert_eq!(faults.len(), loaded.scenario.faults.len());
            assert!(faults.len() > 1);
            let text = script.with(&faults, "All\nof them.");
            assert!(text.starts_with("# All\n# of them.\n"));
            let again = read(&text, "y.toml", Path::new("."), &Overrides::default()).unwrap();
            assert_eq!(again.scenario, loaded.scenario);
            let none = read(&script.with(&[], ""), "y.toml", Path::new("."), &Overrides::default()).unwrap();
            assert!(none.scenario.faults.is_empty());
        }
    }

    #[test]
    fn whatever_a_fault_is_made_into_is_a_fault_and_it_comes_to_an_end() {
        for seed in 0..20 {
            let (script, faults) = Script::of(&loaded(seed), Path::new("."));
            let mut forms = faults;
            for _ in 0..40 {
                forms = forms.iter().flat_map(simpler).collect();
                forms.dedup();
                forms.truncate(50);
                let text = script.with(&forms, "");
                if let Err(errors) = read(&text, "y.toml", Path::new("."), &Overrides::default()) {
                    panic!("{text}\n{}", errors.render(false, 100));
                }
            }
            assert!(forms.is_empty(), "{forms:?}");
        }
    }
}
