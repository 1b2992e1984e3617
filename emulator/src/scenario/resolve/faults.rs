//! From written faults to planned ones: `every` unrolled, targets found by name or drawn by lot.

use std::time::Duration;

use super::hosts::Hosts;
use super::mistake::Mistake;
use super::shape;
use super::target::{Draws, Joined, Targets};
use crate::scenario::error::Problem;
use crate::scenario::network::Network;
use crate::scenario::parse::raw::{Fault, Partition, Timing};
use crate::scenario::parse::reader::{At, Field};
use crate::scenario::parse::target::{NodeAim, PairAim};
use crate::scenario::source::Place;
use crate::scenario::{FaultKind, FaultSpec, NodeTarget, PairTarget};

/// Most times that one fault may fire.
const MOST: u128 = 1000;

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

/// Plans all faults, in the order in which they fire.
pub fn plan(faults: &[At<Fault>], setting: &Setting<'_>, problems: &mut Vec<Problem>) -> Vec<FaultSpec> {
    let mut planned = Vec::new();
    for (index, fault) in faults.iter().enumerate() {
        let draws = Draws::new(setting.seed, index);
        planned.extend(one(fault, setting, draws, problems).unwrap_or_default());
    }
    planned.sort_by_key(|fault| fault.at);
    planned
}

/// Plans one fault. Everything that can be checked is, before something wrong stops us.
fn one(fault: &At<Fault>, setting: &Setting<'_>, draws: Draws, problems: &mut Vec<Problem>) -> Option<Vec<FaultSpec>> {
    let timing = timing(&fault.value);
    let rest = times(timing, setting.end, problems);
    let lasting = timing.lasting.optional().map(|lasting| lasting.map(|time| time.0));
    let forever = lasting == Some(None);
    // Without healing, what was hit once can't be hit again: then nothing is drawn twice.
    let count = rest.as_ref().map_or(1, Vec::len);
    let mut targets = Targets { setting, draws, rounds: count, again: !forever, problems };
    let (kinds, fixed) = kinds(&fault.value, &mut targets);
    if forever && fixed && timing.every.at().is_some() {
        let problem = Problem::new(Mistake::AgainWithoutHealing.into(), timing.every.place());
        problems.push(problem);
    }
    let (times, kinds, lasting) = (rest?, kinds?, lasting?);
    let planned = times
        .into_iter()
        .zip(kinds)
        .flat_map(|(at, kinds)| kinds.into_iter().map(move |kind| FaultSpec { at, lasting, kind }));
    Some(planned.collect())
}

fn timing(fault: &Fault) -> &Timing {
    match fault {
        Fault::Kill(fault) => &fault.timing,
        Fault::Pause(fault) => &fault.timing,
        Fault::Down(fault) => &fault.timing,
        Fault::Blackhole(fault) => &fault.timing,
        Fault::Degrade(fault) => &fault.timing,
        Fault::Partition(fault) => &fault.timing,
    }
}

/// When the fault fires.
fn times(timing: &Timing, end: Option<(Duration, Place)>, problems: &mut Vec<Problem>) -> Option<Vec<Duration>> {
    let every = timing.every.optional();
    if let (Some(Some(every)), Some(lasting)) = (every, timing.lasting.at())
        && every.0 <= lasting.value.0
    {
        let mistake = Mistake::Overlapping { lasting: lasting.value.0 };
        let problem = Problem::new(mistake.into(), timing.every.place());
        problems.push(problem.also(lasting.place, "it lasts this long"));
        return None;
    }
    let at = timing.at.at()?;
    let (end, end_place) = end?;
    if at.value.0 >= end {
        let mistake = Mistake::PastTheEnd { at: at.value.0, end };
        problems.push(Problem::new(mistake.into(), at.place).also(end_place, "the run ends here"));
        return None;
    }
    let times = timing.times.optional();
    let Some(every) = every? else {
        if let Some(times) = timing.times.at() {
            problems.push(Problem::new(Mistake::TimesWithoutEvery.into(), times.place));
        }
        return Some(vec![at.value.0]);
    };
    let until_end = (end - at.value.0).as_nanos().div_ceil(every.0.as_nanos().max(1));
    let count = times?.map_or(until_end, |times| until_end.min(u128::from(times.0)));
    if count > MOST {
        problems.push(Problem::new(Mistake::TooOften(count).into(), timing.every.place()));
        return None;
    }
    Some((0..count as u32).map(|round| at.value.0 + every.0 * round).collect())
}

/// For each round, what happens; and whether it is to the same target each time.
type Kinds = (Option<Vec<Vec<FaultKind>>>, bool);

