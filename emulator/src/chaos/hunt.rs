//! Seed after seed, until a run fails; then the fewest and smallest faults with which it still does.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;
use toml::Table;

use super::script::{Script, in_words, simpler};
use super::shrink::shrink;
use crate::child::{ChildError, Ended, Runner};
use crate::exit::Exit;
use crate::record::folder::{Folder, FolderError};
use crate::record::summary::Summary;
use crate::record::summary::words::in_words as how_it_ended;
use crate::scenario::{Overrides, ScenarioErrors, load, read};

/// The scenario as it was drawn for the seed that failed.
pub const DRAWN: &str = "drawn.toml";
/// The scenario with the faults that are left of it.
pub const MINIMAL: &str = "minimal.toml";

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Options {
    /// The scenario's file.
    pub scenario: PathBuf,
    /// `--set` of the command line.
    pub set: Vec<String>,
    /// The first seed; the scenario's when not given.
    pub seed: Option<u64>,
    /// How many seeds.
    pub runs: u32,
    /// Most runs that shrinking may take; 0: nothing is shrunk.
    pub tries: u32,
    /// How often a candidate is run before it is taken to hold: no two runs are the same.
    pub repeats: u32,
    /// Arguments that every `emu run` gets besides.
    pub arguments: Vec<String>,
    /// Folder that results are put into.
    pub results: PathBuf,
}

