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
