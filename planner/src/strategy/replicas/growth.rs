//! Stages on nodes, and how they become more: again and again the way through the cluster that lets so many more
//! requests pass and takes the cheapest unused nodes, over stages that have time left wherever that saves one.

use super::super::{Chain, Instance, Objective, Stop};
use super::flow::{Flow, Holding, rate};
use crate::profile::Segment;

/// How much lower each rate asked of further ways is than the one before.
const STEP: f64 = 0.75;
/// The lowest, as a part of the first.
const LOWEST: f64 = 0.05;
/// Of ways that take equally many nodes, the one that keeps paths busy less is better; so much.
const BUSY: f64 = 0.05;

/// Nodes with segments, and what flows through them.
#[derive(Debug, Clone)]
pub struct Growth<'a> {
    instance: &'a Instance,
    pub holding: Holding,
    pub flow: Flow,
    /// Requests per second that each node computes.
    through: Vec<f64>,
}

/// The cheapest way so far to have a tensor on a node.
#[derive(Clone, Copy)]
struct Label {
    cost: f64,
    /// The cut at which the node got its input, and from whom.
    from: usize,
    before: usize,
}

impl<'a> Growth<'a> {
    /// What flows through these nodes; those through which nothing does hold nothing any more.
    pub fn of(instance: &'a Instance, holding: Holding) -> Growth<'a> {
        let flow = Flow::greatest(instance, &holding);
        let through = (0..holding.len()).map(|node| flow.sent.iter().map(|row| row[node]).sum()).collect();
        let mut growth = Growth { instance, holding, flow, through };
        for (segment, through) in growth.holding.iter_mut().zip(&growth.through) {
            if *through <= growth.flow.total * 1e-6 {
                *segment = None;
            }
        }
        growth
    }

    pub fn total(&self) -> f64 {
        self.flow.total
    }

    /// How much of its time a node computes.
    pub fn busy(&self, node: usize) -> f64 {
        self.holding[node].map_or(0.0, |segment| self.instance.compute(node, segment) * self.through[node])
    }

    /// With further ways as long as there are any: first those with `wanted` requests per second each, then
    /// ever narrower ones. `prices` are what nodes cost.
    pub fn grown(mut self, wanted: f64, prices: &[f64], stop: Stop<'_>) -> Growth<'a> {
        let mut asked = wanted;
        while asked > wanted * LOWEST && self.holding.contains(&None) && !stop() {
            match self.way(asked, prices) {
                Some((chain, most)) => self.add(&chain, most),
                None => asked *= STEP,
            }
        }
        Growth::of(self.instance, self.holding)
    }

    fn room(&self, from: usize, to: usize, cut: usize) -> f64 {
        let time = self.instance.transfer(from, to, cut);
        if time.is_finite() { rate(time) - self.flow.sent[from][to] } else { 0.0 }
    }

    fn add(&mut self, chain: &Chain, more: f64) {
        let mut before = self.instance.dispatcher();
        for (node, segment) in chain {
            self.holding[*node] = Some(*segment);
            self.through[*node] += more;
            self.flow.sent[before][*node] += more;
            before = *node;
        }
        self.flow.sent[before][self.instance.dispatcher()] += more;
        self.flow.total += more;
    }

    /// The cheapest way that lets `asked` more requests per second pass, and how many it lets pass.
    fn way(&self, asked: f64, prices: &[f64]) -> Option<(Chain, f64)> {
        let (instance, nodes, end) = (self.instance, self.holding.len(), self.instance.end);
        let dispatcher = instance.dispatcher();
        let outside = rate(instance.outside_cost(Objective::Throughput)) - self.flow.total;
        if outside < asked {
            return None;
        }
        let mut labels: Vec<Vec<Option<Label>>> = vec![vec![None; nodes]; end + 1];
        for cut in 0..end {
            let holders: Vec<(usize, f64)> = if cut == 0 {
                vec![(dispatcher, 0.0)]
            } else {
                let held = labels[cut].iter().enumerate();
                held.filter_map(|(node, label)| Some((node, label.as_ref()?.cost))).collect()
            };
            if holders.is_empty() {
                continue;
            }
            for node in 0..nodes {
                let (ends, price) = match self.holding[node] {
                    Some(segment) if segment.from != cut || self.spare(node, segment) < asked => continue,
                    Some(segment) => (segment.to..=segment.to, 0.0),
                    None => (cut + 1..=instance.reach(node, cut, 1.0 / asked), prices[node]),
                };
                if ends.is_empty() {
                    continue;
                }
                let mut best: Option<(f64, usize)> = None;
                for (holder, cost) in &holders {
                    if *holder == node || best.is_some_and(|(least, _)| least <= *cost) {
                        continue;
                    }
                    let cost = cost + BUSY * asked * instance.transfer(*holder, node, cut);
                    let better = best.is_none_or(|(least, _)| cost < least) && self.room(*holder, node, cut) >= asked;
                    if better && (price == 0.0 || !self.takes(&labels, cut, *holder, node)) {
                        best = Some((cost, *holder));
                    }
                }
                let Some((cost, before)) = best else { continue };
                let label = Label { cost: cost + price, from: cut, before };
                for to in ends {
                    let place = &mut labels[to][node];
                    if place.is_none_or(|other| label.cost < other.cost) {
                        *place = Some(label);
                    }
                }
            }
        }
        let last = (0..nodes).filter(|node| self.room(*node, dispatcher, end) >= asked);
        let last = last.filter_map(|node| labels[end][node].map(|label| (label.cost, node)));
        let (_, last) = last.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))?;
        let chain = trace(&labels, end, last, dispatcher);
        let most = self.narrowest(&chain).min(outside);
        Some((chain, most))
    }

    fn spare(&self, node: usize, segment: Segment) -> f64 {
        rate(self.instance.compute(node, segment)) - self.through[node]
    }

    /// Whether the way to the tensor at `cut` on `holder` uses `node`.
    fn takes(&self, labels: &[Vec<Option<Label>>], mut cut: usize, mut holder: usize, node: usize) -> bool {
        while holder != self.instance.dispatcher() {
            if holder == node {
                return true;
            }
            let Some(label) = labels[cut][holder] else { return false };
            (cut, holder) = (label.from, label.before);
        }
        false
    }

    /// How many more requests a way lets pass.
    fn narrowest(&self, chain: &Chain) -> f64 {
        let (mut before, mut most) = (self.instance.dispatcher(), f64::INFINITY);
        for (node, segment) in chain {
            most = most.min(self.room(before, *node, segment.from)).min(self.spare(*node, *segment));
            before = *node;
        }
        most.min(self.room(before, self.instance.dispatcher(), self.instance.end))
    }
}

fn trace(labels: &[Vec<Option<Label>>], mut to: usize, mut node: usize, dispatcher: usize) -> Chain {
    let mut chain = Vec::new();
    while node != dispatcher {
        let Some(Label { from, before, .. }) = labels[to][node] else { break };
        chain.push((node, Segment { from, to }));
        (to, node) = (from, before);
    }
    chain.reverse();
    chain
}
