//! Chains near a chain: one node for another, one more, one less, two exchanged, and always the best cuts for them.
//! What is shortest so far is shaken a little and shortened again, so that a good chain is known where a proof takes long.

use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use super::super::{Chain, Instance, Objective, Stop};
use crate::profile::Segment;

/// A chain with a shorter bottleneck, if there is one near; so many times it is shaken.
pub fn shorter(instance: &Instance, chain: &Chain, shakes: u32, seed: u64, stop: Stop<'_>) -> Option<Chain> {
    let known = instance.value(Objective::Throughput, chain);
    let mut random = Pcg64::seed_from_u64(seed);
    let mut below = |bound: usize| ((u128::from(random.next_u64()) * bound as u128) >> 64) as usize;
    let start: Vec<usize> = chain.iter().map(|(node, _)| *node).collect();
    let mut best = Tour::new(instance, start).descended(stop);
    for _ in 0..shakes {
        if stop() {
            break;
        }
        let mut nodes = best.nodes.clone();
        for _ in 0..2 + below(2) {
            let (place, node) = (below(nodes.len()), below(instance.nodes.len()));
            match nodes.iter().position(|other| *other == node) {
                Some(other) => nodes.swap(place, other),
                None => nodes[place] = node,
            }
        }
        let next = Tour::new(instance, nodes).descended(stop);
        if next.value <= best.value {
            best = next;
        }
    }
    if best.value < known { best.chain() } else { None }
}

/// Nodes in an order, with the best cuts.
struct Tour<'a> {
    instance: &'a Instance,
    nodes: Vec<usize>,
    /// `made[stages][cut]`: the shortest bottleneck with which the first so many stages hold the model up to a cut.
    made: Vec<Vec<f64>>,
    /// `rest[stages][cut]`: that of the stages behind so many, from a tensor that has come to the first of them.
    rest: Vec<Vec<f64>>,
    value: f64,
}

impl<'a> Tour<'a> {
    fn new(instance: &'a Instance, nodes: Vec<usize>) -> Tour<'a> {
        let (count, end) = (nodes.len(), instance.end);
        let none = vec![f64::INFINITY; end + 1];
        let mut tour =
            Tour { instance, nodes, made: vec![none.clone(); count + 1], rest: vec![none; count + 1], value: 0.0 };
        tour.made[0][0] = 0.0;
        // Behind the last stage the tensor has come to the dispatcher.
        tour.rest[count][end] = 0.0;
        for stage in 0..count {
            let (before, node) = (tour.node(stage), tour.nodes[stage]);
            for from in 0..end {
                let arrived = tour.made[stage][from].max(instance.transfer(before, node, from));
                if arrived.is_finite() {
                    for to in from + 1..=instance.fits(node, from) {
                        let time = arrived.max(instance.compute(node, Segment { from, to }));
                        let place = &mut tour.made[stage + 1][to];
                        *place = place.min(time);
                    }
                }
            }
        }
        for stage in (0..count).rev() {
            let (node, behind) = (tour.nodes[stage], tour.node(stage + 2));
            let onward: Vec<f64> =
                (0..=end).map(|to| tour.rest[stage + 1][to].max(instance.transfer(node, behind, to))).collect();
            for from in 0..end {
                let ends = from + 1..=instance.fits(node, from);
                let time = |to: usize| onward[to].max(instance.compute(node, Segment { from, to }));
                tour.rest[stage][from] = ends.map(time).fold(f64::INFINITY, f64::min);
            }
        }
        tour.value = tour.made[count][end].max(instance.transfer(tour.node(count), instance.dispatcher(), end));
        tour
    }

    /// The node of the stage before `stage`: the dispatcher before the first, and behind the last.
    fn node(&self, stage: usize) -> usize {
        match stage.checked_sub(1) {
            Some(before) if before < self.nodes.len() => self.nodes[before],
            _ => self.instance.dispatcher(),
        }
    }

    /// Whether it is shorter than now if `node` takes the place of the stages from `first` to before `last`.
    fn shortens(&self, first: usize, last: usize, node: usize) -> bool {
        let (instance, end) = (self.instance, self.instance.end);
        let (before, behind) = (self.node(first), self.node(last + 1));
        (0..end).any(|from| {
            self.made[first][from].max(instance.transfer(before, node, from)) < self.value
                && (from + 1..=instance.fits(node, from))
                    .take_while(|to| instance.compute(node, Segment { from, to: *to }) < self.value)
                    .any(|to| self.rest[last][to].max(instance.transfer(node, behind, to)) < self.value)
        })
    }

    /// Whether it is shorter without a stage.
    fn shortens_without(&self, stage: usize) -> bool {
        let (before, behind) = (self.node(stage), self.node(stage + 2));
        let joined = |cut: usize| {
            self.made[stage][cut].max(self.instance.transfer(before, behind, cut)).max(self.rest[stage + 1][cut])
        };
        (0..=self.instance.end).any(|cut| joined(cut) < self.value)
    }

    /// Shortened until no chain near is shorter.
    fn descended(mut self, stop: Stop<'_>) -> Tour<'a> {
        while !stop() {
            match self.nearer() {
                Some(tour) if tour.value < self.value => self = tour,
                _ => break,
            }
        }
        self
    }

    fn nearer(&self) -> Option<Tour<'a>> {
        let count = self.nodes.len();
        let free = || (0..self.instance.nodes.len()).filter(|node| !self.nodes.contains(node));
        let with = |first: usize, last: usize, node: Option<usize>| {
            let mut nodes = self.nodes.clone();
            nodes.splice(first..last, node);
            Some(Tour::new(self.instance, nodes))
        };
        for node in free() {
            for first in 0..=count {
                let last =
                    [first, first + 1].into_iter().find(|last| *last <= count && self.shortens(first, *last, node));
                if let Some(last) = last {
                    return with(first, last, Some(node));
                }
            }
        }
        if let Some(stage) = (0..count).find(|stage| count > 1 && self.shortens_without(*stage)) {
            return with(stage, stage + 1, None);
        }
        let pairs = (0..count).flat_map(|one| (one + 1..count).map(move |other| (one, other)));
        let exchanged = |(one, other): (usize, usize)| {
            let mut nodes = self.nodes.clone();
            nodes.swap(one, other);
            Tour::new(self.instance, nodes)
        };
        pairs.map(exchanged).find(|tour| tour.value < self.value)
    }

    /// Its stages, cut from the end.
    fn chain(&self) -> Option<Chain> {
        let (mut chain, mut to) = (Chain::new(), self.instance.end);
        for stage in (0..self.nodes.len()).rev() {
            let (before, node) = (self.node(stage), self.nodes[stage]);
            let time = |from: usize| {
                let own =
                    self.instance.transfer(before, node, from).max(self.instance.compute(node, Segment { from, to }));
                if self.instance.fits(node, from) < to { f64::INFINITY } else { own.max(self.made[stage][from]) }
            };
            let from = (0..to).min_by(|a, b| time(*a).total_cmp(&time(*b)))?;
            chain.push((node, Segment { from, to }));
            to = from;
        }
        chain.reverse();
        (to == 0).then_some(chain)
    }
}
