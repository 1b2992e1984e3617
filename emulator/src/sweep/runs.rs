//! Runs at the points of a grid, each a child process: what a sweep and a gate have in common.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use node::digest::digest;

use super::grid::{Point, Vary, grid};
use crate::child::{ChildError, Runner, landed};
use crate::compare::runs::RunsError;
use crate::exit::Exit;
use crate::record::summary::Summary;
use crate::scenario::{Loaded, Overrides, ScenarioErrors, load};

/// The runs, a folder for each point.
pub const RUNS: &str = "runs";
/// What the last run said that could not be counted.
const FAILED: &str = "failed.log";
/// Where the run or the pair is that is being made.
const PRESENT: &str = ".present";

/// A scenario, what varies in it, and how it is run.
#[derive(Debug, Clone)]
pub struct Grid {
    /// The scenario's file.
    pub scenario: PathBuf,
    /// What varies; nothing: the scenario as it is.
    pub vary: Vec<Vary>,
    /// How often each point is run.
    pub repeat: u32,
    /// `--set` of the command line.
    pub set: Vec<String>,
    /// The seed of the first repetition; the scenario's when not given.
    pub seed: Option<u64>,
    /// `run` or `simulate`.
    pub command: &'static str,
    /// Arguments that every run gets besides.
    pub arguments: Vec<String>,
    /// Folder that results are put into.
    pub results: PathBuf,
}

