//! Which way packets go between any two hosts, and what they find there.
//!
//! The fabric installs exactly the routes computed here, so that the planner's paths are the ones
//! that packets take. Routes are per destination: each host knows, for each other host, the neighbour
//! to hand a packet to, and following these leads there without a loop.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::Path;
use crate::units::{ByteSize, Rate};

/// Size of the packet whose transmission time counts in the length of a path: a full one, with its Ethernet header.
const PACKET: ByteSize = ByteSize::from_bytes(1514);

/// One direction between two neighbouring hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// The sending host.
    pub from: usize,
    /// The receiving host.
    pub to: usize,
    /// Its rate; `None`: not limited.
    pub rate: Option<Rate>,
    /// Its delay.
    pub delay: Duration,
    /// The two are on one medium: they speak to each other directly, as on one subnet, even where a
    /// way through others would be faster. (On links the faster way is taken.)
    pub medium: bool,
    /// Number of the medium whose airtime it shares; `None`: its rate is its own.
    pub air: Option<usize>,
}

impl Edge {
    fn cost(&self) -> u64 {
        let transmission = self.rate.map_or(Duration::ZERO, |rate| rate.time_for(PACKET));
        u64::try_from((self.delay + transmission).as_nanos()).unwrap_or(u64::MAX / 4).min(u64::MAX / 4)
    }
}

/// Routes over hosts `0..hosts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routes {
    /// `next_hop[from][to]`: the neighbour that `from` hands packets for `to` to; `None` where no
    /// way leads there, and on the diagonal.
    pub next_hop: Vec<Vec<Option<usize>>>,
    /// What each host can send to each of its neighbours, in their order.
    hops: Vec<Vec<(usize, Path)>>,
}

impl Routes {
    /// Finds the shortest ways over `edges`: by delay and transmission time of a full-size packet,
    /// then by number of hops, then by the lowest host, so that the same edges always give the same
    /// routes. Of parallel edges the shortest counts, of equal ones the first. Edges that name a host
    /// that doesn't exist are ignored.
    pub fn shortest(hosts: usize, edges: &[Edge]) -> Routes {
        let mut best: Vec<&Edge> = edges.iter().filter(|e| e.from < hosts && e.to < hosts && e.from != e.to).collect();
        best.sort_by_cached_key(|edge| (edge.from, edge.to, edge.cost()));
        best.dedup_by_key(|edge| (edge.from, edge.to));
        let mut into: Vec<Vec<&Edge>> = vec![Vec::new(); hosts];
        let mut out: Vec<Vec<&Edge>> = vec![Vec::new(); hosts];
        for edge in best {
            into[edge.to].push(edge);
            out[edge.from].push(edge);
        }
        let mut next_hop = vec![vec![None; hosts]; hosts];
        for to in 0..hosts {
            let bound = bound(to, &into);
            let lengths = lengths_to(to, &into, &bound);
            for (from, hops) in next_hop.iter_mut().enumerate().filter(|(from, _)| *from != to) {
                hops[to] = lengths[from].and_then(|own| {
                    if bound[from] {
                        return Some(to);
                    }
                    // Edges lie in the order of their receivers, so the first that fits is the lowest.
                    out[from].iter().find(|e| lengths[e.to].map(|l| l.behind(e)) == Some(own)).map(|e| e.to)
                });
            }
        }
        let path = |edge: &&Edge| (edge.to, Path { rate: edge.rate, delay: edge.delay, air: edge.air });
        let hops = out.iter().map(|edges| edges.iter().map(path).collect()).collect();
        Routes { next_hop, hops }
    }

    /// The hosts a packet passes from `from` to `to`, both included; `None` where no way leads there.
    pub fn way(&self, from: usize, to: usize) -> Option<Vec<usize>> {
        let mut way = vec![from];
        let mut here = from;
        while here != to {
            here = self.next_hop[here][to]?;
            way.push(here);
        }
        Some(way)
    }

    /// What passes from a host to its neighbour directly, over the link or medium that joins them.
    pub fn hop(&self, from: usize, to: usize) -> Option<Path> {
        let neighbours = self.hops.get(from)?;
        let place = neighbours.binary_search_by_key(&to, |(neighbour, _)| *neighbour).ok()?;
        Some(neighbours[place].1)
    }

    /// What `from` can send to `to`: the rate of the slowest hop and the sum of the delays. Where a way
    /// leads over several media of shared airtime, the path shares that of its slowest such hop.
    pub fn path(&self, from: usize, to: usize) -> Option<Path> {
        if from == to {
            return None;
        }
        let way = self.way(from, to)?;
        let hops: Option<Vec<Path>> = way.windows(2).map(|hop| self.hop(hop[0], hop[1])).collect();
        let hops = hops?;
        let slowest = hops.iter().filter(|hop| hop.air.is_some()).min_by_key(|hop| hop.rate.unwrap_or(Rate::MAX));
        Some(Path {
            rate: hops.iter().filter_map(|hop| hop.rate).min(),
            delay: hops.iter().fold(Duration::ZERO, |sum, hop| sum.saturating_add(hop.delay)),
            air: slowest.and_then(|hop| hop.air),
        })
    }

    /// The paths between the first `nodes` hosts, as [`super::Cluster::paths`] holds them.
    pub fn paths(&self, nodes: usize) -> Vec<Vec<Option<Path>>> {
        (0..nodes).map(|from| (0..nodes).map(|to| self.path(from, to)).collect()).collect()
    }
}

/// Length of a way: time, then hops. Every further hop makes it greater, so routes have no loops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Length {
    cost: u64,
    hops: usize,
}

