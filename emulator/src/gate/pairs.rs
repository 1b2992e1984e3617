//! Pairs of runs: made, kept and found again.
//!
//! A pair is the folder `runs/<point>/<seed>/` with the runs' folders `old` and `new` in it. It gets this name when both are there, so a gate
//! that is killed leaves only whole pairs, whose runs were made one right after the other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::GateError;
use crate::child::Runner;
use crate::compare::runs::{Run, run, within};
use crate::record::outputs::SUMMARY;
use crate::sweep::grid::Point;
use crate::sweep::runs::{Grid, GridError, RUNS, put, remove};

/// One half of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Before.
    Old,
    /// After.
    New,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Side::Old => "old",
            Side::New => "new",
        }
    }
}

/// Which half is made first: in turns along the points, and at each point from seed to seed.
pub fn first(point: usize, seed: u64) -> Side {
    if (point as u64).wrapping_add(seed).is_multiple_of(2) { Side::Old } else { Side::New }
}

/// Where a gate's pairs are, and who makes them.
pub(super) struct Home<'a> {
    pub grid: &'a Grid,
    /// `None`: the old half is stored elsewhere.
    pub old: Option<&'a Runner>,
    pub new: &'a Runner,
    pub points: &'a [Point],
    /// The scenario's.
    pub name: &'a str,
    pub folder: &'a Path,
}

impl Home<'_> {
    /// What a point is called.
    pub fn named(&self, point: usize) -> String {
        named(&self.points[point], self.name)
    }

    fn path(&self, point: usize, seed: u64) -> PathBuf {
        self.folder.join(RUNS).join(self.points[point].folder()).join(seed.to_string())
    }

    /// Whether a pair is there.
    pub fn has(&self, point: usize, seed: u64) -> bool {
        let half = |side: Side| self.path(point, seed).join(side.name()).join(SUMMARY).is_file();
        half(Side::New) && (self.old.is_none() || half(Side::Old))
    }

    /// Reads a half of a pair that is there.
    pub fn read(&self, point: usize, seed: u64, side: Side) -> Result<Run, GateError> {
        Ok(run(&self.path(point, seed).join(side.name())).map_err(GridError::from)?)
    }

    /// Makes a pair, and returns its throughputs in words; `None`: it was interrupted.
    pub fn make(&self, point: usize, seed: u64) -> Result<Option<String>, GateError> {
        let present = self.grid.present(self.folder)?;
        let pair = present.join("pair");
        let halves = match first(point, seed) {
            Side::Old => [(self.old, Side::Old), (Some(self.new), Side::New)],
            Side::New => [(Some(self.new), Side::New), (self.old, Side::Old)],
        };
        let mut came = Vec::new();
        for (runner, side) in halves {
            let Some(runner) = runner else { continue };
            if self.new.interrupted().is_some() {
                return Ok(None);
            }
            let results = present.join(side.name());
            let point = &self.points[point];
            let Some(made) = self.grid.run(runner, point, seed, &results, self.folder)? else { return Ok(None) };
            put(&made.folder, &pair.join(side.name()))?;
            came.push((side, made.summary.throughput_per_s));
        }
        put(&pair, &self.path(point, seed))?;
        remove(&present)?;
        came.sort_by_key(|(side, _)| *side == Side::New);
        let came: Vec<String> = came.iter().map(|(_, throughput)| format!("{throughput:.2}")).collect();
        Ok(Some(came.join(" -> ")))
    }
}

/// What a point is called; one at which nothing varies is the scenario.
fn named(point: &Point, scenario: &str) -> String {
    if point.values.is_empty() { scenario.to_owned() } else { point.to_string() }
}

/// The runs of a baseline, by point and seed: the new half of a gate's pairs, the runs of a sweep, or simply runs. Each point has at least one.
///
/// # Errors
/// [`GridError::Runs`], and [`GateError::NoBaseline`] for a point without a run.
pub(super) fn stored(
    folder: &Path,
    points: &[Point],
    seeds: &[u64],
    scenario: &str,
) -> Result<Vec<BTreeMap<u64, Run>>, GateError> {
    // What was interrupted is no sample, and another scenario's is none of this.
    let counts = |run: &Run| run.scenario == scenario && matches!(run.exit, 0 | 1) && seeds.contains(&run.seed);
    let of = |point: &Point| {
        let at = point.folder();
        let mut runs = Vec::new();
        for seed in seeds {
            let half = folder.join(RUNS).join(&at).join(seed.to_string()).join(Side::New.name());
            if half.join(SUMMARY).is_file() {
                runs.push(run(&half).map_err(GridError::from)?);
            }
        }
        for folder in [folder.join(RUNS).join(&at), folder.join(&at)] {
            if runs.is_empty() {
                runs = within(&folder).map_err(GridError::from)?;
            }
        }
        let runs: BTreeMap<u64, Run> = runs.into_iter().filter(counts).map(|run| (run.seed, run)).collect();
        if runs.is_empty() {
            return Err(GateError::NoBaseline {
                folder: folder.to_owned(),
                point: named(point, scenario),
                from: seeds.first().copied().unwrap_or_default(),
                to: seeds.last().copied().unwrap_or_default(),
            });
        }
        Ok(runs)
    };
    points.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_half_comes_first_as_often_at_each_point_and_in_each_repetition() {
        for even in 0..4 {
            let over_points = (0..6).filter(|point| first(*point, even) == Side::Old).count();
            let over_seeds = (0..6).filter(|seed| first(even as usize, *seed) == Side::Old).count();
            assert_eq!((over_points, over_seeds), (3, 3));
        }
    }
}