/// Why the runs of a grid could not be made, or not all of them.
#[derive(Debug, thiserror::Error)]
pub enum GridError {
    /// The scenario is wrong at this point.
    #[error("the scenario is wrong with {point}")]
    Scenario {
        /// The point.
        point: String,
        /// The mistakes.
        errors: ScenarioErrors,
    },
    /// A run can't be started.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// What runs left can't be read.
    #[error(transparent)]
    Runs(#[from] RunsError),
    /// The folder can't be used.
    #[error("{}: {source}", path.display())]
    Folder {
        /// What of it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A run ended in a way that says nothing of the scenario.
    #[error("the run of {} with {point}, seed {seed} ended with exit code {code}; what it said is in {}", program.display(), log.display())]
    Run {
        /// What ran.
        program: PathBuf,
        /// The point.
        point: String,
        /// The seed.
        seed: u64,
        /// The exit code.
        code: u8,
        /// Its words.
        log: PathBuf,
    },
}

impl GridError {
    /// The way of ending that this error means.
    pub fn exit(&self) -> Exit {
        match self {
            GridError::Scenario { .. } => Exit::Usage,
            // One that came to no summary has no result, whatever it says of it.
            GridError::Run { code: 0 | 1 | 7, .. } => Exit::SetupFailed,
            GridError::Run { code, .. } => Exit::from_code(*code).unwrap_or(Exit::SetupFailed),
            _ => Exit::SetupFailed,
        }
    }

    fn at(path: &Path) -> impl FnOnce(io::Error) -> GridError {
        let path = path.to_owned();
        move |source| GridError::Folder { path, source }
    }
}

/// A run that was made.
pub struct Made {
    /// What came of it.
    pub summary: Summary,
    /// Where it is.
    pub folder: PathBuf,
}

impl Grid {
    /// The points, and the scenario as it is at the first of them. It is read as it is at each.
    ///
    /// # Errors
    /// [`GridError::Scenario`]: the first point with mistakes.
    pub fn read(&self) -> Result<(Vec<Point>, Loaded), GridError> {
        let read = |point: &Point| {
            let set: Vec<String> = self.set.iter().chain(&point.set).cloned().collect();
            let loaded = load(&self.scenario, &Overrides { set, seed: self.seed });
            loaded.map_err(|errors| GridError::Scenario { point: point.to_string(), errors })
        };
        let (points, as_it_is) = (grid(&self.vary), Point::default());
        let (first, others) = points.split_first().unwrap_or((&as_it_is, &[]));
        let loaded = read(first)?;
        others.iter().try_for_each(|point| read(point).map(drop))?;
        Ok((points, loaded))
    }

    /// Points, by their index, and seeds: repetition after repetition, so that whatever drifts on this host drifts alike for all points.
    pub fn order(&self, points: usize, first_seed: u64) -> impl Iterator<Item = (usize, u64)> {
        self.seeds(first_seed).flat_map(move |seed| (0..points).map(move |point| (point, seed)))
    }

    /// The seeds of the repetitions.
    pub fn seeds(&self, first: u64) -> impl Iterator<Item = u64> + use<> {
        (0..u64::from(self.repeat)).map(move |repetition| first.wrapping_add(repetition))
    }

    /// The folder of what is made of this grid, for example of a `sweep`. Its name follows from the scenario, from how it is run and from `what`
    /// runs, so that the same command finds it again, and no other does.
    ///
    /// # Errors
    /// [`GridError::Folder`].
    pub fn folder(&self, verb: &str, first: &Loaded, what: &[String]) -> Result<PathBuf, GridError> {
        let kind = [&[first.text.clone(), self.command.to_owned()], what, &self.set[..], &self.arguments[..]].concat();
        let id = digest(kind.join("\n").as_bytes()) & 0xff_ffff;
        let name = format!("{}-{verb}", plain(&first.scenario.name));
        let folder = self.results.join(name).join(format!("{id:06x}"));
        fs::create_dir_all(&folder).map_err(GridError::at(&folder))?;
        let copy = folder.join("scenario.toml");
        fs::copy(&self.scenario, &copy).map_err(GridError::at(&copy))?;
        Ok(folder)
    }

    /// An empty place in the grid's folder, for what is being made.
    ///
    /// # Errors
    /// [`GridError::Folder`].
    pub fn present(&self, folder: &Path) -> Result<PathBuf, GridError> {
        let present = folder.join(PRESENT);
        if present.exists() {
            remove(&present)?;
        }
        fs::create_dir_all(&present).map_err(GridError::at(&present))?;
        Ok(present)
    }

    /// Makes a run, which lands somewhere in `results`; `None`: it was interrupted. An expectation that failed is a result, too.
    ///
    /// # Errors
    /// [`GridError::Run`]; what it said is kept in the grid's `folder` then.
    pub fn run(
        &self,
        runner: &Runner,
        point: &Point,
        seed: u64,
        results: &Path,
        folder: &Path,
    ) -> Result<Option<Made>, GridError> {
        let log = folder.join(FAILED);
        let set: Vec<String> = self.set.iter().chain(&point.set).map(|set| format!("--set={set}")).collect();
        let ended = runner.run_with(&self.scenario, &set, Some(seed), results, &log)?;
        if runner.interrupted().is_some() {
            return Ok(None);
        }
        if let (0 | 1, Some(summary)) = (ended.code, ended.summary)
            && let Some(folder) = landed(results).map_err(GridError::at(results))?
        {
            fs::remove_file(&log).map_err(GridError::at(&log))?;
            return Ok(Some(Made { summary, folder }));
        }
        let (program, point) = (runner.program().to_owned(), point.to_string());
        Err(GridError::Run { program, point, seed, code: ended.code, log })
    }
}

/// Moves a folder, and makes those that it is to lie in.
///
/// # Errors
/// [`GridError::Folder`].
pub fn put(from: &Path, to: &Path) -> Result<(), GridError> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(GridError::at(parent))?;
    }
    fs::rename(from, to).map_err(GridError::at(to))
}

/// Removes a folder with all in it.
///
/// # Errors
/// [`GridError::Folder`].
pub fn remove(folder: &Path) -> Result<(), GridError> {
    fs::remove_dir_all(folder).map_err(GridError::at(folder))
}

/// How far it has come.
#[derive(Debug)]
pub struct Pace {
    began: Instant,
    total: usize,
}

impl Pace {
    /// At the beginning of so many.
    pub fn new(total: usize) -> Pace {
        Pace { began: Instant::now(), total }
    }

    /// What there is to say when so many are made, of which the last came to this.
    pub fn said(&self, made: usize, what: &str, came: &str) -> String {
        let left = self.began.elapsed().mul_f64((self.total - made) as f64 / made as f64);
        format!("{made}/{} {what}: {came}/s, {} left", self.total, rounded(left))
    }
}

/// A time as a person would say it.
fn rounded(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds < 90 => format!("{seconds} s"),
        seconds if seconds < 5400 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{:.1} h", seconds as f64 / 3600.0),
    }
}

/// A name that can be a folder's.
fn plain(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_alphanumeric() || "-_+".contains(c) { c } else { '_' }).collect();
    if name.is_empty() { "_".to_owned() } else { name }
}