fn kinds(fault: &Fault, targets: &mut Targets<'_, '_>) -> Kinds {
    match fault {
        Fault::Kill(kill) => of_nodes(&kill.target, "kill", targets, |target| FaultKind::Kill { target }),
        Fault::Pause(pause) => of_nodes(&pause.target, "pause", targets, |target| FaultKind::Pause { target }),
        Fault::Down(down) => of_pairs(&down.target, Joined::Neighbours, targets, |target| FaultKind::Down { target }),
        Fault::Blackhole(hole) => match hole.both.get() {
            Some(both) => {
                of_pairs(&hole.target, Joined::Anyhow, targets, |target| FaultKind::Blackhole { target, both: both.0 })
            }
            None => (None, false),
        },
        Fault::Degrade(degrade) => {
            let change = shape::change(&degrade.shape);
            if change.is_none() && !shape::is_spoilt(&degrade.shape) {
                targets.problems.push(Problem::new(Mistake::NothingDegraded.into(), degrade.target.place()));
            }
            let both = degrade.both.get().is_none_or(|both| both.0);
            let (kinds, fixed) = of_pairs(&degrade.target, Joined::Neighbours, targets, |target| FaultKind::Degrade {
                target,
                change: change.clone().unwrap_or_default(),
                both,
            });
            (kinds.filter(|_| change.is_some()), fixed)
        }
        Fault::Partition(partition) => {
            let groups = groups(partition, targets.setting.hosts, targets.problems);
            (groups.map(|groups| vec![vec![FaultKind::Partition { groups }]; targets.rounds]), true)
        }
    }
}

fn of_nodes(
    aim: &Field<NodeAim>,
    kind: &'static str,
    targets: &mut Targets<'_, '_>,
    make: impl Fn(NodeTarget) -> FaultKind,
) -> Kinds {
    let Some(aim) = aim.at() else { return (None, false) };
    let rounds = targets.nodes(aim, kind);
    let made = rounds.map(|rounds| rounds.into_iter().map(|round| round.into_iter().map(&make).collect()).collect());
    (made, matches!(aim.value, NodeAim::Name(_)))
}

fn of_pairs(
    aim: &Field<PairAim>,
    joined: Joined,
    targets: &mut Targets<'_, '_>,
    make: impl Fn(PairTarget) -> FaultKind,
) -> Kinds {
    let Some(aim) = aim.at() else { return (None, false) };
    let rounds = targets.pairs(aim, joined);
    let made = rounds.map(|rounds| rounds.into_iter().map(|round| round.into_iter().map(&make).collect()).collect());
    (made, matches!(aim.value, PairAim::Names(..)))
}

fn groups(partition: &Partition, hosts: &Hosts, problems: &mut Vec<Problem>) -> Option<Vec<Vec<String>>> {
    let list = partition.groups.at()?;
    let before = problems.len();
    let mut seen: Vec<Option<Place>> = vec![None; hosts.nodes];
    let mut groups: Vec<Vec<String>> = Vec::new();
    let mut rest = None;
    let mut unknown = false;
    for group in &list.value.0 {
        let mut names = Vec::new();
        let is_rest = matches!(group.value.0.as_slice(), [only] if only.value.0 == "*");
        if is_rest && rest.is_some() {
            problems.push(Problem::new(Mistake::TwoRests.into(), group.place));
        } else if is_rest {
            rest = Some((groups.len(), group.place));
        } else if group.value.0.is_empty() {
            problems.push(Problem::new(Mistake::EmptyGroup.into(), group.place));
        }
        for name in group.value.0.iter().filter(|_| !is_rest) {
            let Some(node) = hosts.node(&At { value: name.value.0.clone(), place: name.place }, problems) else {
                unknown = true;
                continue;
            };
            match seen[node].replace(name.place) {
                None => names.push(name.value.0.clone()),
                Some(first) => {
                    let mistake = Mistake::NamedTwice(name.value.0.clone());
                    problems.push(Problem::new(mistake.into(), name.place).also(first, "named here"));
                }
            }
        }
        groups.push(names);
    }
    if let Some((index, place)) = rest {
        groups[index] = (0..hosts.nodes).filter(|node| seen[*node].is_none()).map(|n| hosts.names[n].clone()).collect();
        if groups[index].is_empty() && !unknown {
            problems.push(Problem::new(Mistake::EmptyGroup.into(), place));
        }
    }
    if groups.len() < 2 {
        problems.push(Problem::new(Mistake::TooFewGroups(groups.len()).into(), list.place));
    }
    (problems.len() == before && !unknown).then_some(groups)
}
