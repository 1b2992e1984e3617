//! SEIFER's k-path matching (arXiv 2304.11941): the cuts with the smallest sum of transfers; transfers are sorted into
//! classes of equal width; from the heaviest class on, each run of consecutive transfers of a class gets the path
//! of as many nodes whose smallest bandwidth is largest.
//!
//! Whether there is such a path is found by colour coding (Alon, Yuster and Zwick, J. ACM 42(4), 1995): nodes get
//! random colours, and a path of nodes of different colours is found by dynamic programming over sets of colours.
//! As published there are ⌊1.3 k⌋ colours for k nodes; tries are limited to [`TRIES`], where the authors take 10·eᵏ.

use std::collections::HashMap;

use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use super::cuts::least_sum;
use super::{Chain, Instance, Objective, Solution, Stop, Strategy, Unplaced, bound, sustains};
use crate::profile::Segment;

/// Colourings tried before a path is taken not to exist. With 1.3 k colours a path of 8 nodes shows in one of about
/// 50, so this misses few, and costs that of a smaller bandwidth, not the plan.
const TRIES: u32 = 200;

/// See the module's documentation. The objective does not guide the search.
#[derive(Debug, Clone, Copy)]
pub struct KPath {
    /// How many classes of bandwidth; the authors try 2 to 20.
    pub classes: usize,
}

impl Default for KPath {
    fn default() -> KPath {
        KPath { classes: 20 }
    }
}

impl Strategy for KPath {
    fn place(
        &self,
        instance: &Instance,
        objective: Objective,
        seed: u64,
        stop: Stop<'_>,
    ) -> Result<Solution, Unplaced> {
        let failed = Unplaced { proven: false };
        let ends = least_sum(instance).ok_or(failed)?;
        let mut matching = Matching::new(instance, &ends, seed);
        for run in self.runs(instance, &ends) {
            if stop() || !matching.place(run) {
                return Err(failed);
            }
        }
        let chain = matching.chain().ok_or(failed)?;
        let value = instance.value(objective, &chain);
        if !value.is_finite() || !sustains(instance, objective, &chain) {
            return Err(failed);
        }
        Ok(Solution { value, bound: bound(instance, objective), chain })
    }
}

/// Consecutive transfers, by the number of the stage that sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    first: usize,
    transfers: usize,
}

impl KPath {
    /// The runs in the order in which they are placed.
    fn runs(&self, instance: &Instance, ends: &[usize]) -> Vec<Run> {
        let all = || (0..=instance.end).map(|cut| instance.wire_bits(cut));
        let (low, high) = all().fold((f64::INFINITY, 0.0), |(low, high), bits| (bits.min(low), bits.max(high)));
        let classes = self.classes.max(1);
        let class = |bits: f64| {
            let share = if high > low { (bits - low) / (high - low) } else { 0.0 };
            ((share * classes as f64) as usize).min(classes - 1)
        };
        let transfers: Vec<usize> =
            ends.iter().take(ends.len() - 1).map(|cut| class(instance.wire_bits(*cut))).collect();
        let mut runs: Vec<(usize, Run)> = Vec::new();
        for (first, class) in transfers.iter().enumerate() {
            match runs.last_mut() {
                Some((other, run)) if other == class => run.transfers += 1,
                _ => runs.push((*class, Run { first, transfers: 1 })),
            }
        }
        runs.sort_by_key(|(class, run)| std::cmp::Reverse((*class, run.transfers)));
        runs.into_iter().map(|(_, run)| run).collect()
    }
}

/// Stages on nodes, some not yet placed.
struct Matching<'a> {
    instance: &'a Instance,
    segments: Vec<Segment>,
    nodes: Vec<Option<usize>>,
    random: Pcg64,
}

