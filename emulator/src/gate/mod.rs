//! The gate: has throughput over a grid become worse, compared with another program or with what was stored?
//!
//! With the old program at hand, each **pair** is a run of the old and one of the new, one right after the other, with the same seed; which
//! comes first alternates over points and repetitions, so that whatever drifts on this host, and whatever a run leaves to the next, is as often
//! for the one as for the other ([`pairs`]). Without it, runs that were stored are the one half of the pairs, those of the same point and
//! seed; as they may be another host's, each run counts as its share of what its plan could have reached at most. Pairs are judged together
//! ([`decide`]).

pub mod decide;
pub mod pairs;
pub mod ranks;
mod summed;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use node::digest::digest;
use serde::Serialize;

use self::decide::{Judgement, Limits};
use self::pairs::{Home, Side, stored};
use crate::child::{ChildError, Runner};
use crate::compare::runs::{Run, RunsError};
use crate::exit::Exit;
use crate::scenario::ScenarioErrors;
use crate::sweep::grid::{Vary, grid, loaded};
use crate::sweep::{plain, rounded};

/// What the new program is compared with.
#[derive(Debug, Clone)]
pub enum Before {
    /// Another program, which runs in turn with it.
    Program(PathBuf),
    /// The folder of a gate or a sweep, or of runs.
    Stored(PathBuf),
}

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Options {
    /// The scenario's file.
    pub scenario: PathBuf,
    /// What varies; nothing: the scenario as it is.
    pub vary: Vec<Vary>,
    /// Pairs at each point.
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
    /// The program that is judged; `None`: this one.
    pub new: Option<PathBuf>,
    /// What it is compared with.
    pub before: Before,
    /// What the gate is asked for.
    pub limits: Limits,
}

/// Why a gate could not be made, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The scenario is wrong at this point.
    #[error("the scenario is wrong with {point}")]
    Scenario {
        /// The point.
        point: String,
        /// The mistakes.
        errors: ScenarioErrors,
    },
    /// A program can't be read.
    #[error("{}: {source}; --against and --new take the file of a program that does what emu does", path.display())]
    Program {
        /// It.
        path: PathBuf,
        /// Why.
        source: io::Error,
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
    /// There is nothing to compare with.
    #[error("{} has no run of {point} with a seed from {from} to {to}; --baseline takes the folder of a gate or a sweep of the same scenario, with the same --vary", folder.display())]
    NoBaseline {
        /// The baseline.
        folder: PathBuf,
        /// The point.
        point: String,
        /// The first seed.
        from: u64,
        /// The last.
        to: u64,
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

impl GateError {
    /// The way of ending that this error means.
    pub fn exit(&self) -> Exit {
        match self {
            GateError::Scenario { .. } | GateError::Program { .. } | GateError::NoBaseline { .. } => Exit::Usage,
            // One that came to no summary has no result, whatever it says of it.
            GateError::Run { code: 0 | 1 | 7, .. } => Exit::SetupFailed,
            GateError::Run { code, .. } => Exit::from_code(*code).unwrap_or(Exit::SetupFailed),
            _ => Exit::SetupFailed,
        }
    }
}

/// What a run counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Its throughput, in results per second.
    Throughput,
    /// Its throughput as a share of what its plan, load and host allow at most.
    Share,
}

/// What came of a point. It is told, not judged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Seen {
    /// The point, as `name=value`; the scenario's name if nothing varies.
    pub name: String,
    /// Its pairs.
    pub pairs: usize,
    /// The median before.
    pub old: f64,
    /// The median after.
    pub new: f64,
    /// The change that its pairs have in common: −0.15 is a loss of 15 %.
    pub change: f64,
    /// The least and the greatest change of any of them.
    pub range: (f64, f64),
    /// Runs of the new program in which an expectation or an invariant failed.
    pub failed: Vec<PathBuf>,
}

/// The ends of the curve along which the shape is judged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ends {
    /// The key, as the user named it.
    pub over: String,
    /// Its least value.
    pub from: f64,
    /// Its greatest.
    pub to: f64,
}

/// What came of a gate.
#[derive(Debug, Clone, Serialize)]
pub struct Gated {
    /// The scenario's name.
    pub scenario: String,
    /// Its file, as the user named it.
    pub file: PathBuf,
    /// What is before.
    pub old: PathBuf,
    /// What is after.
    pub new: PathBuf,
    /// What runs count as.
    pub measure: Measure,
    /// What was asked for.
    pub limits: Limits,
    /// The points.
    pub points: Vec<Seen>,
    /// The curve, if there is one.
    pub ends: Option<Ends>,
    /// What all pairs tell.
    pub judgement: Judgement,
    /// In what respect it may not be trustworthy.
    pub warnings: Vec<String>,
    /// Whether it was interrupted before all pairs were made.
    pub interrupted: bool,
    /// Where the files are.
    pub folder: PathBuf,
}

impl Gated {
    /// Runs of the new program in which an expectation or an invariant failed. They fail the gate, however fast they were.
    pub fn failed(&self) -> impl Iterator<Item = &PathBuf> {
        self.points.iter().flat_map(|point| &point.failed)
    }
}

/// A pair by point and seed: the run before and the one after.
type Paired = (usize, u64, Run, Run);

