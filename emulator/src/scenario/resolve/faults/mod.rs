//! From written faults to planned ones: `every` unrolled, targets found by name or drawn by lot.

mod kinds;
mod partition;
mod timing;
mod trace;

use std::path::Path;
use std::time::Duration;

use super::hosts::Hosts;
use super::mistake::Mistake;
use super::target::{Draws, Targets};
use crate::scenario::FaultSpec;
use crate::scenario::error::Problem;
use crate::scenario::network::Network;
use crate::scenario::parse::raw::Fault;
use crate::scenario::parse::reader::At;
use crate::scenario::source::{Place, Sources};

pub use trace::TraceError;

/// What faults are planned against.
pub struct Setting<'a> {
    /// The hosts.
    pub hosts: &'a Hosts,
    /// What connects them.
    pub network: &'a Network,
    /// When the run ends, and where that is written; `None`: not known, for it is wrong.
    pub end: Option<(Duration, Place)>,
    /// Seed of what is drawn.
    pub seed: u64,
}

/// Where files are that faults name, and where the text of those that are wrong goes.
pub struct Files<'a> {
    /// Names are relative to this.
    pub folder: &'a Path,
    /// The texts.
    pub sources: &'a mut Sources,
}

/// Plans all faults, in the order in which they fire.
pub fn plan(
    faults: &[At<Fault>],
    setting: &Setting<'_>,
    files: &mut Files<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<FaultSpec> {
    let mut planned = Vec::new();
    for (index, fault) in faults.iter().enumerate() {
        let draws = Draws::new(setting.seed, index);
        planned.extend(one(fault, setting, draws, files, problems).unwrap_or_default());
    }
    planned.sort_by_key(|fault| fault.at);
    planned
}

/// Plans one fault. Everything that can be checked is, before something wrong stops us.
fn one(
    fault: &At<Fault>,
    setting: &Setting<'_>,
    draws: Draws,
    files: &mut Files<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Vec<FaultSpec>> {
    let timing = timing::of(&fault.value);
    let rest = timing::times(timing, setting.end, problems);
    let lasting = timing::lasting(&fault.value);
    let forever = lasting == Some(None);
    // Without healing, what was hit once can't be hit again: then nothing is drawn twice.
    let count = rest.as_ref().map_or(1, Vec::len);
    let mut targets = Targets { setting, draws, rounds: count, again: !forever, problems };
    let (kinds, fixed) = kinds::kinds(fault, &mut targets, files);
    if forever && fixed && timing.every.at().is_some() {
        let problem = Problem::new(Mistake::AgainWithoutHealing.into(), timing.every.place());
        problems.push(problem);
    }
    let (times, kinds, lasting, optional) = (rest?, kinds?, lasting?, timing.optional.get()?.0);
    let planned = times
        .into_iter()
        .zip(kinds)
        .flat_map(|(at, kinds)| kinds.into_iter().map(move |kind| FaultSpec { at, lasting, optional, kind }));
    Some(planned.collect())
}
