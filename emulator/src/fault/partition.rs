//! `partition`: groups of nodes that don't hear each other. It is a black hole, both ways, between
//! every two nodes of different groups; a node in no group hears everybody.

use super::damage::Harm;
use super::target::Aim;
use super::{FaultError, Hit};
use crate::scenario::network::Direction;

pub fn aim(aim: &Aim<'_>, groups: &[Vec<String>]) -> Result<Hit, FaultError> {
    let groups = groups
        .iter()
        .map(|group| group.iter().map(|name| aim.host(name)).collect::<Result<Vec<_>, _>>())
        .collect::<Result<Vec<_>, _>>()?;
    let mut harms = Vec::new();
    for (index, here) in groups.iter().enumerate() {
        let there = groups.iter().enumerate().filter(|(other, _)| *other != index).flat_map(|(_, group)| group);
        for &to in there {
            harms.extend(here.iter().map(|&from| Harm::Blocked(Direction { from, to })));
        }
    }
    let target = groups.iter().map(|group| listed(aim, group)).collect::<Vec<_>>().join(" | ");
    Ok(Hit { target, nodes: groups.concat(), harms })
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
