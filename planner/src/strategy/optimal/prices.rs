//! Prices of nodes, all together 1, that make the cheapest walk as dear as can be. A chain uses no node twice, so it
//! costs 1 at most; a walk pays for a node each time. Where even the cheapest walk costs more than 1 there is no chain;
//! and where the rest of a chain, as a walk, costs more than all nodes that are left, it leads nowhere.
//!
//! (The Lagrangian dual of "no node twice", raised by multiplicative steps; Held and Karp did so for tours,
//! Mathematical Programming 1, 1971.)

use super::super::Chain;
use super::bits::Bits;
use super::table::Table;
use crate::profile::Segment;

/// Prices that differ by less are one.
pub const ROUNDING: f64 = 1e-9;

pub enum Judgement {
    /// The cheapest walk uses no node twice.
    Chain(Chain),
    /// There is no chain.
    None,
    /// There may be one.
    Open,
}

pub struct Prices {
    pub nodes: Vec<f64>,
    /// What a walk costs at least from a tensor that has come to a node, that node included: `arrived[cut][node]`.
    pub arrived: Vec<Vec<f64>>,
    /// The same from a tensor that a node has made: `left[cut][node]`.
    pub left: Vec<Vec<f64>>,
}

impl Prices {
    /// The same for all nodes.
    pub fn new(nodes: usize, end: usize) -> Prices {
        Prices {
            nodes: vec![1.0 / nodes.max(1) as f64; nodes],
            arrived: vec![vec![f64::INFINITY; nodes]; end + 1],
            left: vec![vec![f64::INFINITY; nodes]; end + 1],
        }
    }

    /// So many steps towards the prices that make the cheapest walk dearest; what remains are the best of all.
    pub fn raise<const W: usize>(&mut self, table: &Table<W>, steps: usize) -> Judgement {
        let (mut dearest, mut best) = (0.0, self.nodes.clone());
        for step in 0..steps {
            self.cost(table);
            let Some((cost, walk)) = self.cheapest(table) else { return Judgement::None };
            if cost > 1.0 + ROUNDING {
                return Judgement::None;
            }
            let mut visits = vec![0u32; table.nodes];
            walk.iter().for_each(|(node, _)| visits[*node] += 1);
            if visits.iter().all(|visits| *visits <= 1) {
                return Judgement::Chain(walk);
            }
            if cost > dearest {
                dearest = cost;
                best.clone_from(&self.nodes);
            }
            let pace = 0.6 / (1.0 + step as f64 / 8.0);
            for (price, visits) in self.nodes.iter_mut().zip(&visits) {
                *price = (*price * (pace * (f64::from(*visits) - 1.0).min(3.0)).exp()).max(1e-6);
            }
            let all: f64 = self.nodes.iter().sum();
            self.nodes.iter_mut().for_each(|price| *price /= all);
        }
        self.nodes = best;
        self.cost(table);
        Judgement::Open
    }

    fn cost<const W: usize>(&mut self, table: &Table<W>) {
        let (nodes, end) = (table.nodes, table.end);
        for node in 0..nodes {
            let done = table.open[node][nodes].contains(end);
            self.left[end][node] = if done { 0.0 } else { f64::INFINITY };
        }
        for cut in (0..end).rev() {
            for node in 0..nodes {
                let ends = cut + 1..=table.reach[node][cut];
                let onward = ends.map(|to| self.left[to][node]).fold(f64::INFINITY, f64::min);
                self.arrived[cut][node] = self.nodes[node] + onward;
            }
            for node in 0..nodes {
                let mut least = f64::INFINITY;
                for (to, arrived) in self.arrived[cut].iter().enumerate() {
                    if *arrived < least && to != node && table.open[node][to].contains(cut) {
                        least = *arrived;
                    }
                }
                self.left[cut][node] = least;
            }
        }
    }

    /// The cheapest walk and what it costs.
    fn cheapest<const W: usize>(&self, table: &Table<W>) -> Option<(f64, Chain)> {
        let (mut chain, mut cut, mut before, mut cost) = (Chain::new(), 0, table.nodes, None);
        while cut < table.end {
            let open = |node: &usize| *node != before && table.open[before][*node].contains(cut);
            let arrived = |node: &usize| self.arrived[cut][*node];
            let node = (0..table.nodes).filter(open).min_by(|a, b| arrived(a).total_cmp(&arrived(b)))?;
            if arrived(&node).is_infinite() {
                return None;
            }
            cost = cost.or(Some(arrived(&node)));
            let ends = cut + 1..=table.reach[node][cut];
            let to = ends.rev().min_by(|a, b| self.left[*a][node].total_cmp(&self.left[*b][node]))?;
            chain.push((node, Segment { from: cut, to }));
            (cut, before) = (to, node);
        }
        Some((cost?, chain))
    }

    /// Those of the cuts from which the rest costs no more than is left, where the tensor has come to `node`.
    pub fn affordable<const W: usize>(&self, node: usize, cuts: Bits<W>, rest: f64) -> Bits<W> {
        let mut kept = cuts;
        cuts.iter().filter(|cut| self.arrived[*cut][node] > rest + ROUNDING).for_each(|cut| kept.remove(cut));
        kept
    }

    /// The same where `node` has made the tensor.
    pub fn affordable_behind<const W: usize>(&self, node: usize, cuts: Bits<W>, rest: f64) -> Bits<W> {
        let mut kept = cuts;
        cuts.iter().filter(|cut| self.left[*cut][node] > rest + ROUNDING).for_each(|cut| kept.remove(cut));
        kept
    }
}
