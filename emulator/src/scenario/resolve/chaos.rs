//! From `[chaos]` to the faults that it draws, written down and planned like those of `[[fault]]`.

use std::collections::BTreeSet;

use super::faults::{self, Files, Setting};
use super::mistake::Mistake;
use crate::chaos::kinds::KINDS;
use crate::chaos::{Cast, Limits, draw, draw::written};
use crate::scenario::error::Problem;
use crate::scenario::parse::raw::Chaos;
use crate::scenario::parse::reader::At;
use crate::scenario::{FaultSpec, Role, parse};

/// What reports call the faults that were drawn.
pub const DRAWN: &str = "what [chaos] drew";

/// Draws and plans them; the text that they are written as joins the sources. `stored`: whether workers have the model in their
/// state folders.
pub fn plan(
    chaos: &At<Chaos>,
    stored: bool,
    setting: &Setting<'_>,
    files: &mut Files<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Vec<FaultSpec>> {
    let cast = cast(setting);
    let limits = limits(chaos, stored, setting, &cast, problems)?;
    let text = written(&draw(&limits, &cast, setting.seed));
    let base = files.sources.add(DRAWN, &text);
    let (drawn, wrong) = parse::faults(&text, base);
    problems.extend(wrong);
    Some(faults::plan(&drawn, setting, files, problems))
}

fn cast(setting: &Setting<'_>) -> Cast {
    let hosts = setting.hosts;
    let neighbours: BTreeSet<(usize, usize)> = (0..hosts.names.len())
        .flat_map(|host| {
            setting.network.neighbours(host).into_iter().map(move |other| (host.min(other), host.max(other)))
        })
        .collect();
    Cast {
        names: hosts.names.clone(),
        workers: hosts.workers(),
        dispatcher: hosts.roles.iter().position(|role| *role == Role::Dispatcher).unwrap_or_default(),
        neighbours,
        nodes: hosts.nodes,
    }
}

fn limits(
    chaos: &At<Chaos>,
    stored: bool,
    setting: &Setting<'_>,
    cast: &Cast,
    problems: &mut Vec<Problem>,
) -> Option<Limits> {
    let (keys, before) = (&chaos.value, problems.len());
    let mut note = |mistake: Mistake, place| problems.push(Problem::new(mistake.into(), place));
    let weights = match keys.kinds.optional()? {
        Some(weights) => weights.0.clone(),
        None => KINDS.iter().map(|kind| if kind.is_of_the_store() && !stored { 0 } else { kind.weight }).collect(),
    };
    if weights.iter().all(|weight| *weight == 0) {
        note(Mistake::ChaosWithoutKinds, keys.kinds.place());
    }
    let (shortest, longest) = (keys.shortest.get()?.0, keys.longest.get()?.0);
    if longest < shortest {
        note(Mistake::LongestIsShorter { shortest }, keys.longest.place());
    }
    let workers = cast.workers.len();
    let left = keys.left.optional()?.map_or(workers.div_ceil(2), |left| left.0 as usize);
    if left >= workers {
        let place = if keys.left.place().is_written() { keys.left.place() } else { chaos.place };
        note(Mistake::ChaosLeavesAll { left, workers }, place);
    }
    let (end, _) = setting.end?;
    let (begin, quiet) = (keys.begin.get()?.0, keys.quiet.get()?.0);
    if begin + shortest + quiet > end {
        let place = [keys.quiet.place(), keys.begin.place()].into_iter().find(|place| place.is_written());
        note(Mistake::ChaosHasNoTime { needed: begin + shortest + quiet, end }, place.unwrap_or(chaos.place));
    }
    let limits = Limits {
        weights,
        rate: keys.rate.get()?.0,
        shortest,
        longest,
        down: keys.down.get()?.0 as usize,
        left,
        dispatcher: keys.dispatcher.get()?.0,
        begin,
        end: end.saturating_sub(quiet),
    };
    (problems.len() == before).then_some(limits)
}
