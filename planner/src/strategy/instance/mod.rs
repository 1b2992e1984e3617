//! A problem as tables of numbers: what all strategies search. Times are in seconds, energies in joules.
//! Nodes are numbered anew: the available ones from zero, then the dispatcher.
//!
//! The rules by which a model is costed are all in how the tables come about: [`Instance::new`] is the truth as the
//! project measures it, [`Instance::published`] is what SEIFER's authors count.

mod variants;

use std::time::Duration;

use super::{Objective, Problem};
use crate::plan::{scaled, wire_size};
use crate::profile::Segment;
use crate::units::ByteSize;

/// Stages of a chain: nodes by their number in the instance.
pub type Chain = Vec<(usize, Segment)>;

/// A problem as tables of numbers.
#[derive(Debug, Clone)]
pub struct Instance {
    /// The available nodes, by their index in the cluster.
    pub nodes: Vec<usize>,
    /// Index of the last cut.
    pub end: usize,
    /// Bits on the wire at each cut.
    bits: Vec<f64>,
    /// Time of all pieces before each cut, on the profiled host.
    time: Vec<f64>,
    slowdown: Vec<f64>,
    /// `fit[node][from]`: the furthest cut to which a segment from `from` fits the node's memory.
    fit: Vec<Vec<usize>>,
    /// `links[from][to]`: the dispatcher's row and column last.
    links: Vec<Vec<Link>>,
    power: Vec<Power>,
    /// Input and result between client and dispatcher.
    outside: [Link; 2],
}

/// What one node can send to another.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Link {
    /// Seconds per bit; infinite where they can't speak.
    per_bit: f64,
    /// Delay.
    delay: f64,
}

impl Link {
    const NONE: Link = Link { per_bit: f64::INFINITY, delay: f64::INFINITY };
    const FREE: Link = Link { per_bit: 0.0, delay: 0.0 };
}

/// Energy figures of a node.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Power {
    busy: f64,
    idle: f64,
    per_bit: f64,
}

/// What a chain costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Costs {
    /// The longest time anything is busy with one request, in seconds.
    pub bottleneck: f64,
    /// Of a request that meets no other, in seconds.
    pub latency: f64,
    /// For one inference at the objective's floor of throughput, in joules; not a number without a floor.
    pub energy: f64,
}

impl Instance {
    /// The problem as it is: `available` are the nodes that may hold stages, by their index in the cluster.
    pub fn new(problem: &Problem<'_>, available: &[usize]) -> Instance {
        let Problem { profile, cluster, codec, .. } = *problem;
        let end = profile.pieces.len();
        let bits: Vec<f64> =
            (0..=end).map(|cut| wire_size(profile.transfer(cut, codec)).bytes() as f64 * 8.0).collect();
        let mut time = vec![0.0; end + 1];
        for (cut, piece) in profile.pieces.iter().enumerate() {
            time[cut + 1] = time[cut] + piece.time.as_secs_f64();
        }
        let link = |path: Option<crate::cluster::Path>| {
            path.map_or(Link::NONE, |path| Link {
                per_bit: path.rate.map_or(0.0, |rate| 1.0 / rate.bits_per_second() as f64),
                delay: path.delay.as_secs_f64(),
            })
        };
        let ends: Vec<usize> = available.iter().copied().chain([cluster.dispatcher]).collect();
        // No stage sends to itself; but a dispatcher that is a worker too does, and connects to itself at once.
        let between = |from: usize, to: usize| {
            if from == to { Link::NONE } else { link(problem.connected(ends[from], ends[to])) }
        };
        let (client, dispatcher) = (cluster.client, cluster.dispatcher);
        Instance {
            nodes: available.to_vec(),
            end,
            bits,
            time,
            slowdown: available.iter().map(|node| cluster.nodes[*node].slowdown).collect(),
            fit: available.iter().map(|node| furthest_fit(problem, *node)).collect(),
            links: (0..ends.len()).map(|from| (0..ends.len()).map(|to| between(from, to)).collect()).collect(),
            power: ends.iter().map(|node| power(&cluster.nodes[*node])).collect(),
            outside: [link(cluster.path(client, dispatcher)), link(cluster.path(dispatcher, client))],
        }
    }