impl Length {
    fn behind(self, edge: &Edge) -> Length {
        Length { cost: self.cost.saturating_add(edge.cost()), hops: self.hops + 1 }
    }
}

/// The hosts that are on one medium with `to`, and so speak to it directly.
fn bound(to: usize, into: &[Vec<&Edge>]) -> Vec<bool> {
    let mut bound = vec![false; into.len()];
    into[to].iter().filter(|edge| edge.medium).for_each(|edge| bound[edge.from] = true);
    bound
}

/// Length of the way from each host to `to`: Dijkstra's algorithm against the direction of the edges.
fn lengths_to(to: usize, into: &[Vec<&Edge>], bound: &[bool]) -> Vec<Option<Length>> {
    let mut lengths: Vec<Option<Length>> = vec![None; into.len()];
    // Who is bound goes directly; if all others are reached, nobody goes through a host that is reached later.
    let mut free = bound.iter().filter(|bound| !**bound).count();
    let mut queue = BinaryHeap::from([Reverse((Length { cost: 0, hops: 0 }, to))]);
    while let Some(Reverse((length, host))) = queue.pop() {
        if lengths[host].is_some() {
            continue;
        }
        lengths[host] = Some(length);
        free -= usize::from(!bound[host]);
        if free == 0 && host != to {
            continue;
        }
        for edge in &into[host] {
            if lengths[edge.from].is_none() && (host == to || !bound[edge.from]) {
                queue.push(Reverse((length.behind(edge), edge.from)));
            }
        }
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn edge(from: usize, to: usize, mbits: f64, ms: u64) -> Edge {
        let rate = Some(Rate::from_mbits_per_second(mbits));
        Edge { from, to, rate, delay: Duration::from_millis(ms), medium: false, air: None }
    }

    #[test]
    fn a_path_has_the_slowest_rate_and_all_delays_of_its_hops() {
        // 0 - 2 - 3 - 1, the last two being switches.
        let edges: Vec<Edge> = [edge(0, 2, 100.0, 1), edge(2, 3, 10.0, 5), edge(3, 1, 50.0, 2)]
            .into_iter()
            .flat_map(|e| [e, Edge { from: e.to, to: e.from, delay: 2 * e.delay, ..e }])
            .collect();
        let routes = Routes::shortest(4, &edges);
        let paths = routes.paths(2);
        let ten = Some(Rate::from_mbits_per_second(10.0));
        assert_eq!(paths[0][1], Some(Path { rate: ten, delay: Duration::from_millis(8), air: None }));
        assert_eq!(paths[1][0], Some(Path { rate: ten, delay: Duration::from_millis(16), air: None }));
        assert_eq!(paths[0][0], None);
        assert_eq!(routes.way(0, 1), Some(vec![0, 2, 3, 1]));
    }

    #[test]
    fn a_path_shares_the_airtime_of_the_slowest_medium_on_its_way() {
        let air = |edge: Edge, air| Edge { air: Some(air), medium: true, ..edge };
        let edges = [edge(0, 1, 1.0, 0), air(edge(1, 2, 20.0, 0), 4), air(edge(2, 3, 10.0, 0), 7)];
        let routes = Routes::shortest(4, &edges);
        let shared = |from, to| routes.path(from, to).and_then(|path| path.air);
        assert_eq!((shared(0, 1), shared(0, 2), shared(0, 3)), (None, Some(4), Some(7)));
    }

    #[test]
    fn neighbours_on_a_medium_speak_directly_though_a_detour_is_faster() {
        let slow = edge(0, 2, 1.0, 0);
        let detour = [edge(0, 1, 100.0, 0), edge(1, 2, 100.0, 0)];
        let on_links = Routes::shortest(3, &[slow, detour[0], detour[1]]);
        assert_eq!(on_links.way(0, 2), Some(vec![0, 1, 2]));
        let medium: Vec<Edge> = [slow, detour[0], detour[1]].map(|e| Edge { medium: true, ..e }).into();
        assert_eq!(Routes::shortest(3, &medium).way(0, 2), Some(vec![0, 2]));
        // Without the direct pair, the medium's members pass packets on.
        assert_eq!(Routes::shortest(3, &medium[1..]).way(0, 2), Some(vec![0, 1, 2]));
    }

    #[test]
    fn of_equal_ways_the_lowest_host_is_taken() {
        let edges = [edge(0, 2, 10.0, 1), edge(2, 3, 10.0, 1), edge(0, 1, 10.0, 1), edge(1, 3, 10.0, 1)];
        assert_eq!(Routes::shortest(4, &edges).way(0, 3), Some(vec![0, 1, 3]));
    }

    proptest! {
        #[test]
        fn routes_never_loop_and_exist_exactly_where_a_way_does(
            edges in prop::collection::vec((0usize..8, 0usize..8, prop::option::of(1u64..1000), 0u64..3, any::<bool>()), 0..30)
        ) {
            let edges: Vec<Edge> = edges.into_iter().map(|(from, to, rate, ms, medium)| Edge {
                from, to, rate: rate.map(|m| Rate::from_bits_per_second(m * 1000)), delay: Duration::from_millis(ms), medium, air: None,
            }).collect();
            let routes = Routes::shortest(8, &edges);
            for from in 0..8 {
                let mut reached = vec![from];
                while let Some(e) = edges.iter().find(|e| reached.contains(&e.from) && !reached.contains(&e.to)) {
                    reached.push(e.to);
                }
                for to in (0..8).filter(|to| *to != from) {
                    // `way` would not end on a loop.
                    prop_assert_eq!(routes.way(from, to).is_some(), reached.contains(&to));
                    prop_assert_eq!(routes.path(from, to).is_some(), reached.contains(&to));
                }
            }
        }
    }
}
