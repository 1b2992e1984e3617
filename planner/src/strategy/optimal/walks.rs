//! The best walk from the model's input to its output: like a chain, but only *watched* nodes may not be used twice
//! (and none twice in a row).
//!
//! Labels are spread cut by cut. A label says what the walk has cost so far, on which node it is, and which watched
//! nodes it has used; it is dropped if another on the same node and cut costs no more and has used no other
//! watched nodes, or if the best continuation, as a walk, is no better than the best chain known.

use super::super::{Chain, Instance, Objective, Stop};
use crate::profile::Segment;

/// As many nodes as a label can tell apart.
pub const MOST_WATCHED: usize = 64;

/// A walk, and what the objective makes of it.
pub struct Walk {
    pub value: f64,
    pub stages: Chain,
}

impl Walk {
    /// The nodes that it uses more than once.
    pub fn repeated(&self) -> Vec<usize> {
        let mut repeated: Vec<usize> = Vec::new();
        for (index, (node, _)) in self.stages.iter().enumerate() {
            if self.stages[..index].iter().any(|(other, _)| other == node) && !repeated.contains(node) {
                repeated.push(*node);
            }
        }
        repeated
    }
}

pub enum Outcome {
    /// The best walk; it is better than the chain known.
    Found(Walk),
    /// None is better than the chain known.
    None,
    /// The effort is spent.
    Spent,
}

/// A step of a walk.
#[derive(Clone, Copy)]
struct Label {
    cost: f64,
    /// Among equals, a walk with fewer stages is preferred: it repeats less.
    stages: u16,
    used: u64,
    /// The label before it, and its end.
    parent: u32,
    node: u32,
    cut: u32,
}

const START: u32 = u32::MAX;

/// What is the same for every search on an instance.
pub struct Walks<'a> {
    instance: &'a Instance,
    objective: Objective,
    longest: f64,
    /// The least that a walk costs on from a tensor that is on a node which has made it: `left[cut][node]`.
    left: Vec<Vec<f64>>,
    /// The same from a tensor that has come to a node: `arrived[cut][node]`.
    arrived: Vec<Vec<f64>>,
}