    /// The problem as SEIFER's authors count it (arXiv 2304.11941, and the notebooks of its repository): computing,
    /// the input, and the result cost nothing; each link is its bandwidth.
    ///
    /// `transfer[cut]` is in Mbit, from the model's input to its output; `memory[piece]` in bytes is what lies between
    /// a cut and the next; a node of `capacity` bytes holds a segment if all of its pieces *but the last* are
    /// less together; `rates[from][to]` are in Mbit/s, 0 where there is no link.
    pub fn published(transfer: &[f64], memory: &[u64], capacity: u64, rates: &[Vec<f64>]) -> Instance {
        let (end, nodes) = (memory.len().min(transfer.len().saturating_sub(1)), rates.len());
        let furthest = |from: usize| {
            // The first piece alone always fits: nobody is charged for the last of a segment.
            let mut held = 0;
            let mut to = (from + 1).min(end);
            while to < end {
                held += memory[to - 1];
                if held >= capacity {
                    break;
                }
                to += 1;
            }
            to
        };
        let fit: Vec<usize> = (0..=end).map(furthest).collect();
        let link = |from: usize, to: usize| match () {
            () if from == to => Link::NONE,
            () if from == nodes || to == nodes => Link::FREE,
            () if rates[from][to] > 0.0 => Link { per_bit: 1.0 / rates[from][to], delay: 0.0 },
            () => Link::NONE,
        };
        Instance {
            nodes: (0..nodes).collect(),
            end,
            bits: transfer[..=end].to_vec(),
            time: vec![0.0; end + 1],
            slowdown: vec![1.0; nodes],
            fit: vec![fit; nodes],
            links: (0..=nodes).map(|from| (0..=nodes).map(|to| link(from, to)).collect()).collect(),
            power: vec![Power::default(); nodes + 1],
            outside: [Link::FREE; 2],
        }
    }

    /// The dispatcher's number.
    pub fn dispatcher(&self) -> usize {
        self.nodes.len()
    }

    /// Time that the tensor at `cut` takes from one node to another.
    pub fn transfer(&self, from: usize, to: usize, cut: usize) -> f64 {
        occupancy(self.links[from][to], self.bits[cut])
    }

