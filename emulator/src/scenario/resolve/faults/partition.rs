//! The groups of a partition: listed, or drawn by lot.

use crate::scenario::error::Problem;
use crate::scenario::parse::choice::Split;
use crate::scenario::parse::leaf::{List, Text};
use crate::scenario::parse::raw::Partition;
use crate::scenario::parse::reader::At;
use crate::scenario::resolve::hosts::Hosts;
use crate::scenario::resolve::mistake::Mistake;
use crate::scenario::resolve::target::Targets;
use crate::scenario::source::Place;

/// Names of nodes, in groups.
type Groups = Vec<Vec<String>>;

/// The groups for each round.
pub fn groups(partition: &Partition, targets: &mut Targets<'_, '_>, place: Place) -> Option<Vec<Groups>> {
    let (list, split) = (partition.groups.optional()?, partition.split.optional()?);
    match (list.and(partition.groups.at()), split.and(partition.split.at())) {
        (Some(list), None) => {
            listed(list, targets.setting.hosts, targets.problems).map(|groups| vec![groups; targets.rounds])
        }
        (None, Some(split)) => drawn(split.value.0, targets, split.place),
        (Some(_), Some(split)) => {
            targets.problems.push(Problem::new(Mistake::GroupsAndSplit.into(), split.place));
            None
        }
        (None, None) => {
            targets.problems.push(Problem::new(Mistake::NoGroups.into(), place));
            None
        }
    }
}

/// Those who are cut off, and those they are cut off from.
fn drawn(split: Split, targets: &mut Targets<'_, '_>, place: Place) -> Option<Vec<Groups>> {
    let hosts = targets.setting.hosts;
    let workers = hosts.workers();
    let (bridges, off) = match split {
        Split::Majority => (0, workers.len().saturating_sub(1) / 2),
        Split::Bridge => (1, workers.len() / 2),
    };
    if off == 0 {
        let mistake = Mistake::TooFewToSplit { workers: workers.len(), needed: if bridges == 1 { 2 } else { 3 } };
        targets.problems.push(Problem::new(mistake.into(), place));
        return None;
    }
    let names = |nodes: &[usize]| nodes.iter().map(|node| hosts.names[*node].clone()).collect::<Vec<String>>();
    let rounds = (0..targets.rounds).map(|_| {
        let mut drawn = targets.draws.take(bridges + off, &mut workers.clone());
        let mut off = drawn.split_off(bridges);
        off.sort_unstable();
        let others: Vec<usize> = (0..hosts.nodes).filter(|node| !off.contains(node) && !drawn.contains(node)).collect();
        vec![names(&off), names(&others)]
    });
    Some(rounds.collect())
}

/// Groups by name.
fn listed(list: &At<List<List<Text>>>, hosts: &Hosts, problems: &mut Vec<Problem>) -> Option<Groups> {
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