/// Why nothing could be hunted, or not to the end.
#[derive(Debug, thiserror::Error)]
pub enum HuntError {
    /// The scenario is wrong.
    #[error("the scenario is wrong")]
    Scenario(#[from] ScenarioErrors),
    /// There is nothing to draw.
    #[error("{} has no [chaos], so every seed would see the same faults; write [chaos] into it (docs/chaos.md)", .0.display())]
    NoChaos(PathBuf),
    /// A run can't be started.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// Results can't be kept.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// What is no longer needed can't be removed.
    #[error("can't remove {path}: {source}")]
    Remove {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl HuntError {
    /// The way of ending that this error means.
    pub fn exit(&self) -> Exit {
        match self {
            HuntError::Scenario(_) | HuntError::NoChaos(_) => Exit::Usage,
            _ => Exit::SetupFailed,
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hunted {
    /// The scenario's name.
    pub scenario: String,
    /// The first seed.
    pub first_seed: u64,
    /// Runs that held to everything.
    pub held: u32,
    /// The run that did not.
    pub failure: Option<Failure>,
    /// The exit code that this means.
    pub exit: u8,
    /// Where the files are.
    pub folder: PathBuf,
}

/// A run that failed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// What was not as it must be: an invariant or a key of `[expect]`, or `node_died`.
    pub broken: String,
    /// The first such thing, in words.
    pub text: String,
    /// The faults it had.
    pub faults: usize,
    /// The fewest and smallest faults with which it still fails the same way, in words; `None`: not looked for.
    pub minimal: Option<Vec<String>>,
    /// Runs that finding them took.
    pub tries: u32,
}

/// What a run came to.
enum Verdict {
    Held,
    /// It failed in these respects, the first told in words.
    Failed {
        broken: Vec<String>,
        text: String,
    },
    /// It could not be judged.
    Stopped(Exit),
}

/// Runs seed after seed. `say` is given what people want to see meanwhile.
///
/// # Errors
/// See [`HuntError`].
pub fn hunt(options: &Options, say: &mut dyn FnMut(&str)) -> Result<Hunted, HuntError> {
    let seeded = |seed: Option<u64>| load(&options.scenario, &Overrides { set: options.set.clone(), seed });
    let loaded = seeded(options.seed)?;
    if !loaded.written.contains_key("chaos") {
        return Err(HuntError::NoChaos(options.scenario.clone()));
    }
    let (name, first_seed) = (loaded.scenario.name.clone(), loaded.scenario.seed);
    let folder = Folder::create(&options.results, &format!("{name}-chaos"), jiff::Timestamp::now())?;
    let runner = Runner::new("run", options.arguments.clone())?;
    let mut hunted =
        Hunted { scenario: name, first_seed, held: 0, failure: None, exit: 0, folder: folder.final_path() };
    for number in 0..options.runs {
        let seed = first_seed.wrapping_add(u64::from(number));
        let loaded = seeded(Some(seed))?;
        let (script, faults) = Script::of(&loaded, options.scenario.parent().unwrap_or(Path::new("")));
        let began = Instant::now();
        folder.write(DRAWN, script.with(&faults, &format!("As drawn for seed {seed}.")))?;
        let place = Place { folder: folder.path(), runs: "run" };
        let ended = place.run(&runner, DRAWN)?;
        let title = format!("run {} of {}, seed {seed}, {} faults", number + 1, options.runs, faults.len());
        let took = format!("{:.0} s", began.elapsed().as_secs_f64());
        if let Some(exit) = runner.interrupted() {
            hunted.exit = exit.code();
            break;
        }
        match verdict(&ended) {
            Verdict::Held => {
                let requests = ended.summary.as_ref().map_or(0, |summary| summary.requests.completed);
                say(&format!("{title}: {requests} requests, all held ({took})"));
                hunted.held += 1;
                place.clear()?;
            }
            Verdict::Stopped(exit) => {
                say(&format!("{title}: it could not be run; what it said is in {}/run.log", hunted.folder.display()));
                hunted.exit = exit.code();
                break;
            }
            Verdict::Failed { broken, text } => {
                say(&format!("{title}: {text} ({took})"));
                let first = broken.first().unwrap_or(&text).clone();
                let failure = Failure { seed, broken: first, text, faults: faults.len(), minimal: None, tries: 0 };
                hunted.exit = ended.code;
                hunted.failure = Some(
                    Search { options, runner: &runner, folder: &folder, script: &script }
                        .search(failure, faults, say)?,
                );
                break;
            }
        }
    }
    folder.finish()?;
    Ok(hunted)
}

/// Where runs of one purpose leave what they leave.
struct Place<'a> {
    folder: &'a Path,
    runs: &'static str,
}

impl Place<'_> {
    fn run(&self, runner: &Runner, scenario: &str) -> Result<Ended, ChildError> {
        let log = self.folder.join(format!("{}.log", self.runs));
        // The seed is in the file.
        runner.run(&self.folder.join(scenario), None, &self.folder.join(self.runs), &log)
    }

    fn clear(&self) -> Result<(), HuntError> {
        let path = self.folder.join(self.runs);
        match fs::remove_dir_all(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(HuntError::Remove { path, source }),
            _ => Ok(()),
        }
    }
}

/// The search for the fewest faults.
struct Search<'a> {
    options: &'a Options,
    runner: &'a Runner,
    folder: &'a Folder,
    script: &'a Script,
}

/// The file of what is being tried.
const CANDIDATE: &str = "candidate.toml";

impl Search<'_> {
    fn search(&self, failure: Failure, faults: Vec<Table>, say: &mut dyn FnMut(&str)) -> Result<Failure, HuntError> {
        if self.options.tries == 0 {
            return Ok(failure);
        }
        say(&format!("shrinking: in at most {} runs", self.options.tries));
        let (mut tries, mut error) = (0, None);
        let mut known = BTreeSet::new();
        let smallest = shrink(faults, simpler, |candidate| {
            let text = self.script.with(candidate, "Tried while shrinking.");
            if known.contains(&text) {
                return Some(false);
            }
            let fails = self.fails(&failure.broken, &text, &mut tries).unwrap_or_else(|failed| {
                error = Some(failed);
                None
            })?;
            let held = if fails { "fails, too" } else { "holds" };
            say(&format!("  try {tries}: {} {held}", counted(candidate.len())));
            if !fails {
                known.insert(text);
            }
            Some(fails)
        });
        if let Some(error) = error {
            return Err(error);
        }
        let comment = format!(
            "Found by `emu chaos {}`: with seed {} it broke\n{}.\nOf {} these faults are enough. No two runs are the same: if one does not show it, repeat it.",
            self.options.scenario.display(),
            failure.seed,
            failure.text,
            counted(failure.faults),
        );
        self.folder.write(MINIMAL, self.script.with(&smallest, &comment))?;
        let _ = fs::remove_file(self.folder.path().join(CANDIDATE));
        Ok(Failure { minimal: Some(smallest.iter().map(in_words).collect()), tries, ..failure })
    }

    /// Whether a run of this scenario fails in the same respect; `None` when no more may be tried.
    fn fails(&self, broken: &str, text: &str, tries: &mut u32) -> Result<Option<bool>, HuntError> {
        // What is smaller may be no scenario any more.
        if read(text, CANDIDATE, Path::new(""), &Overrides::default()).is_err() {
            return Ok(Some(false));
        }
        self.folder.write(CANDIDATE, text)?;
        for _ in 0..self.options.repeats.max(1) {
            if *tries >= self.options.tries || self.runner.interrupted().is_some() {
                return Ok(None);
            }
            *tries += 1;
            let place = Place { folder: self.folder.path(), runs: "try" };
            let ended = place.run(self.runner, CANDIDATE)?;
            place.clear()?;
            if self.runner.interrupted().is_some() {
                return Ok(None);
            }
            match verdict(&ended) {
                Verdict::Failed { broken: found, .. } if found.iter().any(|name| name == broken) => {
                    return Ok(Some(true));
                }
                _ => {}
            }
        }
        Ok(Some(false))
    }
}

fn verdict(ended: &Ended) -> Verdict {
    let exit = Exit::from_code(ended.code);
    match (exit, &ended.summary) {
        (Some(Exit::Success), Some(_)) => Verdict::Held,
        (Some(Exit::ExpectFailed), Some(summary)) if !summary.violations.is_empty() => {
            let broken = summary.violations.iter().filter_map(|text| Some(text.split_once(':')?.0.to_owned()));
            Verdict::Failed { broken: broken.collect(), text: summary.violations[0].clone() }
        }
        (Some(Exit::NodeDied), Some(summary)) if !summary.died.is_empty() => {
            Verdict::Failed { broken: vec!["node_died".to_owned()], text: format!("node_died: {}", deaths(summary)) }
        }
        (exit, _) => Verdict::Stopped(exit.filter(|exit| *exit != Exit::Success).unwrap_or(Exit::SetupFailed)),
    }
}

fn deaths(summary: &Summary) -> String {
    let died = summary.died.iter().map(|death| format!("{}: {}", death.node, how_it_ended(death.cause)));
    died.collect::<Vec<_>>().join("; ")
}

fn counted(faults: usize) -> String {
    if faults == 1 { "1 fault".to_owned() } else { format!("{faults} faults") }
}
