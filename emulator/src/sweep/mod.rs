//! A scenario over a grid of values, several times each.
//!
//! Every run is a child process, as if a user had started it. Repetition after repetition goes once over the whole grid, so that
//! whatever drifts on this host drifts alike for all points; each repetition has a seed of its own, the same for all points.
//! All lands in one folder whose name follows from the scenario, so the same command again goes on where it was left, and further
//! values or repetitions add to what is there.

pub mod grid;
pub mod runs;
pub mod usl;

use std::path::{Path, PathBuf};

use serde::Serialize;

use self::grid::{Point, Row, Vary, rows};
use self::runs::{Grid, GridError, Made, Pace, RUNS, put, remove};
use self::usl::{Fit, fit};
use crate::child::Runner;
use crate::compare::runs::{Set, within};
use crate::compare::{Comparison, Metric};
use crate::exit::Exit;

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
/// See [`GridError`]. Runs that were made before are kept, and the next sweep goes on from there.
pub fn sweep(grid: &Grid, say: &mut dyn FnMut(&str)) -> Result<(Swept, Option<Exit>), GridError> {
    let (points, first) = grid.read()?;
    let folder = grid.folder("sweep", &first, &[])?;
    let missing = missing(grid, &points, &folder, first.scenario.seed)?;
    let runner = Runner::new(grid.command, grid.arguments.clone())?;
    let pace = Pace::new(missing.len());
    for (index, (point, seed)) in missing.iter().enumerate() {
        if runner.interrupted().is_some() {
            break;
        }
        let point = &points[*point];
        let present = grid.present(&folder)?;
        let made = grid.run(&runner, point, *seed, &present, &folder)?;
        if let Some(Made { summary, folder: run }) = made {
            put(&run, &home(&folder, point).join(run.file_name().unwrap_or_default()))?;
            let came = format!("{:.2}", summary.throughput_per_s);
            say(&pace.said(index + 1, &format!("{point}, seed {seed}"), &came));
        }
        remove(&present)?;
    }
    let swept = summed_up(grid, &points, first.scenario.name, folder)?;
    let interrupted = runner.interrupted();
    Ok((Swept { interrupted: interrupted.is_some(), ..swept }, interrupted))
}

/// Where the runs of a point are.
fn home(folder: &Path, point: &Point) -> PathBuf {
    folder.join(RUNS).join(point.folder())
}

/// The runs that are not there yet: point and seed.
fn missing(grid: &Grid, points: &[Point], folder: &Path, first: u64) -> Result<Vec<(usize, u64)>, GridError> {
    let mut there = Vec::new();
    for point in points {
        there.push(within(&home(folder, point))?.into_iter().map(|run| run.seed).collect::<Vec<_>>());
    }
    Ok(grid.order(points.len(), first).filter(|(point, seed)| !there[*point].contains(seed)).collect())
}

/// Everything that is there of these points.
fn summed_up(grid: &Grid, points: &[Point], scenario: String, folder: PathBuf) -> Result<Swept, GridError> {
    let mut sets = Vec::new();
    for point in points {
        sets.push(Set { name: point.to_string(), runs: within(&home(&folder, point))? });
    }
    let failed =
        sets.iter().flat_map(|set| &set.runs).filter(|run| run.exit != 0).map(|run| run.folder.clone()).collect();
    let mut curves = Vec::new();
    for (key, vary) in grid.vary.iter().enumerate() {
        curves.extend(over(key, vary, points, &sets, grid.seed.unwrap_or_default()));
    }
    let mut comparison = Comparison::of(&sets);
    // That points differ is the matter here, and what failed is told by itself.
    comparison.warnings.clear();
    let bounds = sets.iter().map(bound).collect();
    let over = grid.vary.iter().map(|vary| vary.name.clone()).collect();
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

/// Metrics of a sweep that are drawn over a key.
pub const DRAWN: [Metric; 3] = [Metric::Throughput, Metric::P50, Metric::P99];
