//! From a file to a scenario, or to everything that is wrong with it.

use std::path::Path;

use super::error::{Mistake, Problem, ScenarioErrors};
use super::overrides::Overrides;
use super::resolve::capacity::check_capacity;
use super::source::{Companion, Place, Sources};
use super::{Scenario, parse, resolve};

/// A scenario and the texts it was made from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The scenario.
    pub scenario: Scenario,
    /// The text of its file, as it is.
    pub text: String,
    /// What the file says with the changes of the command line.
    pub written: toml::Table,
    sources: Sources,
    model: Place,
}

impl Loaded {
    /// What a run resolved, to be run again; `text` is what its file said.
    pub fn again(scenario: Scenario, text: &str) -> Loaded {
        let written = toml::from_str(text).unwrap_or_default();
        // The texts belong to a scenario that is read: nothing in this one is anybody's mistake.
        Loaded { scenario, text: text.to_owned(), written, sources: Sources::default(), model: Place::NOWHERE }
    }

    /// The faults that `[chaos]` drew, as they would be written; empty without any.
    pub fn drawn(&self) -> &str {
        self.sources.iter().find(|source| source.name == resolve::chaos::DRAWN).map_or("", |source| &source.text)
    }

    /// The files that the scenario names, but for its model.
    pub fn companions(&self) -> &[Companion] {
        self.sources.companions()
    }

    /// Checks that the model can fit into the workers' memory at all.
    ///
    /// # Errors
    /// What makes it impossible, with the place where the model is named.
    pub fn check_capacity(&self, profile: &planner::profile::ModelProfile) -> Result<(), ScenarioErrors> {
        let shortages = check_capacity(&self.scenario, profile);
        if shortages.is_empty() {
            return Ok(());
        }
        let problem =
            |shortage| Problem::new(Mistake::Meaning(resolve::mistake::Mistake::Capacity(shortage)), self.model);
        Err(ScenarioErrors::new(shortages.into_iter().map(problem).collect(), &self.sources))
    }
}

/// Loads a scenario from its file.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn load(path: &Path, overrides: &Overrides) -> Result<Loaded, ScenarioErrors> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let nearest = if error.kind() == std::io::ErrorKind::NotFound { nearest_file(path) } else { None };
        ScenarioErrors::one(&name, Mistake::Unreadable { path: name.clone(), reason: error.to_string(), nearest })
    })?;
    read(&text, &name, path.parent().unwrap_or(Path::new("")), overrides)
}

/// Reads a scenario from a text. `name` is what reports call it; files that it names (a matrix, a
/// model) are looked for in `folder`, and nothing else is read.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn read(text: &str, name: &str, folder: &Path, overrides: &Overrides) -> Result<Loaded, ScenarioErrors> {
    let mut sources = Sources::default();
    sources.add(name, text);
    let (mut entries, mut problems) = parse::toml(text);
    let broken: Vec<&str> = problems.iter().map(|problem| parse::line_around(text, problem.place.start())).collect();
    let is_toml = broken.is_empty();
    let mut others = overrides.apply(&mut entries, &mut sources);
    let written = parse::tree::table(&entries);
    let (raw, form) = parse::scenario(entries, Place::new(0, 0..0));
    others.extend(form);
    let mut scenario = None;
    if is_toml {
        problems.append(&mut others);
        scenario = raw.as_ref().and_then(|raw| resolve::resolve(raw, folder, &mut sources, &mut problems));
    } else {
        // What is not TOML may hide keys and garble values: only what is certain is told besides.
        let certain = |problem: &Problem| {
            let missing = matches!(problem.mistake, Mistake::Form(parse::mistake::Mistake::MissingKey { .. }));
            let at = problem.place.start();
            let lines = [parse::line_around(text, at), parse::header_above(text, at)];
            !missing && (at > text.len() || !lines.iter().any(|line| broken.contains(line)))
        };
        others.retain(certain);
        problems.append(&mut others);
    }
    match (scenario, raw) {
        (Some(scenario), Some(raw)) if problems.is_empty() => {
            let model = raw.model.get().map_or(Place::NOWHERE, |model| match model.name.place() {
                place if place.is_written() => place,
                _ => model.path.place(),
            });
            Ok(Loaded { scenario, text: text.to_owned(), written, sources, model })
        }
        _ => Err(ScenarioErrors::new(problems, &sources)),
    }
}

/// The scenario file next to `path` that was probably meant.
fn nearest_file(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let wanted = path.file_name()?.to_string_lossy().into_owned();
    let look = |folder: &Path| {
        let files = std::fs::read_dir(folder).ok()?;
        let mut names: Vec<String> =
            files.flatten().map(|file| file.file_name().to_string_lossy().into_owned()).collect();
        names.retain(|name| name.ends_with(".toml"));
        names.sort();
        let known: Vec<&str> = names.iter().flat_map(|name| [name.as_str(), name.trim_end_matches(".toml")]).collect();
        let nearest = parse::mistake::nearest(&wanted, known)?;
        let nearest = format!("{}.toml", nearest.trim_end_matches(".toml"));
        Some(folder.join(nearest).display().to_string())
    };
    look(folder).or_else(|| look(&folder.join("scenarios"))).filter(|found| Path::new(found).is_file())
}
