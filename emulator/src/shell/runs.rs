//! Which runs there are, and which one is meant.

use std::fs;
use std::path::{Path, PathBuf};

use super::alive::Alive;
use crate::record::outputs::{RESOLVED, SUMMARY};

/// How deep runs are looked for: `results/<sweep>/<cell>/<scenario>/<run>`.
const DEPTH: usize = 4;

/// A run's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Where it is at this moment.
    pub folder: PathBuf,
    /// The name that it has when the run is over: `<UTC time>-<id>`.
    pub name: String,
    /// The folder around it: the scenario's name.
    pub scenario: String,
    /// How far it has come.
    pub state: State,
}

/// How far a run has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It goes on.
    Alive(Alive),
    /// It ended in order, whatever its result.
    Ended,
    /// It was killed.
    Killed,
}

/// Why nobody can say which run is meant.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// There is no run at all.
    #[error("there is no run in {}; start one with emu run, or name another folder with --results", .0.display())]
    None(PathBuf),
    /// Nothing is called that.
    #[error("no run is called {what:?}; there are:{}", listed(known))]
    Unknown {
        /// What was asked for.
        what: String,
        /// Some that there are, newest first.
        known: Vec<String>,
    },
    /// Several are.
    #[error("{what:?} is in the names of several runs, say more of one:{}", listed(known))]
    Ambiguous {
        /// What was asked for.
        what: String,
        /// Those.
        known: Vec<String>,
    },
    /// It is over, or nothing goes on at all.
    #[error("{what} is not alive{}", alive(known))]
    NotAlive {
        /// What was asked for.
        what: String,
        /// Those that are.
        known: Vec<String>,
    },
}

fn listed(known: &[String]) -> String {
    known.iter().take(10).map(|name| format!("\n  {name}")).collect()
}

fn alive(known: &[String]) -> String {
    match known {
        [] => ", and no other run is; `emu run --keep` keeps a cluster up after its load".to_owned(),
        _ => format!("; these are:{}", listed(known)),
    }
}

impl Run {
    /// The run that a folder is; `None` if it is none.
    pub fn at(folder: &Path) -> Option<Run> {
        if !folder.join(RESOLVED).is_file() {
            return None;
        }
        let folder = fs::canonicalize(folder).ok()?;
        let file = folder.file_name()?.to_str()?;
        let partial = file.strip_prefix('.').and_then(|name| name.strip_suffix(".partial"));
        let state = match partial {
            None => State::Ended,
            Some(_) => Alive::read(&folder).filter(Alive::holds).map_or(State::Killed, State::Alive),
        };
        let name = partial.unwrap_or(file).to_owned();
        let scenario = folder.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        Some(Run { folder, name, scenario, state })
    }

    /// Scenario and name, as a user may type them.
    pub fn title(&self) -> String {
        format!("{}/{}", self.scenario, self.name)
    }

    /// Whether it goes on.
    pub fn is_alive(&self) -> bool {
        matches!(self.state, State::Alive(_))
    }

    /// What came out, if it has come so far.
    pub fn summary(&self) -> Option<crate::record::summary::Summary> {
        serde_json::from_slice(&fs::read(self.folder.join(SUMMARY)).ok()?).ok()
    }
}

/// The runs in a folder of results, newest first.
pub fn all(results: &Path) -> Vec<Run> {
    let mut runs = Vec::new();
    look(results, DEPTH, &mut runs);
    runs.sort_by(|a, b| (&b.name, &b.scenario).cmp(&(&a.name, &a.scenario)));
    runs
}

fn look(folder: &Path, depth: usize, runs: &mut Vec<Run>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        // Not through links: `latest` is a run that is there under its own name, too.
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        match Run::at(&entry.path()) {
            Some(run) => runs.push(run),
            None if depth > 1 => look(&entry.path(), depth - 1, runs),
            None => {}
        }
    }
}

/// What the folder of a run that is to be called `path` is called before it is over.
fn partial(path: &Path) -> Option<PathBuf> {
    Some(path.with_file_name(format!(".{}.partial", path.file_name()?.to_str()?)))
}

