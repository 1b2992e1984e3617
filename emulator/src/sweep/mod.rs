//! A scenario over a grid of values, several times each.
//!
//! Every run is a child process, as if a user had started it. Repetition after repetition goes once over the whole grid, so that
//! whatever drifts on this host drifts alike for all points; each repetition has a seed of its own, the same for all points.
//! All lands in one folder whose name follows from the scenario, so the same command again goes on where it was left, and further
//! values or repetitions add to what is there.

pub mod grid;
pub mod usl;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use node::digest::digest;
use serde::Serialize;

use self::grid::{Point, Row, Vary, grid, loaded, rows};
use self::usl::{Fit, fit};
use crate::child::{ChildError, Ended, Runner, landed};
use crate::compare::runs::{RunsError, Set, within};
use crate::compare::{Comparison, Metric};
use crate::exit::Exit;
use crate::scenario::ScenarioErrors;

/// The runs, a folder for each point.
const RUNS: &str = "runs";
/// Where the run lands that goes on.
const PRESENT: &str = ".present";
/// What the last run said that could not be counted.
pub const FAILED: &str = "failed.log";

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Options {
    /// The scenario's file.
    pub scenario: PathBuf,
    /// What varies.
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

/// Why a sweep could not be made, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
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
    #[error("the run with {point}, seed {seed} ended with exit code {code}; what it said is in {}", log.display())]
    Run {
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

impl SweepError {
    /// The way of ending that this error means.
    pub fn exit(&self) -> Exit {
        match self {
            SweepError::Scenario { .. } => Exit::Usage,
            SweepError::Run { code, .. } => Exit::from_code(*code).unwrap_or(Exit::SetupFailed),
            _ => Exit::SetupFailed,
        }
    }
}

/// How throughput scales with a key that is a number, all else equal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curve {
    /// The key, as the user named it.
    pub over: String,
    /// What else is set, as `name=value`.
    pub with: String,
    /// The points on it, by their index, with their value of the key.
    pub points: Vec<(usize, f64)>,
    /// The law that fits; `None`: there are too few values.
    pub fit: Option<Fit>,
}

/// What came of a sweep.
#[derive(Debug, Serialize)]
pub struct Swept {
    /// The scenario's name.
    pub scenario: String,
    /// What varied, in the order of the command line.
    pub over: Vec<String>,
    /// Each point as a set of runs, compared with the first.
    pub points: Comparison,
    /// What throughput could have been at most at each point, in the middle of its runs.
    pub bounds: Vec<Option<f64>>,
    /// Throughput over each key of which all values are numbers.
    pub curves: Vec<Curve>,
    /// Runs in which an expectation or an invariant failed: they count, and are told.
    pub failed: Vec<PathBuf>,
    /// Whether it was interrupted before all runs were made.
    pub interrupted: bool,
    /// Where the files are.
    pub folder: PathBuf,
}

/// Makes the runs that are missing, and sums all up. `say` is told of each run.
///
/// # Errors
/// See [`SweepError`]. Runs that were made before are kept, and the next sweep goes on from there.
pub fn sweep(options: &Options, say: &mut dyn FnMut(&str)) -> Result<(Swept, Option<Exit>), SweepError> {
    let points = grid(&options.vary);
    let first = loaded(&options.scenario, &points, &options.set, options.seed)
        .map_err(|(point, errors)| SweepError::Scenario { point: point.to_string(), errors })?;
    let (name, seed) = (first.scenario.name.clone(), first.scenario.seed);
    let kind = [&[first.text.clone(), options.command.to_owned()], &options.set[..], &options.arguments[..]].concat();
    let id = digest(kind.join("\n").as_bytes()) & 0xff_ffff;
    let folder = options.results.join(format!("{}-sweep", plain(&name))).join(format!("{id:06x}"));
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| SweepError::Folder { path, source }
    };
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    fs::copy(&options.scenario, folder.join("scenario.toml")).map_err(at(&folder))?;

    let missing = missing(options, &points, &folder, seed)?;
    let runner = Runner::new(options.command, options.arguments.clone())?;
    let began = Instant::now();
    for (index, (point, seed)) in missing.iter().enumerate() {
        if runner.interrupted().is_some() {
            break;
        }
        let point = &points[*point];
        let ended = one(options, &runner, point, *seed, &folder)?;
        if runner.interrupted().is_some() {
            break;
        }
        let made = index as u32 + 1;
        let left = began.elapsed() / made * (missing.len() as u32 - made);
        let came = ended.summary.map_or_else(String::new, |summary| format!("{:.2}/s, ", summary.throughput_per_s));
        say(&format!("{made}/{} {point}, seed {seed}: {came}{} left", missing.len(), rounded(left)));
    }
    let swept = summed_up(options, &points, name, folder)?;
    let interrupted = runner.interrupted();
    Ok((Swept { interrupted: interrupted.is_some(), ..swept }, interrupted))
}

