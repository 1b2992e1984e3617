//! What is possible within a bottleneck: which tensors a path carries in time, and how far each node gets.

use super::super::Instance;
use super::bits::Bits;

pub struct Table<const W: usize> {
    pub nodes: usize,
    pub end: usize,
    /// `open[from][to]`: cuts whose tensor goes from one node to the other in time; the dispatcher last.
    pub open: Vec<Vec<Bits<W>>>,
    /// `reach[node][from]`: the furthest cut to which the node can hold and compute a segment in time.
    pub reach: Vec<Vec<usize>>,
    /// `since[node][to]`: the first cut from which it reaches `to`; `to` itself where there is none.
    pub since: Vec<Vec<usize>>,
}

impl<const W: usize> Table<W> {
    pub fn new(instance: &Instance, bottleneck: f64) -> Table<W> {
        let (nodes, end) = (instance.nodes.len(), instance.end);
        // What a path carries in time are the smallest tensors, up to some size.
        let cuts = instance.by_size();
        let mut smallest = vec![Bits::default()];
        for cut in &cuts {
            let mut more = smallest[smallest.len() - 1];
            more.insert(*cut);
            smallest.push(more);
        }
        let open = |from: usize, to: usize| {
            smallest[cuts.partition_point(|cut| instance.transfer(from, to, *cut) <= bottleneck)]
        };
        let reach = |node: usize| (0..=end).map(|from| instance.reach(node, from, bottleneck)).collect();
        let reach: Vec<Vec<usize>> = (0..nodes).map(reach).collect();
        let since =
            |reach: &Vec<usize>| (0..=end).map(|to| reach[..to].partition_point(|reached| *reached < to)).collect();
        Table {
            nodes,
            end,
            open: (0..=nodes).map(|from| (0..=nodes).map(|to| open(from, to)).collect()).collect(),
            since: reach.iter().map(since).collect(),
            reach,
        }
    }

    /// The cuts that a node can hold the model up to, when it gets one of the tensors at `cuts`.
    pub fn hold(&self, node: usize, cuts: Bits<W>) -> Bits<W> {
        let mut held = Bits::default();
        for cut in cuts.iter() {
            let furthest = self.reach[node][cut];
            if furthest > cut {
                held.insert_range(cut + 1, furthest);
            }
        }
        held
    }

    /// The cuts from which a node can hold the model up to one of `ends`.
    pub fn hold_back(&self, node: usize, ends: Bits<W>) -> Bits<W> {
        let mut held = Bits::default();
        for to in ends.iter() {
            let since = self.since[node][to];
            if since < to {
                held.insert_range(since, to - 1);
            }
        }
        held
    }
}
