//! Is there a chain whose bottleneck is at most so long? Searched depth first over the nodes, with the set of all
//! cuts up to which the nodes so far can hold the model in this order.
//!
//! A way is given up when the end can't be reached over the nodes that are left, even if each might be used
//! again and again, or not with so few of them; or when the same nodes, with the same one last, have been seen with
//! all of these cuts before.

use std::collections::HashMap;

use super::super::{Chain, Instance, Objective, Stop};
use super::bits::Bits;
use crate::profile::Segment;

/// Nodes that a set of the used ones can hold.
const MOST_NODES: usize = 128;

pub enum Answer {
    Chain(Chain),
    /// It is certain that there is none.
    None,
    /// The effort is spent, or the instance too large.
    Unknown,
}

/// A chain whose bottleneck is at most `bottleneck`, trying at most `effort` steps.
pub fn within(instance: &Instance, bottleneck: f64, effort: usize, stop: Stop<'_>) -> Answer {
    if instance.nodes.len() > MOST_NODES || instance.end >= Bits::LIMIT {
        return Answer::Unknown;
    }
    if instance.outside_cost(Objective::Throughput) > bottleneck {
        return Answer::None;
    }
    // Whatever the bottleneck may be, what takes for ever is no chain.
    let mut search = Search::new(instance, bottleneck.min(f64::MAX), effort, stop);
    match search.begin() {
        Some(true) => Answer::Chain(search.chain()),
        Some(false) => Answer::None,
        None => Answer::Unknown,
    }
}

struct Search<'a> {
    instance: &'a Instance,
    nodes: usize,
    /// `open[from][to]`: cuts whose tensor goes from one node to the other in time; the dispatcher last.
    open: Vec<Vec<Bits>>,
    /// `reach[node][from]`: the furthest cut to which the node can hold and compute a segment in time.
    reach: Vec<Vec<usize>>,
    /// Nodes in use, with the cuts that they may end at.
    path: Vec<(usize, Bits)>,
    used: u128,
    seen: HashMap<(usize, u128), Vec<Bits>>,
    effort: usize,
    stop: Stop<'a>,
}

