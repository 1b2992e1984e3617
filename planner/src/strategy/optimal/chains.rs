//! Is there a chain whose bottleneck is at most so long? Searched depth first over the nodes, with the set of all
//! cuts up to which the nodes so far can hold the model in this order.
//!
//! A way is given up when the end can't be reached over the nodes that are left, even if each might be used
//! again and again, or not with so few of them, or not at their [prices](super::prices); or when the same nodes, with the
//! same one last, have been seen with all of these cuts before.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::super::{Chain, Instance, Objective, Stop};
use super::bits::Bits;
use super::prices::{Judgement, Prices};
use super::table::Table;
use crate::profile::Segment;

/// Nodes that a set of the used ones can hold.
const MOST_NODES: usize = 128;
/// Steps towards good prices, at the start and for so much effort each.
const RAISES: (usize, usize) = (8, 400);

pub enum Answer {
    Chain(Chain),
    /// It is certain that there is none.
    None,
    /// The effort is spent, or the instance too large.
    Unknown,
}

/// A chain whose bottleneck is at most `bottleneck`, trying at most `effort` steps.
pub fn within(instance: &Instance, bottleneck: f64, effort: usize, stop: Stop<'_>) -> Answer {
    if instance.nodes.len() > MOST_NODES {
        return Answer::Unknown;
    }
    if instance.outside_cost(Objective::Throughput) > bottleneck {
        return Answer::None;
    }
    // Whatever the bottleneck may be, what takes for ever is no chain.
    let bottleneck = bottleneck.min(f64::MAX);
    match instance.end {
        0..64 => Search::<1>::new(instance, bottleneck, effort, stop).answer(),
        64..128 => Search::<2>::new(instance, bottleneck, effort, stop).answer(),
        128..256 => Search::<4>::new(instance, bottleneck, effort, stop).answer(),
        _ => Answer::Unknown,
    }
}

struct Search<'a, const W: usize> {
    table: Table<W>,
    prices: Prices,
    /// Nodes in use, with the cuts that they may end at.
    path: Vec<(usize, Bits<W>)>,
    used: u128,
    seen: HashMap<(usize, u128), Vec<Bits<W>>, BuildHasherDefault<Mixer>>,
    effort: usize,
    stop: Stop<'a>,
}

impl<'a, const W: usize> Search<'a, W> {
    fn new(instance: &Instance, bottleneck: f64, effort: usize, stop: Stop<'a>) -> Search<'a, W> {
        Search {
            table: Table::new(instance, bottleneck),
            prices: Prices::new(instance.nodes.len(), instance.end),
            path: Vec::new(),
            used: 0,
            seen: HashMap::default(),
            effort,
            stop,
        }
    }

    fn answer(mut self) -> Answer {
        let (first, each) = RAISES;
        match self.prices.raise(&self.table, first + self.effort / each) {
            Judgement::Chain(chain) => return Answer::Chain(chain),
            Judgement::None => return Answer::None,
            Judgement::Open => {}
        }
        match self.extend(self.table.nodes, Bits::of(0), 1.0) {
            Some(true) => Answer::Chain(self.chain()),
            Some(false) => Answer::None,
            None => Answer::Unknown,
        }
    }

    /// Whether the tensors at `cuts`, made by `holder`, lead to the end over nodes that cost no more than `rest` together;
    /// `None` when the effort is spent.
    fn extend(&mut self, holder: usize, cuts: Bits<W>, rest: f64) -> Option<bool> {
        let Table { nodes, end, .. } = self.table;
        if holder < nodes && cuts.contains(end) && self.table.open[holder][nodes].contains(end) {
            return Some(true);
        }
        if self.effort == 0 || (self.effort.is_multiple_of(256) && (self.stop)()) {
            return None;
        }
        self.effort -= 1;
        let mut next = Vec::with_capacity(nodes);
        for node in (0..nodes).filter(|node| self.used >> node & 1 == 0) {
            let arrived = self.prices.affordable(node, cuts & self.table.open[holder][node], rest);
            if !arrived.is_empty() {
                let reached = self.table.hold(node, arrived);
                let reached = self.prices.affordable_behind(node, reached, rest - self.prices.nodes[node]);
                if !reached.is_empty() {
                    next.push((0, std::cmp::Reverse(reached.highest()), node, reached, arrived));
                }
            }
        }
        self.stages_left(&mut next);
        next.sort_by_key(|(stages, highest, node, _, _)| (*stages, *highest, *node));
        for (stages, _, node, reached, _) in next {
            let used = self.used | 1 << node;
            if stages == 0 || self.seen_with_fewer(node, used, &reached) {
                continue;
            }
            let seen = self.seen.entry((node, used)).or_default();
            if seen.iter().any(|other| reached.within(other)) {
                continue;
            }
            seen.retain(|other| !other.within(&reached));
            seen.push(reached);
            self.used = used;
            self.path.push((node, reached));
            if self.extend(node, reached, rest - self.prices.nodes[node])? {
                return Some(true);
            }
            self.path.pop();
            self.used &= !(1 << node);
        }
        Some(false)
    }

    /// Whether all of these cuts have been reached without one of the nodes in use.
    fn seen_with_fewer(&self, node: usize, used: u128, reached: &Bits<W>) -> bool {
        self.path.iter().any(|(other, _)| {
            let without = self.seen.get(&(node, used & !(1 << other)));
            without.is_some_and(|seen| seen.iter().any(|cuts| reached.within(cuts)))
        })
    }

    /// Notes for each of the next nodes how many stages are needed at least if it comes next, where any unused node may
    /// be used again and again; nothing where the end is out of reach with as many stages as there are unused nodes.
    fn stages_left(&self, next: &mut [Next<W>]) {
        let Table { nodes, end, ref open, .. } = self.table;
        let unused: Vec<usize> = (0..nodes).filter(|node| self.used >> node & 1 == 0).collect();
        // Backward: the cuts from which, once a node has the tensor, so many stages suffice; and which of them are new.
        let finish = |node: &usize| match open[*node][nodes].contains(end) {
            true => self.table.hold_back(*node, Bits::of(end)),
            false => Bits::default(),
        };
        let mut finished: Vec<Bits<W>> = unused.iter().map(finish).collect();
        let mut fresh: Vec<(usize, Bits<W>)> = unused.iter().copied().zip(finished.iter().copied()).collect();
        for count in 1..=unused.len() {
            let mut missing = false;
            for (stages, _, node, _, arrived) in next.iter_mut().filter(|(stages, ..)| *stages == 0) {
                let place = unused.binary_search(node).unwrap_or_default();
                if (*arrived & finished[place]).is_empty() {
                    missing = true;
                } else {
                    *stages = count;
                }
            }
            fresh.retain(|(_, new)| !new.is_empty());
            if !missing || fresh.is_empty() {
                return;
            }
            let grow = |(place, node): (usize, &usize)| {
                // Where this node's segment may end so that another can finish from there.
                let mut ends = Bits::default();
                fresh.iter().filter(|(next, _)| next != node).for_each(|(next, new)| ends |= open[*node][*next] & *new);
                (*node, if ends.is_empty() { ends } else { self.table.hold_back(*node, ends) - finished[place] })
            };
            fresh = unused.iter().enumerate().map(grow).collect();
            finished.iter_mut().zip(&fresh).for_each(|(finished, (_, new))| *finished |= *new);
        }
    }

    /// The chain of the nodes found: cuts chosen from the end.
    fn chain(&self) -> Chain {
        let mut chain = Vec::new();
        let mut to = self.table.end;
        for index in (0..self.path.len()).rev() {
            let (node, _) = self.path[index];
            let (before, ends) = match index.checked_sub(1) {
                Some(index) => self.path[index],
                None => (self.table.nodes, Bits::of(0)),
            };
            let arrives = ends & self.table.open[before][node];
            let reaches = |from: &usize| *from < to && self.table.reach[node][*from] >= to;
            let Some(from) = arrives.iter().find(reaches) else { break };
            chain.push((node, Segment { from, to }));
            to = from;
        }
        chain.reverse();
        chain
    }
}

/// A node that may come next: how many stages are needed at least, the furthest cut it reaches, which it is, all cuts
/// that it reaches, and those at which it gets a tensor.
type Next<const W: usize> = (usize, std::cmp::Reverse<Option<usize>>, usize, Bits<W>, Bits<W>);

/// Spreads node and set of nodes over a hash table; nobody chooses them to collide.
#[derive(Default)]
struct Mixer(u64);

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn write_u128(&mut self, number: u128) {
        self.write_u64(number as u64);
        self.write_u64((number >> 64) as u64);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }
}