    /// Time that a tensor takes over the best path from `from` to one of `to`, for the tensor at each cut that is asked for.
    pub fn best_transfer(&self, from: usize, to: impl Iterator<Item = usize>) -> impl Fn(usize) -> f64 + '_ {
        let better = |best: Link, link: Link| if link.per_bit < best.per_bit { link } else { best };
        let best = to.map(|to| self.links[from][to]).fold(Link::NONE, better);
        move |cut| occupancy(best, self.bits[cut])
    }

    /// The cuts from that with the smallest tensor to that with the largest.
    pub fn by_size(&self) -> Vec<usize> {
        let mut cuts: Vec<usize> = (0..=self.end).collect();
        cuts.sort_by(|a, b| self.bits[*a].total_cmp(&self.bits[*b]).then(a.cmp(b)));
        cuts
    }

    /// Bits per second that one node can send to another: 0 where they can't speak, infinite where nothing limits.
    pub fn bandwidth(&self, from: usize, to: usize) -> f64 {
        1.0 / self.links[from][to].per_bit
    }

    /// Bits on the wire at a cut (Mbit by the published rules).
    pub fn wire_bits(&self, cut: usize) -> f64 {
        self.bits[cut]
    }

    /// Time that `node` computes a segment.
    pub fn compute(&self, node: usize, segment: Segment) -> f64 {
        (self.time[segment.to] - self.time[segment.from]) * self.slowdown[node]
    }

    /// The furthest cut to which a segment from `from` fits `node`'s memory; `from` itself when not even one piece does.
    pub fn fits(&self, node: usize, from: usize) -> usize {
        self.fit[node][from]
    }

    /// The furthest cut to which a segment from `from` fits the node's memory and computes within
    /// `limit`; `from` itself when not even one piece does.
    pub fn reach(&self, node: usize, from: usize, limit: f64) -> usize {
        let fits = self.fit[node][from];
        let within = |to: &usize| self.compute(node, Segment { from, to: *to }) <= limit;
        if within(&fits) {
            return fits;
        }
        // Time grows with the cut, so the last one within the limit is found by halving.
        let (mut reached, mut beyond) = (from, fits);
        while beyond - reached > 1 {
            let middle = reached.midpoint(beyond);
            if within(&middle) {
                reached = middle;
            } else {
                beyond = middle;
            }
        }
        reached
    }

    /// What it adds to the objective that `node` computes a segment.
    pub fn stage_cost(&self, objective: Objective, node: usize, segment: Segment) -> f64 {
        let (compute, power) = (self.compute(node, segment), self.power[node]);
        match objective {
            Objective::Throughput | Objective::Latency { .. } => compute,
            Objective::Nodes { .. } => 1.0,
            Objective::Energy { floor_per_s } => power.idle / floor_per_s + (power.busy - power.idle) * compute,
        }
    }

    /// What it adds to the objective that the tensor at `cut` goes from one node to another.
    pub fn transfer_cost(&self, objective: Objective, from: usize, to: usize, cut: usize) -> f64 {
        let link = self.links[from][to];
        match objective {
            Objective::Throughput => occupancy(link, self.bits[cut]),
            Objective::Latency { .. } => occupancy(link, self.bits[cut]) + link.delay,
            Objective::Energy { .. } | Objective::Nodes { .. } if link.per_bit.is_infinite() => f64::INFINITY,
            Objective::Nodes { .. } => 0.0,
            Objective::Energy { .. } => self.bits[cut] * (self.power[from].per_bit + self.power[to].per_bit),
        }
    }

    /// What input and result between client and dispatcher cost in every plan.
    pub fn outside_cost(&self, objective: Objective) -> f64 {
        let busy = [occupancy(self.outside[0], self.bits[0]), occupancy(self.outside[1], self.bits[self.end])];
        match objective {
            Objective::Throughput => busy[0].max(busy[1]),
            Objective::Latency { .. } => busy.iter().sum::<f64>() + self.outside[0].delay + self.outside[1].delay,
            Objective::Energy { .. } | Objective::Nodes { .. } => 0.0,
        }
    }

    /// What a chain costs; infinite where it breaks a rule.
    pub fn costs(&self, objective: Objective, chain: &[(usize, Segment)]) -> Costs {
        let energy = match objective {
            Objective::Energy { .. } => self.value(objective, chain),
            _ => f64::NAN,
        };
        let latency = self.value(Objective::Latency { floor_per_s: 0.0 }, chain);
        Costs { bottleneck: self.value(Objective::Throughput, chain), latency, energy }
    }

    /// What the objective makes of a chain (seconds or joules; less is better); infinite where it breaks a rule,
    /// its floor of throughput aside.
    pub fn value(&self, objective: Objective, chain: &[(usize, Segment)]) -> f64 {
        let mut value = self.outside_cost(objective);
        let (mut before, mut at) = (self.dispatcher(), 0);
        for (index, (node, segment)) in chain.iter().enumerate() {
            let repeated = chain[..index].iter().any(|(other, _)| other == node);
            if repeated || segment.from != at || segment.to <= at || segment.to > self.fit[*node][at] {
                return f64::INFINITY;
            }
            value = objective.join(value, self.transfer_cost(objective, before, *node, at));
            value = objective.join(value, self.stage_cost(objective, *node, *segment));
            (before, at) = (*node, segment.to);
        }
        if at < self.end {
            return f64::INFINITY;
        }
        objective.join(value, self.transfer_cost(objective, before, self.dispatcher(), at))
    }

    /// A chain with the nodes' indices in the cluster.
    pub fn placement(&self, chain: &[(usize, Segment)]) -> crate::plan::Placement {
        chain.iter().map(|(node, segment)| (self.nodes[*node], *segment)).collect()
    }

    /// No plan's bottleneck is lower: input and result between client and dispatcher, and over the
    /// dispatcher's best paths, and the longest piece on the fastest node.
    pub fn floor(&self) -> f64 {
        let (dispatcher, nodes) = (self.dispatcher(), || 0..self.nodes.len());
        let fastest = self.slowdown.iter().copied().fold(f64::INFINITY, f64::min);
        let piece = (0..self.end).map(|cut| self.time[cut + 1] - self.time[cut]).fold(0.0, f64::max);
        [
            self.outside_cost(Objective::Throughput),
            self.best_transfer(dispatcher, nodes())(0),
            nodes().map(|node| self.transfer(node, dispatcher, self.end)).fold(f64::INFINITY, f64::min),
            piece * fastest,
        ]
        .into_iter()
        .filter(|bound| bound.is_finite())
        .fold(0.0, f64::max)
    }
}

/// Nothing times infinity would be no number.
fn occupancy(link: Link, bits: f64) -> f64 {
    if link.per_bit.is_infinite() { link.per_bit } else { link.per_bit * bits }
}

fn power(device: &crate::cluster::Device) -> Power {
    let energy = device.energy;
    Power { busy: energy.busy.watts(), idle: energy.idle.watts(), per_bit: energy.per_byte.joules() / 8.0 }
}

/// See [`Instance::fit`]. Memory grows with the segment, so neither end ever moves back.
fn furthest_fit(problem: &Problem<'_>, node: usize) -> Vec<usize> {
    let (profile, device) = (problem.profile, &problem.cluster.nodes[node]);
    let end = profile.pieces.len();
    // A device that never gets done holds nothing.
    let usable = scaled(Duration::from_secs(1), device.slowdown) < Duration::MAX;
    let need = |from: usize, to: usize| -> ByteSize { profile.memory(Segment { from, to }) };
    let mut to = 0;
    (0..=end)
        .map(|from| {
            to = to.max(from);
            while usable && to < end && need(from, to + 1) <= device.memory {
                to += 1;
            }
            to
        })
        .collect()
}
