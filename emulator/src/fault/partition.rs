//! `partition`: groups of nodes don't hear each other. It is a black hole between every two nodes of different
//! groups, both ways or only one; a node in no group hears everybody, and so may be the bridge between two groups.

use super::catalogue::{Entry, Need};
use super::damage::Harm;
use super::steps::at_once;
use super::target::Aim;
use super::{FaultError, Hit};
use crate::scenario::network::Direction;

/// What there is to say of it.
pub const ENTRY: Entry = Entry {
    kind: "partition",
    happens: "groups of nodes don't hear each other: as listed, a minority that is cut off, or two halves with one node between them; `one_way`: the first group is not heard, but hears",
    healed: "letting them",
    notice: "many silences at once",
    needs: Need::Nothing,
    of_a_node: false,
    simulated: true,
};

/// What it does if it fires now.
pub fn aim(aim: &Aim<'_>, groups: &[Vec<String>], one_way: bool) -> Result<Hit, FaultError> {
    let groups = groups
        .iter()
        .map(|group| group.iter().map(|name| aim.host(name)).collect::<Result<Vec<_>, _>>())
        .collect::<Result<Vec<_>, _>>()?;
    let mut harms = Vec::new();
    for (index, here) in groups.iter().enumerate().take(if one_way { 1 } else { groups.len() }) {
        let there = groups.iter().enumerate().filter(|(other, _)| *other != index).flat_map(|(_, group)| group);
        for &to in there {
            harms.extend(here.iter().map(|&from| Harm::Blocked(Direction { from, to })));
        }
    }
    let between = if one_way { " → " } else { " | " };
    let target = groups.iter().map(|group| listed(aim, group)).collect::<Vec<_>>().join(between);
    Ok(Hit { target, nodes: groups.concat(), steps: at_once(harms) })
}

/// The names of a group, or its size when that would be long.
fn listed(aim: &Aim<'_>, group: &[usize]) -> String {
    match group {
        [] | [_] | [_, _] | [_, _, _] => {
            group.iter().map(|&host| aim.names[host].as_str()).collect::<Vec<_>>().join(" ")
        }
        [first, .., last] => format!("{}…{} ({})", aim.names[*first], aim.names[*last], group.len()),
    }
}