#[cfg(test)]
mod tests {
    use rand_core::{Rng, SeedableRng};
    use rand_pcg::Pcg64;

    use super::*;

    /// Whether there is a chain with at most this bottleneck, found by trying all.
    fn exists(instance: &Instance, bottleneck: f64, chain: &mut Chain) -> bool {
        let from = chain.last().map_or(0, |(_, segment)| segment.to);
        if from == instance.end {
            return instance.value(Objective::Throughput, chain) <= bottleneck;
        }
        let ways =
            (0..instance.nodes.len()).flat_map(|node| (from + 1..=instance.fits(node, from)).map(move |to| (node, to)));
        for (node, to) in ways {
            chain.push((node, Segment { from, to }));
            let found = exists(instance, bottleneck, chain);
            chain.pop();
            if found {
                return true;
            }
        }
        false
    }

    #[test]
    fn a_chain_is_found_exactly_where_there_is_one() {
        let (mut found, mut none) = (0, 0);
        for seed in 0..400 {
            let mut random = Pcg64::seed_from_u64(seed);
            let mut between = |low: u64, high: u64| low + random.next_u64() % (high - low + 1);
            let (pieces, nodes) = (between(2, 7) as usize, between(1, 5) as usize);
            let transfer: Vec<f64> = (0..=pieces).map(|_| between(1, 9) as f64).collect();
            let memory: Vec<u64> = (0..pieces).map(|_| between(1, 4)).collect();
            let times: Vec<f64> = (0..pieces).map(|_| between(1, 9) as f64).collect();
            let rates: Vec<Vec<f64>> = (0..nodes).map(|_| (0..nodes).map(|_| between(0, 4) as f64).collect()).collect();
            let instance = Instance::published(&transfer, &memory, between(4, 12), &rates).timed(&times);
            for bottleneck in [2.0, 4.0, 6.0, 9.0, 14.0, f64::MAX] {
                let wanted = exists(&instance, bottleneck, &mut Chain::new());
                match within(&instance, bottleneck, 100_000, &|| false) {
                    Answer::Chain(chain) => {
                        assert!(instance.value(Objective::Throughput, &chain) <= bottleneck, "seed {seed}: {chain:?}");
                        found += 1;
                    }
                    Answer::None => {
                        assert!(!wanted, "seed {seed}: there is a chain within {bottleneck}");
                        none += 1;
                    }
                    Answer::Unknown => panic!("seed {seed}: so small an instance needs no more effort"),
                }
            }
        }
        assert!(found > 300 && none > 300, "{found} found, {none} impossible");
    }
}