impl<'a> Search<'a> {
    fn new(instance: &'a Instance, bottleneck: f64, effort: usize, stop: Stop<'a>) -> Search<'a> {
        let nodes = instance.nodes.len();
        let open = |from: usize, to: usize| {
            let mut cuts = Bits::default();
            (0..=instance.end)
                .filter(|cut| instance.transfer(from, to, *cut) <= bottleneck)
                .for_each(|cut| cuts.insert(cut));
            cuts
        };
        let reach = |node: usize| (0..=instance.end).map(|from| instance.reach(node, from, bottleneck)).collect();
        Search {
            instance,
            nodes,
            open: (0..=nodes).map(|from| (0..=nodes).map(|to| open(from, to)).collect()).collect(),
            reach: (0..nodes).map(reach).collect(),
            path: Vec::new(),
            used: 0,
            seen: HashMap::new(),
            effort,
            stop,
        }
    }

    fn begin(&mut self) -> Option<bool> {
        let mut start = Bits::default();
        start.insert(0);
        self.extend(self.nodes, start)
    }

    /// Whether the tensors at `cuts`, made by `holder`, lead to the end; `None` when the effort is spent.
    fn extend(&mut self, holder: usize, cuts: Bits) -> Option<bool> {
        if holder < self.nodes
            && cuts.contains(self.instance.end)
            && self.open[holder][self.nodes].contains(self.instance.end)
        {
            return Some(true);
        }
        if self.effort == 0 || (self.effort.is_multiple_of(256) && (self.stop)()) {
            return None;
        }
        self.effort -= 1;
        let stages_left = self.stages_left(holder, cuts);
        let mut next = Vec::with_capacity(self.nodes);
        for node in (0..self.nodes).filter(|node| self.used >> node & 1 == 0) {
            let reached = self.hold(node, cuts & self.open[holder][node]);
            let stages = stages_left.as_ref()?.get(node).copied().flatten();
            if let (false, Some(stages)) = (reached.is_empty(), stages) {
                next.push((stages, std::cmp::Reverse(reached.highest()), node, reached));
            }
        }
        next.sort_by_key(|(stages, highest, node, _)| (*stages, *highest, *node));
        for (_, _, node, reached) in next {
            let used = self.used | 1 << node;
            if self.seen_with_fewer(node, used, &reached) {
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
            if self.extend(node, reached)? {
                return Some(true);
            }
            self.path.pop();
            self.used &= !(1 << node);
        }
        Some(false)
    }

    /// Whether all of these cuts have been reached without one of the nodes in use.
    fn seen_with_fewer(&self, node: usize, used: u128, reached: &Bits) -> bool {
        self.path.iter().any(|(other, _)| {
            let without = self.seen.get(&(node, used & !(1 << other)));
            without.is_some_and(|seen| seen.iter().any(|cuts| reached.within(cuts)))
        })
    }

    /// The cuts that a node can hold the model up to, when it gets one of the tensors at `cuts`.
    fn hold(&self, node: usize, cuts: Bits) -> Bits {
        let mut held = Bits::default();
        for cut in cuts.iter() {
            let furthest = self.reach[node][cut];
            if furthest > cut {
                held.insert_range(cut + 1, furthest);
            }
        }
        held
    }

    /// For each unused node, how many stages are needed at least if it comes next, where any unused node may be used
    /// again and again. Empty when the end is out of reach with as many stages as there are unused nodes.
    fn stages_left(&self, holder: usize, cuts: Bits) -> Option<Vec<Option<usize>>> {
        let unused: Vec<usize> = (0..self.nodes).filter(|node| self.used >> node & 1 == 0).collect();
        let end = self.instance.end;
        // Backward: the cuts from which, once a node has the tensor, so many stages suffice.
        let mut finished: Vec<Bits> = unused
            .iter()
            .map(|node| {
                let mut cuts = Bits::default();
                if self.open[*node][self.nodes].contains(end) {
                    (0..end).filter(|cut| self.reach[*node][*cut] == end).for_each(|cut| cuts.insert(cut));
                }
                cuts
            })
            .collect();
        let mut stages = vec![None; self.nodes];
        for count in 1..=unused.len() {
            for (index, node) in unused.iter().enumerate() {
                let arrives = cuts & self.open[holder][*node];
                if stages[*node].is_none() && !(arrives & finished[index]).is_empty() {
                    stages[*node] = Some(count);
                }
            }
            let mut grown = finished.clone();
            let mut grew = false;
            for (index, node) in unused.iter().enumerate() {
                // Where this node's segment may end so that another can finish from there.
                let mut ends = Bits::default();
                for (other, next) in unused.iter().enumerate().filter(|(other, _)| *other != index) {
                    ends |= self.open[*node][*next] & finished[other];
                }
                let ends: Vec<usize> = ends.iter().collect();
                for cut in 0..end {
                    let after = ends.partition_point(|to| *to <= cut);
                    if !grown[index].contains(cut) && ends.get(after).is_some_and(|to| *to <= self.reach[*node][cut]) {
                        grown[index].insert(cut);
                        grew = true;
                    }
                }
            }
            finished = grown;
            if !grew {
                break;
            }
        }
        // After the last growth nothing new can come, but what it brought is still to be looked at.
        Some(stages)
    }

    /// The chain of the nodes found: cuts chosen from the end.
    fn chain(&self) -> Chain {
        let mut chain = Vec::new();
        let mut to = self.instance.end;
        for index in (0..self.path.len()).rev() {
            let (node, _) = self.path[index];
            let (before, ends) = match index.checked_sub(1) {
                Some(index) => self.path[index],
                None => {
                    let mut start = Bits::default();
                    start.insert(0);
                    (self.nodes, start)
                }
            };
            let arrives = ends & self.open[before][node];
            let Some(from) = arrives.iter().find(|from| *from < to && self.reach[node][*from] >= to) else { break };
            chain.push((node, Segment { from, to }));
            to = from;
        }
        chain.reverse();
        chain
    }
}