impl<'a> Walks<'a> {
    pub fn new(instance: &'a Instance, objective: Objective) -> Walks<'a> {
        let (nodes, end, dispatcher) = (instance.nodes.len(), instance.end, instance.dispatcher());
        let longest = objective.longest();
        let mut walks = Walks {
            instance,
            objective,
            longest,
            left: vec![vec![f64::INFINITY; nodes]; end + 1],
            arrived: vec![vec![f64::INFINITY; nodes]; end + 1],
        };
        for node in 0..nodes {
            walks.left[end][node] = walks.transfer(node, dispatcher, end);
        }
        for cut in (0..end).rev() {
            for node in 0..nodes {
                let onward = |to| {
                    let segment = Segment { from: cut, to };
                    Some(objective.join(walks.stage(node, segment)?, walks.left[to][node]))
                };
                let ends = cut + 1..=instance.fits(node, cut);
                walks.arrived[cut][node] = ends.map_while(onward).fold(f64::INFINITY, f64::min);
            }
            for node in 0..nodes {
                let others = (0..nodes).filter(|to| *to != node);
                let onward = |to| objective.join(walks.transfer(node, to, cut), walks.arrived[cut][to]);
                walks.left[cut][node] = others.map(onward).fold(f64::INFINITY, f64::min);
            }
        }
        walks
    }

    /// What it adds to the objective that a tensor goes from one node to another.
    fn transfer(&self, from: usize, to: usize, cut: usize) -> f64 {
        let busy = self.longest.is_finite() && self.instance.transfer(from, to, cut) > self.longest;
        if busy { f64::INFINITY } else { self.instance.transfer_cost(self.objective, from, to, cut) }
    }

    /// What it adds to the objective that a node computes a segment; `None` if that, and every longer one, takes too long.
    fn stage(&self, node: usize, segment: Segment) -> Option<f64> {
        let busy = self.longest.is_finite() && self.instance.compute(node, segment) > self.longest;
        (!busy).then(|| self.instance.stage_cost(self.objective, node, segment))
    }

    /// The best walk that uses no watched node twice, if it is better than `known`.
    pub fn best(&mut self, watched: &[usize], known: f64, effort: usize, stop: Stop<'_>) -> Outcome {
        let (instance, nodes, dispatcher) = (self.instance, self.instance.nodes.len(), self.instance.dispatcher());
        let mut bit = vec![0u64; nodes];
        watched.iter().take(MOST_WATCHED).enumerate().for_each(|(index, node)| bit[*node] = 1 << index);
        let mut labels: Vec<Label> = Vec::new();
        let mut made: Vec<Vec<Vec<u32>>> = vec![vec![Vec::new(); nodes]; instance.end + 1];
        let outside = instance.outside_cost(self.objective);
        let (join, hopeless) = (|a, b| self.objective.join(a, b), |cost: f64| cost.is_infinite() || cost >= known);
        let mut arrivals: Vec<Label> = Vec::new();
        for cut in 0..instance.end {
            for node in 0..nodes {
                arrivals.clear();
                if hopeless(join(outside, self.arrived[cut][node])) {
                    continue;
                }
                if cut == 0 {
                    let cost = join(outside, self.transfer(dispatcher, node, 0));
                    let label = Label { cost, stages: 0, used: 0, parent: START, node: node as u32, cut: 0 };
                    if !hopeless(join(cost, self.arrived[0][node])) {
                        arrivals.push(label);
                    }
                }
                for before in (0..nodes).filter(|before| *before != node && !made[cut][*before].is_empty()) {
                    let transfer = self.transfer(before, node, cut);
                    if hopeless(transfer) {
                        continue;
                    }
                    for index in &made[cut][before] {
                        let label = labels[*index as usize];
                        let cost = join(label.cost, transfer);
                        if label.used & bit[node] == 0 && !hopeless(join(cost, self.arrived[cut][node])) {
                            let (parent, node, cut) = (*index, node as u32, cut as u32);
                            insert(&mut arrivals, Label { cost, parent, node, cut, ..label });
                        }
                    }
                }
                for arrival in &arrivals {
                    for (to, ends) in made.iter_mut().enumerate().take(instance.fits(node, cut) + 1).skip(cut + 1) {
                        let Some(stage) = self.stage(node, Segment { from: cut, to }) else { break };
                        let cost = join(arrival.cost, stage);
                        if hopeless(join(cost, self.left[to][node])) {
                            continue;
                        }
                        let used = arrival.used | bit[node];
                        let label = Label { cost, stages: arrival.stages + 1, used, cut: to as u32, ..*arrival };
                        let place = &mut ends[node];
                        if place.iter().any(|other| dominates(&labels[*other as usize], &label)) {
                            continue;
                        }
                        place.retain(|other| !dominates(&label, &labels[*other as usize]));
                        place.push(labels.len() as u32);
                        labels.push(label);
                    }
                }
                if labels.len() > effort.max(nodes * instance.end) && !watched.is_empty() {
                    return Outcome::Spent;
                }
            }
            if !watched.is_empty() && stop() {
                return Outcome::Spent;
            }
        }
        let last = (0..nodes).flat_map(|node| made[instance.end][node].iter().map(move |index| (node, *index)));
        let ended = last.map(|(node, index)| {
            let label = &labels[index as usize];
            (join(label.cost, self.transfer(node, dispatcher, instance.end)), label.stages, index)
        });
        let best = ended.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        match best.filter(|(value, _, _)| !hopeless(*value)) {
            Some((value, _, index)) => Outcome::Found(Walk { value, stages: trace(&labels, index) }),
            None => Outcome::None,
        }
    }
}

fn dominates(a: &Label, b: &Label) -> bool {
    a.used & !b.used == 0 && (a.cost < b.cost || (a.cost == b.cost && a.stages <= b.stages))
}

fn insert(labels: &mut Vec<Label>, label: Label) {
    if !labels.iter().any(|other| dominates(other, &label)) {
        labels.retain(|other| !dominates(&label, other));
        labels.push(label);
    }
}

/// The stages that led to a label.
fn trace(labels: &[Label], mut index: u32) -> Chain {
    let mut stages = Vec::new();
    while index != START {
        let label = &labels[index as usize];
        let from = if label.parent == START { 0 } else { labels[label.parent as usize].cut as usize };
        stages.push((label.node as usize, Segment { from, to: label.cut as usize }));
        index = label.parent;
    }
    stages.reverse();
    stages
}