/// The run that `what` means: a folder, `latest`, or a part of a name that only one has. If it is to be `alive`, others
/// don't count where one has to be chosen.
///
/// # Errors
/// See [`FindError`].
pub fn find(results: &Path, what: &str, alive: bool) -> Result<Run, FindError> {
    let all = all(results);
    let titles = |runs: &[&Run]| runs.iter().map(|run| run.title()).collect::<Vec<String>>();
    let living = || titles(&all.iter().filter(|run| run.is_alive()).collect::<Vec<_>>());
    let fit = |run: &Run| !alive || run.is_alive();
    let checked = |run: Run| match fit(&run) {
        true => Ok(run),
        false => Err(FindError::NotAlive { what: run.title(), known: living() }),
    };
    let path = Path::new(what);
    if let Some(run) = Run::at(path).or_else(|| Run::at(&partial(path)?)) {
        return checked(run);
    }
    if all.is_empty() {
        return Err(FindError::None(results.to_owned()));
    }
    if what == "latest" {
        return match all.iter().find(|run| fit(run)) {
            Some(run) => Ok(run.clone()),
            None => Err(FindError::NotAlive { what: all[0].title(), known: Vec::new() }),
        };
    }
    let named: Vec<&Run> = all.iter().filter(|run| run.title().contains(what)).collect();
    let fitting: Vec<&Run> = named.iter().copied().filter(|run| fit(run)).collect();
    match (&fitting[..], &named[..]) {
        ([run], _) => Ok((*run).clone()),
        ([], []) => Err(FindError::Unknown { what: what.to_owned(), known: titles(&all.iter().collect::<Vec<_>>()) }),
        ([], [run, ..]) => Err(FindError::NotAlive { what: run.title(), known: living() }),
        (several, _) => Err(FindError::Ambiguous { what: what.to_owned(), known: titles(several) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(folders: &[&str]) -> tempfile::TempDir {
        let results = tempfile::tempdir().unwrap();
        for folder in folders {
            let folder = results.path().join(folder);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(RESOLVED), "{}").unwrap();
        }
        results
    }

    #[test]
    fn a_run_is_found_by_its_folder_a_part_of_its_name_or_as_the_latest() {
        let results =
            results(&["one/2026-01-01T00-00-00Z-aaaaaa", "two/.2026-01-02T00-00-00Z-bbbbbb.partial", "grid/c/one/x"]);
        let path = results.path();
        let name = |what: &str| find(path, what, false).map(|run| run.title());
        assert_eq!(all(path).len(), 3);
        assert_eq!(name("aaaa").unwrap(), "one/2026-01-01T00-00-00Z-aaaaaa");
        assert_eq!(name("two").unwrap(), "two/2026-01-02T00-00-00Z-bbbbbb");
        assert_eq!(name(path.join("grid/c/one/x").to_str().unwrap()).unwrap(), "one/x");
        assert_eq!(name(path.join("two/2026-01-02T00-00-00Z-bbbbbb").to_str().unwrap()).unwrap(), name("two").unwrap());
        assert_eq!(find(path, "two", false).unwrap().state, State::Killed);
        let several = name("2026").unwrap_err().to_string();
        assert!(several.contains("one/2026") && several.contains("two/2026"), "{several}");
        assert!(name("three").unwrap_err().to_string().contains("there are:"));
        assert!(matches!(find(path, "two", true), Err(FindError::NotAlive { .. })));
        assert!(matches!(find(path, "latest", true), Err(FindError::NotAlive { .. })));
        assert!(matches!(find(&path.join("nothing"), "latest", false), Err(FindError::None(_))));
    }

    #[test]
    fn a_run_whose_process_runs_is_alive() {
        let results = results(&["one/.2026-01-01T00-00-00Z-aaaaaa.partial"]);
        let folder = results.path().join("one/.2026-01-01T00-00-00Z-aaaaaa.partial");
        fs::write(folder.join(super::super::alive::ALIVE), serde_json::to_vec(&Alive::own()).unwrap()).unwrap();
        assert!(find(results.path(), "latest", true).unwrap().is_alive());
    }
}
