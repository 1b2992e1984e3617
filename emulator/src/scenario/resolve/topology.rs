//! From a written topology to hosts, links and media.

use std::path::Path;

use planner::cluster::wifi::WifiSquare;
use planner::cluster::{Rates, matrix};

use super::hosts::Hosts;
use super::mistake::Mistake;
use super::shape::{check, check_aqm, impair, overlaid, shape_of};
use super::{classes, graph};
use crate::scenario::error::Problem;
use crate::scenario::network::{Airtime, Link, Medium, Shape};
use crate::scenario::parse::raw;
use crate::scenario::parse::reader::{At, Field};
use crate::scenario::parse::shape::{Impairments, ShapeKeys};
use crate::scenario::source::{Place, Sources};

/// What a topology consists of.
#[derive(Debug, Default)]
pub struct Layout {
    /// The nodes' names.
    pub nodes: Vec<String>,
    /// The switches' names.
    pub switches: Vec<String>,
    /// Links; hosts are numbered nodes first.
    pub links: Vec<Link>,
    /// Media.
    pub media: Vec<Medium>,
    /// Where each node is, in metres; empty where nodes have no place.
    pub positions: Vec<[f64; 2]>,
    /// For a graph: which `[[node]]` describes each node, and where it is named.
    pub listed: Vec<(usize, Place)>,
    /// Whether something is missing because its description is wrong.
    pub incomplete: bool,
}

impl Layout {
    fn of(nodes: usize) -> Layout {
        Layout { nodes: Hosts::numbered(nodes), ..Layout::default() }
    }

    fn medium(rates: &Rates, shape: &Shape, airtime: Airtime) -> Layout {
        let shapes = rates
            .iter()
            .map(|row| {
                // No rate means no path: nothing arrives there.
                row.iter()
                    .map(|rate| rate.map_or(shape.severed(), |_| Shape { rate: *rate, ..shape.clone() }))
                    .collect()
            })
            .collect();
        let medium = Medium { name: "air".to_owned(), members: (0..rates.len()).collect(), shapes, airtime };
        Layout { media: vec![medium], ..Layout::of(rates.len()) }
    }
}

/// Lays out a topology; `None` where so much is wrong that there is nothing to lay out.
pub fn layout(
    topology: &At<raw::Topology>,
    scenario: &raw::Scenario,
    seed: u64,
    folder: &Path,
    sources: &mut Sources,
    problems: &mut Vec<Problem>,
) -> Option<Layout> {
    not_a_graph(topology, scenario, problems);
    match &topology.value {
        raw::Topology::Wifi(wifi) => {
            let shape = impaired(&wifi.shape, problems);
            let (side, channel_mhz) = (wifi.side.get()?.0, wifi.channel.get()?.0);
            let square = WifiSquare { nodes: count(&wifi.nodes)?, side, channel_mhz };
            let placed = square.place(seed);
            // To the millimetre: all that a picture needs, and the same when it is written as text and read again.
            let metres = |metres: f64| (metres * 1e3).round() / 1e3;
            let positions = placed.positions.iter().map(|at| [metres(at.x), metres(at.y)]).collect();
            Some(Layout { positions, ..Layout::medium(&placed.rates, &shape, airtime(&wifi.air)?) })
        }
        raw::Topology::Mesh(mesh) => {
            let shape = one_for_all(&mesh.shape, problems);
            let nodes = count(&mesh.nodes)?;
            let (shapes, airtime) = (vec![vec![shape; nodes]; nodes], airtime(&mesh.air)?);
            let medium = Medium { name: "mesh".to_owned(), members: (0..nodes).collect(), shapes, airtime };
            Some(Layout { media: vec![medium], ..Layout::of(nodes) })
        }
        raw::Topology::Star(star) => {
            let [up, down] = both_ways(&star.shape, &star.up, &star.down, problems);
            let nodes = count(&star.nodes)?;
            let links = (0..nodes).map(|node| Link { a: node, b: nodes, a_to_b: up.clone(), b_to_a: down.clone() });
            Some(Layout { switches: vec!["hub".to_owned()], links: links.collect(), ..Layout::of(nodes) })
        }
        raw::Topology::Line(line) => {
            let shape = one_for_all(&line.shape, problems);
            let nodes = count(&line.nodes)?;
            let links = (1..nodes).map(|node| alike(node - 1, node, &shape)).collect();
            Some(Layout { links, ..Layout::of(nodes) })
        }
        raw::Topology::Ring(ring) => {
            let shape = one_for_all(&ring.shape, problems);
            let nodes = count(&ring.nodes)?;
            let links = (0..nodes).map(|node| alike(node, (node + 1) % nodes, &shape)).collect();
            Some(Layout { links, ..Layout::of(nodes) })
        }
        raw::Topology::Tree(tree) => {
            let [up, down] = both_ways(&tree.shape, &tree.up, &tree.down, problems);
            let fanout = tree.fanout.get()?.0 as usize;
            Some(self::tree(count(&tree.nodes)?, fanout, &up, &down))
        }
        raw::Topology::Graph(graph) => graph::layout(graph, topology.place, scenario, problems),
        raw::Topology::Classes(classes) => classes::layout(classes, topology.place, problems),
        raw::Topology::Matrix(matrix) => {
            let shape = impaired(&matrix.shape, problems);
            let path = matrix.path.at()?;
            let rates = rates(&path.value.0, path.place, folder, sources, problems)?;
            Some(Layout::medium(&rates, &shape, airtime(&matrix.air)?))
        }
    }
}

