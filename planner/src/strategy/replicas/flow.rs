//! How often requests pass nodes of which each holds one segment: a maximum flow (Dinic, Soviet Mathematics Doklady
//! 11, 1970). A node lets through as much as it computes, a path as much as it carries; stages that hold the same
//! segment share what comes, whoever sends it.

use super::super::{Chain, Instance, Objective};
use crate::profile::Segment;

/// Which segment each node holds, by its number in the instance.
pub type Holding = Vec<Option<Segment>>;

/// Less per second than this is nothing.
const NOTHING: f64 = 1e-9;

/// How often something can be done that takes so long. Nothing is done for nothing, so that sums stay finite.
pub fn rate(time: f64) -> f64 {
    1.0 / time.max(1e-9)
}

/// Requests per second along each path between nodes; the dispatcher last.
#[derive(Debug, Clone)]
pub struct Flow {
    pub total: f64,
    pub sent: Vec<Vec<f64>>,
}

impl Flow {
    /// As much as these nodes let through.
    pub fn greatest(instance: &Instance, holding: &Holding) -> Flow {
        let (nodes, end, dispatcher) = (instance.nodes.len(), instance.end, instance.dispatcher());
        // What comes to a node, what leaves it; what the dispatcher sends, what it gets; and the client.
        let (enters, leaves, client) = (|node: usize| node, |node: usize| dispatcher + 1 + node, 2 * dispatcher + 2);
        let mut network = Network { edges: Vec::new(), at: vec![Vec::new(); client + 1], level: Vec::new() };
        network.edge(client, leaves(dispatcher), rate(instance.outside_cost(Objective::Throughput)));
        let mut paths = Vec::new();
        let mut path = |network: &mut Network, from: usize, to: usize, cut: usize| {
            let time = instance.transfer(from, to, cut);
            if time.is_finite() {
                paths.push((from, to, network.edge(leaves(from), enters(to), rate(time))));
            }
        };
        for (node, segment) in holding.iter().enumerate() {
            let Some(segment) = *segment else { continue };
            network.edge(enters(node), leaves(node), rate(instance.compute(node, segment)));
            if segment.from == 0 {
                path(&mut network, dispatcher, node, 0);
            }
            if segment.to == end {
                path(&mut network, node, dispatcher, end);
            }
            let next = (0..nodes).filter(|next| holding[*next].is_some_and(|next| next.from == segment.to));
            next.for_each(|next| path(&mut network, node, next, segment.to));
        }
        let total = network.greatest(client, enters(dispatcher));
        let mut sent = vec![vec![0.0; nodes + 1]; nodes + 1];
        for (from, to, edge) in paths {
            // What may flow back is what flows.
            sent[from][to] = network.edges[edge ^ 1].left;
        }
        Flow { total, sent }
    }

    /// The ways that requests take and how often, the widest first, until what is left is less than the part `worth` of
    /// all.
    pub fn ways(mut self, instance: &Instance, holding: &Holding, worth: f64) -> Vec<(Chain, f64)> {
        let dispatcher = instance.dispatcher();
        let mut held: Vec<(usize, Segment)> =
            holding.iter().enumerate().filter_map(|(node, segment)| Some((node, (*segment)?))).collect();
        held.sort_by_key(|(node, segment)| (segment.from, *node));
        let mut ways = Vec::new();
        loop {
            // The widest way to each node, and the node before.
            let mut width = vec![0.0f64; dispatcher + 1];
            let mut before = vec![dispatcher; dispatcher + 1];
            let widen = |width: &mut Vec<f64>, before: &mut Vec<usize>, from: usize, to: usize, most: f64| {
                let wide = most.min(self.sent[from][to]);
                if wide > width[to] {
                    (width[to], before[to]) = (wide, from);
                }
            };
            for (node, segment) in &held {
                if segment.from == 0 {
                    widen(&mut width, &mut before, dispatcher, *node, f64::INFINITY);
                }
                let most = width[*node];
                for (next, _) in held.iter().filter(|(_, next)| next.from == segment.to) {
                    widen(&mut width, &mut before, *node, *next, most);
                }
                if segment.to == instance.end {
                    widen(&mut width, &mut before, *node, dispatcher, most);
                }
            }
            let wide = width[dispatcher];
            if wide <= (self.total * worth).max(NOTHING) {
                return ways;
            }
            let (mut chain, mut to) = (Vec::new(), dispatcher);
            loop {
                let from = before[to];
                self.sent[from][to] -= wide;
                if from == dispatcher {
                    break;
                }
                chain.extend(holding[from].map(|segment| (from, segment)));
                to = from;
            }
            chain.reverse();
            ways.push((chain, wide));
        }
    }
}

struct Edge {
    to: usize,
    left: f64,
}

struct Network {
    /// Each followed by the one back.
    edges: Vec<Edge>,
    at: Vec<Vec<usize>>,
    level: Vec<usize>,
}

