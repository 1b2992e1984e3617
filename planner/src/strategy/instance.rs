//! A problem as tables of numbers, for searches that ask the same things many times. Times are in
//! seconds. Nodes are numbered anew: the available ones from zero, then the dispatcher.

use super::Problem;
use crate::plan::{scaled, wire_size};
use crate::profile::Segment;

pub(super) struct Instance {
    /// The available nodes, by their index in the cluster.
    pub nodes: Vec<usize>,
    /// Index of the last cut.
    pub end: usize,
    /// No plan's bottleneck is lower.
    pub floor: f64,
    /// Bits on the wire at each cut.
    bits: Vec<f64>,
    /// Time of all pieces before each cut, on the profiled host.
    time: Vec<f64>,
    slowdown: Vec<f64>,
    /// `fit[node][from]`: the furthest cut to which a segment from `from` fits the node's memory.
    fit: Vec<Vec<usize>>,
    /// Seconds per bit from each node to each; infinite where they can't speak.
    per_bit: Vec<Vec<f64>>,
}

impl Instance {
    pub fn new(problem: &Problem<'_>, available: &[usize]) -> Instance {
        let Problem { profile, cluster, codec, .. } = *problem;
        let end = profile.pieces.len();
        let bits: Vec<f64> =
            (0..=end).map(|cut| wire_size(profile.transfer(cut, codec)).bytes() as f64 * 8.0).collect();
        let mut time = vec![0.0; end + 1];
        for (cut, piece) in profile.pieces.iter().enumerate() {
            time[cut + 1] = time[cut] + piece.time.as_secs_f64();
        }
        let ends: Vec<usize> = available.iter().copied().chain([cluster.dispatcher]).collect();
        let seconds = |from: usize, to: usize| {
            let path = if from == to { None } else { problem.connected(from, to) };
            path.map_or(f64::INFINITY, |path| path.rate.map_or(0.0, |rate| 1.0 / rate.bits_per_second() as f64))
        };
        let per_bit: Vec<Vec<f64>> =
            ends.iter().map(|from| ends.iter().map(|to| seconds(*from, *to)).collect()).collect();
        let mut instance = Instance {
            nodes: available.to_vec(),
            end,
            floor: 0.0,
            bits,
            time,
            slowdown: available.iter().map(|node| cluster.nodes[*node].slowdown).collect(),
            fit: available.iter().map(|node| furthest_fit(problem, *node)).collect(),
            per_bit,
        };
        instance.floor = instance.lowest_bottleneck(problem);
        instance
    }

    /// The dispatcher's number.
    pub fn dispatcher(&self) -> usize {
        self.nodes.len()
    }

    /// Time that the tensor at `cut` takes from one node to another.
    pub fn transfer(&self, from: usize, to: usize, cut: usize) -> f64 {
        let per_bit = self.per_bit[from][to];
        // Nothing times infinity would be no number.
        if per_bit.is_infinite() { per_bit } else { per_bit * self.bits[cut] }
    }

    /// Time that the tensor at `cut` takes over the best path from `from` to one of `to`.
    pub fn best_transfer(&self, from: usize, to: impl Iterator<Item = usize>, cut: usize) -> f64 {
        to.map(|to| self.transfer(from, to, cut)).fold(f64::INFINITY, f64::min)
    }

    /// Bits on the wire at a cut.
    pub fn wire_bits(&self, cut: usize) -> f64 {
        self.bits[cut]
    }

    /// Time that `node` computes a segment.
    pub fn compute(&self, node: usize, segment: Segment) -> f64 {
        (self.time[segment.to] - self.time[segment.from]) * self.slowdown[node]
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

    /// What every plan takes at least: input and result between client and dispatcher, and over the
    /// dispatcher's best paths, and the longest piece on the fastest node.
    fn lowest_bottleneck(&self, problem: &Problem<'_>) -> f64 {
        let cluster = problem.cluster;
        let outside = |from, to, cut: usize| {
            let rate = cluster.path(from, to).and_then(|path| path.rate);
            rate.map_or(0.0, |rate| self.bits[cut] / rate.bits_per_second() as f64)
        };
        let (dispatcher, nodes) = (self.dispatcher(), || 0..self.nodes.len());
        let fastest = self.slowdown.iter().copied().fold(f64::INFINITY, f64::min);
        let piece = (0..self.end).map(|cut| self.time[cut + 1] - self.time[cut]).fold(0.0, f64::max);
        [
            outside(cluster.client, cluster.dispatcher, 0),
            outside(cluster.dispatcher, cluster.client, self.end),
            self.best_transfer(dispatcher, nodes(), 0),
            nodes().map(|node| self.transfer(node, dispatcher, self.end)).fold(f64::INFINITY, f64::min),
            piece * fastest,
        ]
        .into_iter()
        .filter(|bound| bound.is_finite())
        .fold(0.0, f64::max)
    }
}

/// See [`Instance::fit`]. Memory grows with the segment, so neither end ever moves back.
fn furthest_fit(problem: &Problem<'_>, node: usize) -> Vec<usize> {
    let (profile, device) = (problem.profile, &problem.cluster.nodes[node]);
    let end = profile.pieces.len();
    // A device that never gets done holds nothing.
    let usable = scaled(std::time::Duration::from_secs(1), device.slowdown) < std::time::Duration::MAX;
    let mut to = 0;
    (0..=end)
        .map(|from| {
            to = to.max(from);
            while usable && to < end && profile.memory(Segment { from, to: to + 1 }) <= device.memory {
                to += 1;
            }
            to
        })
        .collect()
}