fn count(nodes: &Field<raw::NodeCount>) -> Option<usize> {
    nodes.get().map(|count| count.0 as usize)
}

fn airtime(keys: &raw::Air) -> Option<Airtime> {
    keys.airtime.get().map(|airtime| airtime.0)
}

fn alike(a: usize, b: usize, shape: &Shape) -> Link {
    Link { a, b, a_to_b: shape.clone(), b_to_a: shape.clone() }
}

fn impaired(keys: &Impairments, problems: &mut Vec<Problem>) -> Shape {
    let mut shape = Shape::default();
    impair(keys, &mut shape);
    check(keys, &shape, problems);
    shape
}

fn one_for_all(keys: &ShapeKeys, problems: &mut Vec<Problem>) -> Shape {
    let shape = shape_of(keys, problems);
    check_aqm(keys, [&shape], problems);
    shape
}

/// The shapes up and down, each being `all` but for its own keys.
fn both_ways(
    all: &ShapeKeys,
    up: &Field<ShapeKeys>,
    down: &Field<ShapeKeys>,
    problems: &mut Vec<Problem>,
) -> [Shape; 2] {
    let shape = shape_of(all, problems);
    let shapes = [up, down].map(|keys| {
        let Some(keys) = keys.get() else { return shape.clone() };
        let shape = overlaid(&shape, keys, problems);
        check_aqm(keys, [&shape], problems);
        shape
    });
    check_aqm(all, &shapes, problems);
    shapes
}

/// Nodes at the leaves; switches are numbered from the root down.
fn tree(nodes: usize, fanout: usize, up: &Shape, down: &Shape) -> Layout {
    // Sizes of the levels of switches, from the leaves up to the root.
    let mut levels = vec![nodes.div_ceil(fanout)];
    while let Some(size @ 2..) = levels.last().copied() {
        levels.push(size.div_ceil(fanout));
    }
    levels.reverse();
    let switches: usize = levels.iter().sum();
    let link = |a: usize, b: usize| Link { a, b, a_to_b: up.clone(), b_to_a: down.clone() };
    let mut links = Vec::new();
    let mut first = nodes;
    for pair in levels.windows(2) {
        let below = first + pair[0];
        links.extend((0..pair[1]).map(|switch| link(below + switch, first + switch / fanout)));
        first = below;
    }
    links.splice(0..0, (0..nodes).map(|node| link(node, first + node / fanout)));
    Layout { switches: (0..switches).map(|number| format!("s{number}")).collect(), links, ..Layout::of(nodes) }
}

fn rates(name: &str, place: Place, folder: &Path, sources: &mut Sources, problems: &mut Vec<Problem>) -> Option<Rates> {
    let path = folder.join(name);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            let mistake = Mistake::NoFile { path: path.display().to_string(), reason: error.to_string() };
            problems.push(Problem::new(mistake.into(), place));
            return None;
        }
    };
    match matrix::parse(&text) {
        Ok(rates) if (2..=1000).contains(&rates.len()) => {
            sources.keep(name, &text);
            Some(rates)
        }
        Ok(rates) => {
            problems.push(Problem::new(Mistake::NodeCount(rates.len()).into(), place));
            None
        }
        Err(errors) => {
            let base = sources.add(&path.display().to_string(), &text);
            let at = |error: &matrix::MatrixError| Place::new(base, cell(&text, error));
            problems.extend(errors.into_iter().map(|error| {
                let place = at(&error);
                Problem::new(Mistake::Matrix(error).into(), place)
            }));
            None
        }
    }
}

/// The bytes of the text that an error is about.
fn cell(text: &str, error: &matrix::MatrixError) -> std::ops::Range<usize> {
    let Some(number) = error.line() else { return 0..0 };
    let line = text.split_inclusive('\n').nth(number - 1).unwrap_or_default();
    let start: usize = text.split_inclusive('\n').take(number - 1).map(str::len).sum();
    match error {
        matrix::MatrixError::NotARate { column, found, .. } => {
            let offset = line.char_indices().nth(column - 1).map_or(0, |(offset, _)| offset);
            start + offset..start + offset + found.len()
        }
        _ => start..start + line.trim_end().len(),
    }
}

fn not_a_graph(topology: &At<raw::Topology>, scenario: &raw::Scenario, problems: &mut Vec<Problem>) {
    let kind = match &topology.value {
        raw::Topology::Graph(_) => return,
        raw::Topology::Wifi(_) => "wifi",
        raw::Topology::Mesh(_) => "mesh",
        raw::Topology::Star(_) => "star",
        raw::Topology::Line(_) => "line",
        raw::Topology::Ring(_) => "ring",
        raw::Topology::Tree(_) => "tree",
        raw::Topology::Matrix(_) => "matrix",
        raw::Topology::Classes(_) => "classes",
    };
    let listed = match scenario.node.get() {
        Some(raw::Nodes::Listed(list)) => list.0.first().map_or(scenario.node.place(), |first| first.place),
        _ => Place::NOWHERE,
    };
    let first = |place: Option<Place>| place.unwrap_or(Place::NOWHERE);
    let switch = first(scenario.switch.get().and_then(|list| list.0.first()).map(|at| at.place));
    let link = first(scenario.link.get().and_then(|list| list.0.first()).map(|at| at.place));
    for (table, place) in [("[[node]]", listed), ("[[switch]]", switch), ("[[link]]", link)] {
        if place.is_written() {
            problems.push(
                Problem::new(Mistake::NotAGraph { table, kind }.into(), place)
                    .also(topology.place, format!("this is of kind {kind:?}")),
            );
        }
    }
}
