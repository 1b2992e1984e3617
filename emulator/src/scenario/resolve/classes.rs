//! A medium whose nodes fall into classes.

use planner::cluster::classes::spread;
use planner::units::Rate;

use super::hosts::unknown;
use super::mistake::Mistake;
use super::shape::{check, impair};
use super::topology::Layout;
use crate::scenario::error::Problem;
use crate::scenario::network::{Medium, Shape};
use crate::scenario::parse::leaf::Text;
use crate::scenario::parse::raw;
use crate::scenario::parse::reader::At;
use crate::scenario::source::Place;

/// Lays out the classes; nodes have the names of their class, numbered from 1.
pub fn layout(classes: &raw::Classes, place: Place, problems: &mut Vec<Problem>) -> Option<Layout> {
    let mut shape = Shape::default();
    impair(&classes.shape, &mut shape);
    check(&classes.shape, &shape, problems);
    let airtime = classes.air.airtime.get()?.0;
    let before = problems.len();
    let (mut names, mut sizes, mut places) = (Vec::<String>::new(), Vec::new(), Vec::new());
    for class in &classes.class.get()?.0 {
        let (name, nodes) = (class.value.name.at()?, class.value.nodes.get()?.0 as usize);
        if let Some(first) = names.iter().position(|known| *known == name.value.0) {
            let problem = Problem::new(Mistake::DuplicateClass(name.value.0.clone()).into(), name.place);
            problems.push(problem.also(places[first], "the first"));
            continue;
        }
        names.push(name.value.0.clone());
        sizes.push(nodes);
        places.push(name.place);
    }
    let nodes: usize = sizes.iter().sum();
    if !(3..=500).contains(&nodes) {
        problems.push(Problem::new(Mistake::NodeCount(nodes).into(), place));
    }
    let between = between(classes, &names, &sizes, place, problems)?;
    if problems.len() > before {
        return None;
    }
    let shapes: Vec<Vec<Shape>> =
        between.iter().map(|row| row.iter().map(|rate| Shape { rate: *rate, ..shape.clone() }).collect()).collect();
    let nodes =
        names.iter().zip(&sizes).flat_map(|(name, size)| (1..=*size).map(move |number| format!("{name}-{number}")));
    let nodes: Vec<String> = nodes.collect();
    let members = (0..nodes.len()).collect();
    let medium = Medium { name: "air".to_owned(), members, shapes: spread(&sizes, &shapes), airtime };
    Some(Layout { nodes, media: vec![medium], ..Layout::default() })
}

/// A rate (`None`: not limited), and where it is said.
type Said = (Option<Rate>, Place);

/// The rate from each class to each; `None`: not limited.
fn between(
    classes: &raw::Classes,
    names: &[String],
    sizes: &[usize],
    place: Place,
    problems: &mut Vec<Problem>,
) -> Option<Vec<Vec<Option<Rate>>>> {
    let mut rates: Vec<Vec<Option<Said>>> = vec![vec![None; names.len()]; names.len()];
    let mut spoilt = false;
    for pair in &classes.pair.get()?.0 {
        let (from, to, there) = (pair.value.from.at()?, pair.value.to.at()?, pair.value.rate.get()?.0);
        let back = pair.value.back.optional()?.map_or(there, |back| back.0);
        let mut class = |name: &At<Text>| {
            let found = names.iter().position(|known| *known == name.value.0);
            if found.is_none() {
                problems.push(unknown("class", &name.value.0, names, name.place));
            }
            found
        };
        let (Some(a), Some(b)) = (class(from), class(to)) else {
            spoilt = true;
            continue;
        };
        if let Some((_, first)) = rates[a][b] {
            let mistake = Mistake::PairTwice(names[a].clone(), names[b].clone());
            problems.push(Problem::new(mistake.into(), pair.place).also(first, "the first"));
            continue;
        }
        rates[b][a] = Some((back, pair.place));
        rates[a][b] = Some((there, pair.place));
    }
    for a in 0..names.len() {
        for b in a..names.len() {
            // A node by itself sends nothing to its like.
            if rates[a][b].is_none() && !(a == b && sizes[a] < 2) && !spoilt {
                problems.push(Problem::new(Mistake::PairMissing(names[a].clone(), names[b].clone()).into(), place));
            }
        }
    }
    Some(rates.into_iter().map(|row| row.into_iter().map(|rate| rate.and_then(|(rate, _)| rate)).collect()).collect())
}
