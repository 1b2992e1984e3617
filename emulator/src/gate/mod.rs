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

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use node::digest::digest;
use serde::Serialize;

use self::decide::{Judgement, Limits};
use self::pairs::{Home, Side, stored};
use crate::child::Runner;
use crate::compare::runs::Run;
use crate::exit::Exit;
use crate::sweep::runs::{Grid, GridError, Pace};

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
    /// What is run; each repetition is a pair.
    pub grid: Grid,
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
    /// The runs could not be made.
    #[error(transparent)]
    Grid(#[from] GridError),
    /// A program can't be read.
    #[error("{}: {source}; --against and --new take the file of a program that does what emu does", path.display())]
    Program {
        /// It.
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
}

impl GateError {
    /// The way of ending that this error means.
    pub fn exit(&self) -> Exit {
        match self {
            GateError::Program { .. } | GateError::NoBaseline { .. } => Exit::Usage,
            GateError::Grid(error) => error.exit(),
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
    let grid = &options.grid;
    let (points, first) = grid.read()?;
    let name = first.scenario.name.clone();
    let seeds: Vec<u64> = grid.seeds(first.scenario.seed).collect();
    // Read before anything runs: a baseline of something else is no matter of hours.
    let baseline = match &options.before {
        Before::Program(_) => None,
        Before::Stored(folder) => Some(stored(folder, &points, &seeds, &name)?),
    };
    let runner = Runner::new(grid.command, grid.arguments.clone()).map_err(GridError::from)?;
    let new = options.new.as_ref().map_or_else(|| Ok(runner.clone()), |program| another(&runner, program))?;
    let (old, old_name) = match &options.before {
        Before::Program(program) => (Some(another(&runner, program)?), program),
        Before::Stored(folder) => (None, folder),
    };
    let programs = [old.as_ref().map_or(Ok("stored".to_owned()), content)?, content(&new)?];
    let folder = grid.folder("gate", &first, &programs)?;
    let home = Home { grid, old: old.as_ref(), new: &new, points: &points, name: &name, folder: &folder };

    let there = |(point, seed): &(usize, u64)| baseline.as_ref().is_none_or(|runs| runs[*point].contains_key(seed));
    let all: Vec<(usize, u64)> = grid.order(points.len(), first.scenario.seed).filter(there).collect();
    let missing: Vec<(usize, u64)> = all.iter().copied().filter(|(point, seed)| !home.has(*point, *seed)).collect();
    let pace = Pace::new(missing.len());
    for (index, (point, seed)) in missing.iter().enumerate() {
        let Some(came) = home.make(*point, *seed)? else { break };
        say(&pace.said(index + 1, &format!("{}, seed {seed}", home.named(*point)), &came));
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
    let judged = summed::Summed::of(&pairs, &names, &grid.vary, &points, measure, options.limits);
    let summed::Summed { points, ends, judgement, mut warnings } = judged;
    let fewest = baseline.iter().flatten().map(BTreeMap::len).min();
    if let Some(least) = fewest.filter(|least| *least < seeds.len()) {
        warnings.push(format!("the baseline has only {least} of the {} repetitions of some point", seeds.len()));
    }
    let gated = Gated {
        scenario: name,
        file: grid.scenario.clone(),
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

/// What tells programs apart: what their files hold.
fn content(runner: &Runner) -> Result<String, GateError> {
    let path = runner.program().to_owned();
    fs::read(&path).map(|bytes| digest(&bytes).to_string()).map_err(|source| GateError::Program { path, source })
}