/// Makes the pairs that are missing, and judges all. `say` is told of each pair.
///
/// # Errors
/// See [`GateError`]. Pairs that were made before are kept, and the same gate goes on from there.
pub fn gate(options: &Options, say: &mut dyn FnMut(&str)) -> Result<(Gated, Option<Exit>), GateError> {
    let points = grid(&options.vary);
    let first = loaded(&options.scenario, &points, &options.set, options.seed)
        .map_err(|(point, errors)| GateError::Scenario { point: point.to_string(), errors })?;
    let (name, seed) = (first.scenario.name.clone(), first.scenario.seed);
    let seeds: Vec<u64> = (0..u64::from(options.repeat)).map(|repetition| seed.wrapping_add(repetition)).collect();
    // Read before anything runs: a baseline of something else is no matter of hours.
    let baseline = match &options.before {
        Before::Program(_) => None,
        Before::Stored(folder) => Some(stored(folder, &points, &seeds, &name)?),
    };
    let runner = Runner::new(options.command, options.arguments.clone())?;
    let new = options.new.as_ref().map_or_else(|| Ok(runner.clone()), |program| another(&runner, program))?;
    let (old, old_name) = match &options.before {
        Before::Program(program) => (Some(another(&runner, program)?), program),
        Before::Stored(folder) => (None, folder),
    };
    let folder = folder(options, &name, &first.text, old.as_ref(), &new)?;
    let home = Home { options, old: old.as_ref(), new: &new, points: &points, name: &name, folder: &folder };

    let all = seeds.iter().flat_map(|seed| (0..points.len()).map(move |point| (point, *seed)));
    let there = |(point, seed): &(usize, u64)| baseline.as_ref().is_none_or(|runs| runs[*point].contains_key(seed));
    let all: Vec<(usize, u64)> = all.filter(there).collect();
    let missing: Vec<(usize, u64)> = all.iter().copied().filter(|(point, seed)| !home.has(*point, *seed)).collect();
    let began = Instant::now();
    for (index, (point, seed)) in missing.iter().enumerate() {
        let Some(came) = home.make(*point, *seed)? else { break };
        let made = index as u32 + 1;
        let left = began.elapsed() / made * (missing.len() as u32 - made);
        let total = missing.len();
        say(&format!("{made}/{total} {}, seed {seed}: {came}/s, {} left", home.named(*point), rounded(left)));
    }

    let mut pairs: Vec<Paired> = Vec::new();
    for (point, seed) in all.into_iter().filter(|(point, seed)| home.has(*point, *seed)) {
        let old = match &baseline {
            Some(runs) => runs[point][&seed].clone(),
            None => home.read(point, seed, Side::Old)?,
        };
        pairs.push((point, seed, old, home.read(point, seed, Side::New)?));
    }
    let interrupted = runner.interrupted();
    let names: Vec<String> = (0..points.len()).map(|point| home.named(point)).collect();
    let measure = if baseline.is_some() { Measure::Share } else { Measure::Throughput };
    let judged = summed::Summed::of(&pairs, &names, &options.vary, &points, measure, options.limits);
    let summed::Summed { points, ends, judgement, mut warnings } = judged;
    let fewer = points.iter().map(|point| point.pairs).min().filter(|least| *least < seeds.len());
    if let (Some(least), Some(_)) = (fewer, &baseline) {
        warnings.push(format!("the baseline has only {least} of the {} repetitions of some point", seeds.len()));
    }
    let gated = Gated {
        scenario: name,
        file: options.scenario.clone(),
        old: old_name.clone(),
        new: new.program().to_owned(),
        measure,
        limits: options.limits,
        points,
        ends,
        judgement,
        warnings,
        interrupted: interrupted.is_some(),
        folder,
    };
    Ok((gated, interrupted))
}

/// A runner of another program.
fn another(runner: &Runner, program: &Path) -> Result<Runner, GateError> {
    // A name without a folder would be looked for elsewhere.
    let program =
        fs::canonicalize(program).map_err(|source| GateError::Program { path: program.to_owned(), source })?;
    Ok(runner.of(&program))
}

/// The gate's folder. Its name follows from what is compared and how, so that the same command finds it again, and none finds the runs of
/// other programs.
fn folder(options: &Options, name: &str, text: &str, old: Option<&Runner>, new: &Runner) -> Result<PathBuf, GateError> {
    let content = |runner: &Runner| {
        let path = runner.program().to_owned();
        fs::read(&path).map(|bytes| digest(&bytes).to_string()).map_err(|source| GateError::Program { path, source })
    };
    let old = old.map_or(Ok("stored".to_owned()), content)?;
    let kind = [text.to_owned(), options.command.to_owned(), old, content(new)?];
    let kind = [&kind[..], &options.set[..], &options.arguments[..]].concat();
    let id = digest(kind.join("\n").as_bytes()) & 0xff_ffff;
    let folder = options.results.join(format!("{}-gate", plain(name))).join(format!("{id:06x}"));
    let at = |source| GateError::Folder { path: folder.clone(), source };
    fs::create_dir_all(&folder).map_err(at)?;
    fs::copy(&options.scenario, folder.join("scenario.toml")).map_err(at)?;
    Ok(folder)
}