impl Network {
    fn edge(&mut self, from: usize, to: usize, most: f64) -> usize {
        let edge = self.edges.len();
        self.edges.extend([Edge { to, left: most }, Edge { to: from, left: 0.0 }]);
        self.at[from].push(edge);
        self.at[to].push(edge + 1);
        edge
    }

    fn greatest(&mut self, from: usize, to: usize) -> f64 {
        let mut total = 0.0;
        while self.levels(from, to) {
            let mut next = vec![0; self.at.len()];
            loop {
                let more = self.push(from, to, f64::INFINITY, &mut next);
                if more <= NOTHING {
                    break;
                }
                total += more;
            }
        }
        total
    }

    /// How far everything is; whether the end is within reach.
    fn levels(&mut self, from: usize, to: usize) -> bool {
        self.level = vec![usize::MAX; self.at.len()];
        self.level[from] = 0;
        let mut queue = std::collections::VecDeque::from([from]);
        while let Some(at) = queue.pop_front() {
            for edge in &self.at[at] {
                let Edge { to, left } = self.edges[*edge];
                if left > NOTHING && self.level[to] == usize::MAX {
                    self.level[to] = self.level[at] + 1;
                    queue.push_back(to);
                }
            }
        }
        self.level[to] != usize::MAX
    }

    fn push(&mut self, at: usize, to: usize, most: f64, next: &mut [usize]) -> f64 {
        if at == to {
            return most;
        }
        while next[at] < self.at[at].len() {
            let edge = self.at[at][next[at]];
            let Edge { to: beyond, left } = self.edges[edge];
            if left > NOTHING && self.level[beyond] == self.level[at] + 1 {
                let pushed = self.push(beyond, to, most.min(left), next);
                if pushed > NOTHING {
                    self.edges[edge].left -= pushed;
                    self.edges[edge ^ 1].left += pushed;
                    return pushed;
                }
            }
            next[at] += 1;
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use rand_core::{Rng, SeedableRng};
    use rand_pcg::Pcg64;

    use super::super::super::packing::pack;
    use super::*;

    /// Every way through the nodes, as they are numbered.
    fn ways(instance: &Instance, holding: &Holding, way: &mut Vec<usize>, all: &mut Vec<Vec<usize>>) {
        let at = way.last().and_then(|node| holding[*node]).map_or(0, |segment| segment.to);
        if at == instance.end {
            return all.push(way.clone());
        }
        for node in (0..holding.len()).filter(|node| holding[*node].is_some_and(|segment| segment.from == at)) {
            way.push(node);
            ways(instance, holding, way, all);
            way.pop();
        }
    }

    #[test]
    fn the_greatest_flow_is_what_a_linear_programme_over_all_ways_finds() {
        let mut flowing = 0;
        for seed in 0..300 {
            let mut random = Pcg64::seed_from_u64(seed);
            let mut between = |low: u64, high: u64| low + random.next_u64() % (high - low + 1);
            let (pieces, nodes) = (between(1, 4) as usize, between(1, 8) as usize);
            let transfer: Vec<f64> = (0..=pieces).map(|_| between(1, 9) as f64).collect();
            let times: Vec<f64> = (0..pieces).map(|_| between(1, 9) as f64).collect();
            let rates: Vec<Vec<f64>> = (0..nodes).map(|_| (0..nodes).map(|_| between(1, 9) as f64).collect()).collect();
            let instance = Instance::published(&transfer, &vec![1; pieces], 100, &rates).timed(&times);
            let segment = |from: u64, length: u64| {
                let from = from as usize;
                Some(Segment { from, to: (from + length as usize).min(pieces) })
            };
            let holding: Holding = (0..nodes).map(|_| segment(between(0, pieces as u64 - 1), between(1, 3))).collect();
            let mut all = Vec::new();
            ways(&instance, &holding, &mut Vec::new(), &mut all);
            let compute = |node: usize| instance.compute(node, holding[node].unwrap());
            let mut needs: Vec<Vec<f64>> = Vec::new();
            for (node, held) in holding.iter().enumerate() {
                needs.push(all.iter().map(|way| if way.contains(&node) { compute(node) } else { 0.0 }).collect());
                for next in (0..nodes).filter(|next| *next != node) {
                    let time = instance.transfer(node, next, held.unwrap().to);
                    let takes = |way: &Vec<usize>| way.windows(2).any(|pair| pair == [node, next]);
                    needs.push(all.iter().map(|way| if takes(way) { time } else { 0.0 }).collect());
                }
            }
            let most: f64 = pack(&needs, all.len()).iter().sum();
            let flow = Flow::greatest(&instance, &holding);
            assert!((flow.total - most).abs() <= 1e-6 * most.max(1e-3), "seed {seed}: {} for {most}", flow.total);
            let taken = flow.clone().ways(&instance, &holding, 1e-9);
            let sum: f64 = taken.iter().map(|(_, rate)| rate).sum();
            assert!((sum - flow.total).abs() <= 1e-6 * most.max(1e-3), "seed {seed}: {sum} of {}", flow.total);
            flowing += usize::from(most > 0.0);
        }
        assert!(flowing > 100, "{flowing}");
    }
}