/// The runs that are not there yet: point and seed, repetition after repetition.
fn missing(options: &Options, points: &[Point], folder: &Path, first: u64) -> Result<Vec<(usize, u64)>, SweepError> {
    let mut there = Vec::new();
    for point in points {
        let runs = within(&folder.join(RUNS).join(point.folder()))?;
        there.push(runs.into_iter().map(|run| run.seed).collect::<Vec<_>>());
    }
    let seeds = (0..u64::from(options.repeat)).map(|repetition| first.wrapping_add(repetition));
    let all = seeds.flat_map(|seed| (0..points.len()).map(move |point| (point, seed)));
    Ok(all.filter(|(point, seed)| !there[*point].contains(seed)).collect())
}

/// Makes a run and puts it where it belongs.
fn one(options: &Options, runner: &Runner, point: &Point, seed: u64, folder: &Path) -> Result<Ended, SweepError> {
    let (present, log) = (folder.join(PRESENT), folder.join(FAILED));
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| SweepError::Folder { path, source }
    };
    if present.exists() {
        fs::remove_dir_all(&present).map_err(at(&present))?;
    }
    let set: Vec<String> = options.set.iter().chain(&point.set).map(|set| format!("--set={set}")).collect();
    let ended = runner.run_with(&options.scenario, &set, Some(seed), &present, &log)?;
    if runner.interrupted().is_none() {
        // An expectation that failed is a result, too.
        if !matches!(ended.code, 0 | 1) || ended.summary.is_none() {
            return Err(SweepError::Run { point: point.to_string(), seed, code: ended.code, log });
        }
        let home = folder.join(RUNS).join(point.folder());
        fs::create_dir_all(&home).map_err(at(&home))?;
        if let Some(run) = landed(&present).map_err(at(&present))? {
            let to = home.join(run.file_name().unwrap_or_default());
            fs::rename(&run, &to).map_err(at(&to))?;
        }
        fs::remove_file(&log).map_err(at(&log))?;
    }
    fs::remove_dir_all(&present).map_err(at(&present))?;
    Ok(ended)
}

/// Everything that is there of these points.
fn summed_up(options: &Options, points: &[Point], scenario: String, folder: PathBuf) -> Result<Swept, SweepError> {
    let mut sets = Vec::new();
    for point in points {
        sets.push(Set { name: point.to_string(), runs: within(&folder.join(RUNS).join(point.folder()))? });
    }
    let failed =
        sets.iter().flat_map(|set| &set.runs).filter(|run| run.exit != 0).map(|run| run.folder.clone()).collect();
    let mut curves = Vec::new();
    for (key, vary) in options.vary.iter().enumerate() {
        curves.extend(over(key, vary, points, &sets, options.seed.unwrap_or_default()));
    }
    let mut comparison = Comparison::of(&sets);
    // That points differ is the matter here, and what failed is told by itself.
    comparison.warnings.clear();
    let bounds = sets.iter().map(bound).collect();
    let over = options.vary.iter().map(|vary| vary.name.clone()).collect();
    Ok(Swept { scenario, over, points: comparison, bounds, curves, failed, interrupted: false, folder })
}

/// The median of what its runs could have reached at most.
fn bound(set: &Set) -> Option<f64> {
    let mut bounds: Vec<f64> =
        set.runs.iter().filter_map(|run| run.bound.as_ref().map(|bound| bound.throughput_per_s)).collect();
    bounds.sort_by(f64::total_cmp);
    let last = bounds.len().checked_sub(1)?;
    Some(bounds[last / 2].midpoint(bounds[bounds.len() / 2]))
}

/// The curves over a key.
fn over(key: usize, vary: &Vary, points: &[Point], sets: &[Set], seed: u64) -> Vec<Curve> {
    let curve = |Row { over, with, points }: Row| {
        let samples = points
            .iter()
            .flat_map(|(index, value)| sets[*index].runs.iter().map(move |run| (*value, run.throughput_per_s)));
        let fit = fit(&samples.collect::<Vec<_>>(), seed);
        Curve { over, with, points, fit }
    };
    rows(key, vary, points).into_iter().map(curve).collect()
}

/// A time as a person would say it.
pub(crate) fn rounded(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds < 90 => format!("{seconds} s"),
        seconds if seconds < 5400 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{:.1} h", seconds as f64 / 3600.0),
    }
}

/// A name that can be a folder's.
pub(crate) fn plain(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_alphanumeric() || "-_+".contains(c) { c } else { '_' }).collect();
    if name.is_empty() { "_".to_owned() } else { name }
}

/// Metrics of a sweep that are drawn over a key.
pub const DRAWN: [Metric; 3] = [Metric::Throughput, Metric::P50, Metric::P99];
