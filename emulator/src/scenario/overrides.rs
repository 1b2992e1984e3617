//! What the command line changes in a scenario: `--set key=value` and `--seed`.

use super::error::Problem;
use super::parse::mistake::Mistake;
use super::parse::tree::{self, Entry, Node, Value};
use super::source::{Place, Sources};

/// Changes to a scenario's text, made before it is read: what they do is checked like the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `key=value`: the key with dots (`topology.nodes`, `fault.0.at`, `node.camera.memory`), the value
    /// as TOML or, where it isn't, as text (`duration=60 s`).
    pub set: Vec<String>,
    /// The seed, whatever else says.
    pub seed: Option<u64>,
}

impl Overrides {
    /// Puts the changes into the file's entries. Each gets a text of its own in `sources`, so that
    /// a mistake in it is shown where it was made.
    pub fn apply(&self, entries: &mut Vec<Entry>, sources: &mut Sources) -> Vec<Problem> {
        let mut problems = Vec::new();
        let seed = self.seed.map(|seed| ("--seed", format!("seed={seed}")));
        for (option, text) in self.set.iter().map(|text| ("--set", text.clone())).chain(seed) {
            let base = sources.add(option, &text);
            let whole = Place::new(base, 0..text.len());
            let problem = match read(&text, base) {
                Some((path, value)) => insert(entries, &path, value).err(),
                None => Some(Box::new(Problem::new(Mistake::NotAnOverride { text }.into(), whole))),
            };
            problems.extend(problem.map(|problem| *problem));
        }
        problems
    }
}

/// A piece of a key with dots, and where it is.
type Step = (String, Place);

fn read(text: &str, base: usize) -> Option<(Vec<Step>, Node)> {
    let (key, value) = text.split_once('=')?;
    // The key is read as TOML, so that it may hold quoted pieces.
    let (mut entries, errors) = tree::document(&format!("{key}=0"), base);
    let mut path = Vec::new();
    while errors.is_empty() && entries.len() == 1 {
        let Entry { key, place, node } = entries.remove(0);
        path.push((key, place));
        match node.value {
            Value::Table(inner) => entries = inner,
            _ => break,
        }
    }
    if path.is_empty() {
        return None;
    }
    let start = key.len() + 1;
    let place = Place::new(base, start..text.len());
    let text = || Node { value: Value::Text(value.trim().to_owned()), place };
    Some((path, tree::value(value, base + start).unwrap_or_else(text)))
}

fn insert(entries: &mut Vec<Entry>, path: &[Step], value: Node) -> Result<(), Box<Problem>> {
    let Some(((key, place), rest)) = path.split_first() else { return Ok(()) };
    let found = entries.iter().position(|entry| entry.key == *key);
    let entry = match found {
        Some(index) => &mut entries[index],
        None if rest.first().is_some_and(|(step, _)| step.parse::<usize>().is_ok()) => {
            let (list, element) = (key.clone(), rest[0].0.clone());
            return Err(Problem::new(Mistake::NoSuchElement { list, element, count: 0 }.into(), rest[0].1).into());
        }
        None => {
            let node = Node { value: Value::Table(Vec::new()), place: *place };
            entries.push(Entry { key: key.clone(), place: *place, node });
            let last = entries.len() - 1;
            &mut entries[last]
        }
    };
    if rest.is_empty() {
        (entry.place, entry.node) = (*place, value);
        return Ok(());
    }
    into(&mut entry.node, key, rest, value)
}

fn into(node: &mut Node, key: &str, rest: &[Step], value: Node) -> Result<(), Box<Problem>> {
    let Some(((element, place), deeper)) = rest.split_first() else {
        *node = value;
        return Ok(());
    };
    match &mut node.value {
        Value::Table(inner) => insert(inner, rest, value),
        Value::List(elements) => {
            let count = elements.len();
            let named = |node: &Node| matches!(&node.value, Value::Table(entries) if name_of(entries) == Some(element));
            let index = element.parse().ok().or_else(|| elements.iter().position(named));
            match index.and_then(|index: usize| elements.get_mut(index)) {
                Some(inner) => into(inner, element, deeper, value),
                None => {
                    let (list, element) = (key.to_owned(), element.clone());
                    Err(Problem::new(Mistake::NoSuchElement { list, element, count }.into(), *place).into())
                }
            }
        }
        other => {
            let mistake = Mistake::NothingInside { key: key.to_owned(), found: other.type_name() };
            Err(Problem::new(mistake.into(), *place).into())
        }
    }
}

fn name_of(entries: &[Entry]) -> Option<&String> {
    entries.iter().find(|entry| entry.key == "name").and_then(|entry| match &entry.node.value {
        Value::Text(name) => Some(name),
        _ => None,
    })
}
