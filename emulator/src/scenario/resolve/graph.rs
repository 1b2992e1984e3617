//! A topology of listed nodes, switches and links.

use std::collections::BTreeMap;

use super::hosts::Hosts;
use super::mistake::Mistake;
use super::shape::{check_aqm, overlaid, shape_of};
use super::topology::Layout;
use crate::scenario::error::Problem;
use crate::scenario::network::{Link, Shape};
use crate::scenario::parse::leaf::{Tables, Text};
use crate::scenario::parse::raw;
use crate::scenario::parse::reader::At;
use crate::scenario::source::Place;

/// Lays out a graph.
pub fn layout(
    graph: &raw::Graph,
    place: Place,
    scenario: &raw::Scenario,
    problems: &mut Vec<Problem>,
) -> Option<Layout> {
    let shape = shape_of(&graph.shape, problems);
    let Some(raw::Nodes::Listed(list)) = scenario.node.get() else {
        if !scenario.node.is_bad() {
            let place = if scenario.node.place().is_written() { scenario.node.place() } else { place };
            problems.push(Problem::new(Mistake::NoNodesListed.into(), place));
        }
        return None;
    };
    let mut layout = Layout::default();
    let mut places = BTreeMap::new();
    name_nodes(list, &mut layout, &mut places, problems);
    if !layout.incomplete && !(2..=1000).contains(&layout.nodes.len()) {
        problems.push(Problem::new(Mistake::NodeCount(layout.nodes.len()).into(), place));
    }
    layout.incomplete |= scenario.switch.is_bad();
    for switch in scenario.switch.get().map_or(&[][..], |list| &list.0) {
        match switch.value.name.at() {
            Some(name) if is_new(&name.value.0, name.place, &mut places, problems) => {
                layout.switches.push(name.value.0.clone());
            }
            Some(_) => {}
            None => layout.incomplete = true,
        }
    }
    let hosts = Hosts::new(layout.nodes.clone(), &layout.switches, layout.incomplete);
    layout.incomplete |= scenario.link.is_bad();
    let mut linked = BTreeMap::new();
    for link in scenario.link.get().map_or(&[][..], |list| &list.0) {
        match self::link(link, &shape, &hosts, &mut linked, problems) {
            Some(link) => layout.links.push(link),
            None => layout.incomplete = true,
        }
    }
    if !layout.incomplete {
        check_aqm(&graph.shape, layout.links.iter().flat_map(|link| [&link.a_to_b, &link.b_to_a]), problems);
    }
    Some(layout)
}

fn name_nodes(
    list: &Tables<raw::ListedNode>,
    layout: &mut Layout,
    places: &mut BTreeMap<String, Place>,
    problems: &mut Vec<Problem>,
) {
    for (index, node) in list.0.iter().enumerate() {
        let (name, names) = (&node.value.name, &node.value.names);
        if name.is_bad() || names.is_bad() {
            layout.incomplete = true;
            continue;
        }
        let one = name.at().map(|name| (name.value.0.clone(), name.place));
        let many = names.get().map(|names| names.0.iter().map(|name| (name.value.0.clone(), name.place)).collect());
        let named: Vec<(String, Place)> = match (one, many) {
            (Some(one), None) => vec![one],
            (None, Some(many)) => many,
            _ => {
                problems.push(Problem::new(Mistake::NameOrNames.into(), node.place));
                layout.incomplete = true;
                continue;
            }
        };
        for (name, place) in named {
            if is_new(&name, place, places, problems) {
                layout.nodes.push(name);
                layout.listed.push((index, place));
            }
        }
    }
}

fn is_new(name: &str, place: Place, places: &mut BTreeMap<String, Place>, problems: &mut Vec<Problem>) -> bool {
    match places.get(name) {
        None => {
            places.insert(name.to_owned(), place);
            true
        }
        Some(first) => {
            let mistake = Mistake::DuplicateName(name.to_owned());
            problems.push(Problem::new(mistake.into(), place).also(*first, "the first"));
            false
        }
    }
}

fn link(
    link: &At<raw::Link>,
    all: &Shape,
    hosts: &Hosts,
    linked: &mut BTreeMap<(usize, usize), Place>,
    problems: &mut Vec<Problem>,
) -> Option<Link> {
    let keys = &link.value;
    let common = overlaid(all, &keys.shape, problems);
    let mut way = |own: &crate::scenario::parse::reader::Field<_>| {
        let Some(own) = own.get() else { return common.clone() };
        let shape = overlaid(&common, own, problems);
        check_aqm(own, [&shape], problems);
        shape
    };
    let (a_to_b, b_to_a) = (way(&keys.a_to_b), way(&keys.b_to_a));
    check_aqm(&keys.shape, [&a_to_b, &b_to_a], problems);
    let ends = keys.ends.at()?;
    let [a, b] = ends.value.0.as_slice() else {
        problems.push(Problem::new(Mistake::EndCount(ends.value.0.len()).into(), ends.place));
        return None;
    };
    let mut host = |end: &At<Text>| hosts.host(&At { value: end.value.0.clone(), place: end.place }, problems);
    // Both ends are looked up before either stops us.
    let (first, second) = (host(a), host(b));
    let (first, second) = (first?, second?);
    let (a_name, b_name) = (a.value.0.clone(), b.value.0.clone());
    if first == second {
        problems.push(Problem::new(Mistake::SelfLink(a_name).into(), ends.place));
        return None;
    }
    if let Some(place) = linked.insert((first.min(second), first.max(second)), ends.place) {
        problems.push(Problem::new(Mistake::LinkedTwice(a_name, b_name).into(), ends.place).also(place, "linked here"));
        return None;
    }
    Some(Link { a: first, b: second, a_to_b, b_to_a })
}