impl<'a> Matching<'a> {
    fn new(instance: &'a Instance, ends: &[usize], seed: u64) -> Matching<'a> {
        let begins = std::iter::once(0).chain(ends.iter().copied());
        let segments: Vec<Segment> = begins.zip(ends).map(|(from, to)| Segment { from, to: *to }).collect();
        Matching { instance, nodes: vec![None; segments.len()], segments, random: Pcg64::seed_from_u64(seed) }
    }

    fn fits(&self, node: usize, stage: usize) -> bool {
        let Segment { from, to } = self.segments[stage];
        self.instance.fits(node, from) >= to
    }

    /// Places the stages of a run on the path whose smallest bandwidth is largest; whether there is any.
    fn place(&mut self, run: Run) -> bool {
        let stages = run.first..=run.first + run.transfers;
        let candidates: Vec<Vec<usize>> = stages
            .clone()
            .map(|stage| match self.nodes[stage] {
                Some(node) => vec![node],
                None => {
                    let free = |node: &usize| !self.nodes.contains(&Some(*node)) && self.fits(*node, stage);
                    (0..self.instance.nodes.len()).filter(free).collect()
                }
            })
            .collect();
        let mut widths: Vec<f64> = candidates
            .windows(2)
            .flat_map(|pair| pair[0].iter().flat_map(|a| pair[1].iter().map(move |b| (*a, *b))))
            .map(|(a, b)| self.instance.bandwidth(a, b))
            .filter(|width| *width > 0.0)
            .collect();
        widths.sort_by(f64::total_cmp);
        widths.dedup();
        let mut best = None;
        let (mut low, mut high) = (0, widths.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.path(&candidates, widths[middle]) {
                Some(path) => (best, low) = (Some(path), middle + 1),
                None => high = middle,
            }
        }
        let Some(path) = best else { return false };
        stages.zip(path).for_each(|(stage, node)| self.nodes[stage] = Some(node));
        true
    }

    /// A simple path with a node of each set of candidates and no bandwidth below `least`, by colour coding.
    fn path(&mut self, candidates: &[Vec<usize>], least: f64) -> Option<Vec<usize>> {
        let length = candidates.len();
        let colours = (length * 13 / 10).clamp(2, 63) as u64;
        let wide = |a: usize, b: usize| a != b && self.instance.bandwidth(a, b) >= least;
        // An edge needs no chance: the two ends are different nodes anyway.
        if let [first, second] = candidates {
            let edges = first.iter().flat_map(|a| second.iter().map(move |b| (*a, *b)));
            return edges.into_iter().find(|(a, b)| wide(*a, *b)).map(|(a, b)| vec![a, b]);
        }
        for _ in 0..TRIES {
            let colours: Vec<u64> = (0..self.instance.nodes.len()).map(|_| self.random.next_u64() % colours).collect();
            if let Some(path) = colourful(candidates, &colours, &wide) {
                return Some(path);
            }
        }
        None
    }

    fn chain(self) -> Option<Chain> {
        let Matching { instance, segments, mut nodes, .. } = self;
        if let ([None], [segment]) = (nodes.as_slice(), segments.as_slice()) {
            // Nothing is sent between stages, so any node with room will do: that with the best path to the dispatcher.
            let dispatcher = instance.dispatcher();
            let fitting = (0..instance.nodes.len()).filter(|node| instance.fits(*node, segment.from) >= segment.to);
            nodes[0] = fitting.max_by(|a, b| {
                let width = |node: &usize| instance.bandwidth(dispatcher, *node);
                width(a).total_cmp(&width(b))
            });
        }
        segments.into_iter().zip(nodes).map(|(segment, node)| Some((node?, segment))).collect()
    }
}

/// A path whose nodes all have different colours.
fn colourful(candidates: &[Vec<usize>], colours: &[u64], wide: &dyn Fn(usize, usize) -> bool) -> Option<Vec<usize>> {
    // Step by step: each node with the sets of colours that led to it, and the node before.
    let mut steps: Vec<HashMap<(usize, u64), usize>> = Vec::with_capacity(candidates.len());
    steps.push(candidates[0].iter().map(|node| ((*node, 1 << colours[*node]), *node)).collect());
    for next in &candidates[1..] {
        let mut reached: HashMap<(usize, u64), usize> = HashMap::new();
        for (before, used) in steps[steps.len() - 1].keys() {
            for node in next {
                let colour = 1u64 << colours[*node];
                if used & colour == 0 && wide(*before, *node) {
                    // The lowest, so that the outcome doesn't depend on the order of a hash table.
                    let kept = reached.entry((*node, used | colour)).or_insert(*before);
                    *kept = (*kept).min(*before);
                }
            }
        }
        if reached.is_empty() {
            return None;
        }
        steps.push(reached);
    }
    let mut at = *steps[steps.len() - 1].keys().min()?;
    let mut path = Vec::with_capacity(steps.len());
    for step in steps.iter().rev() {
        path.push(at.0);
        at = (step[&at], at.1 & !(1 << colours[at.0]));
    }
    path.reverse();
    Some(path)
}
