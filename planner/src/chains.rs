//! The ways through the plan in force: how full each is, how fast it has proven to be, and which takes the next
//! request. Both the dispatcher and the simulation choose by this. Instants are counted from anywhere.
//!
//! A request joins the chain on which it is expected to be done first (join the shortest expected delay): the
//! one with the least `(in flight + 1) × service time`, among those whose window has room. The **service time** is
//! the time between two completions while the chain is full, that is, while at least as many requests are in it as it has
//! stages; less would measure how long a request takes, not how often one is done. It is smoothed, and begins
//! with what the plan predicts for the chain's share.

use std::time::Duration;

use crate::plan::Plan;

/// How much of a new service time goes into the smoothed one.
const NEWS: f64 = 1.0 / 8.0;

/// The chains of one epoch.
#[derive(Debug, Default)]
pub struct Chains {
    open: bool,
    ways: Vec<Way>,
}

#[derive(Debug)]
struct Way {
    /// The dispatcher, the stages' nodes in order, the dispatcher.
    nodes: Vec<usize>,
    alive: bool,
    window: usize,
    in_flight: usize,
    /// Smoothed, in seconds.
    service: f64,
    /// The last completion, if the chain has been full ever since.
    full_since: Option<Duration>,
}

impl Way {
    /// With so many requests in it, every stage can be at work.
    fn full(&self) -> usize {
        (self.nodes.len() - 2).min(self.window)
    }
}

impl Chains {
    /// The chains of a plan, closed until it is deployed. Without a window, each takes two requests for each of its
    /// stages and two more.
    pub fn of(plan: &Plan, window: Option<u32>, dispatcher: usize) -> Chains {
        let throughput = plan.prediction.throughput_per_s();
        let way = |chain: &crate::plan::Chain| {
            let stages = plan.chain(chain).into_iter().map(|(node, _)| node);
            let nodes: Vec<usize> = [dispatcher].into_iter().chain(stages).chain([dispatcher]).collect();
            Way {
                window: window.map_or(2 * (nodes.len() - 2) + 2, |window| window.max(1) as usize),
                nodes,
                alive: true,
                in_flight: 0,
                service: 1.0 / (chain.share * throughput).max(f64::MIN_POSITIVE),
                full_since: None,
            }
        };
        Chains { open: false, ways: plan.chains.iter().map(way).collect() }
    }

    /// The plan is deployed: requests may be sent.
    pub fn open(&mut self) {
        self.open = true;
    }

    /// Whether requests may be sent.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// The chain that takes the next request, if one does.
    pub fn pick(&self) -> Option<u16> {
        let delay = |way: &Way| (way.in_flight + 1) as f64 * way.service;
        let fits = |way: &Way| self.open && way.alive && way.in_flight < way.window;
        let ways = self.ways.iter().enumerate().filter(|(_, way)| fits(way));
        ways.min_by(|(_, a), (_, b)| delay(a).total_cmp(&delay(b))).map(|(chain, _)| chain as u16)
    }

    /// The node of a chain's first stage.
    pub fn first(&self, chain: u16) -> Option<usize> {
        self.ways.get(usize::from(chain)).map(|way| way.nodes[1])
    }

    /// The nodes that each chain goes through, the dispatcher first and last.
    pub fn routes(&self) -> impl Iterator<Item = &[usize]> {
        self.ways.iter().map(|way| way.nodes.as_slice())
    }

    /// A request was sent into a chain.
    pub fn sent(&mut self, chain: u16, now: Duration) {
        let Some(way) = self.ways.get_mut(usize::from(chain)) else { return };
        way.in_flight += 1;
        if way.in_flight == way.full() && way.full_since != Some(now) {
            way.full_since = None;
        }
    }

    /// A request came out of a chain.
    pub fn done(&mut self, chain: u16, now: Duration) {
        let Some(way) = self.ways.get_mut(usize::from(chain)) else { return };
        let full = way.in_flight >= way.full();
        if let (Some(since), true) = (way.full_since, full) {
            way.service += (now.saturating_sub(since).as_secs_f64() - way.service) * NEWS;
        }
        way.full_since = full.then_some(now);
        way.in_flight = way.in_flight.saturating_sub(1);
    }

    /// Most requests that the chains which are left take together.
    pub fn window(&self) -> usize {
        self.ways.iter().filter(|way| way.alive).map(|way| way.window).sum()
    }

    /// A node is lost, and with it the chains that are told.
    pub fn lose_node(&mut self, node: usize) -> Vec<u16> {
        self.lose(|way| way.nodes.contains(&node))
    }

    /// The connection from one node to another is lost, and with it the chains that are told.
    pub fn lose_path(&mut self, from: usize, to: usize) -> Vec<u16> {
        self.lose(|way| way.nodes.windows(2).any(|pair| pair == [from, to]))
    }

    fn lose(&mut self, hit: impl Fn(&Way) -> bool) -> Vec<u16> {
        let mut lost = Vec::new();
        for (chain, way) in self.ways.iter_mut().enumerate().filter(|(_, way)| way.alive && hit(way)) {
            way.alive = false;
            lost.push(chain as u16);
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Chain, Limit, Prediction, Stage};
    use crate::profile::Segment;
    use crate::units::ByteSize;

    /// Chains over these nodes, together ten requests a second; node 0 dispatches.
    fn chains(nodes: &[(&[usize], f64)]) -> Chains {
        let stage = |(index, node): (usize, &usize)| Stage {
            node: *node,
            segment: Segment { from: index, to: index + 1 },
            memory: ByteSize::ZERO,
            compute: Duration::ZERO,
            receive: Duration::ZERO,
        };
        let stages: Vec<Stage> = nodes.iter().flat_map(|(nodes, _)| nodes.iter().enumerate().map(stage)).collect();
        let mut next = 0..stages.len();
        let chain = |(nodes, share): &(&[usize], f64)| Chain {
            stages: next.by_ref().take(nodes.len()).collect(),
            share: *share,
        };
        let chains = nodes.iter().map(chain).collect();
        let limit = Limit::Compute { node: 1 };
        let bottleneck = Duration::from_millis(100);
        let prediction = Prediction { bottleneck, limit, latency: bottleneck, joules: 0.0 };
        let mut chains = Chains::of(&Plan { stages, chains, prediction, proof: None }, None, 0);
        chains.open();
        chains
    }

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn requests_are_shared_out_as_predicted_until_windows_are_full() {
        let mut chains = chains(&[(&[1, 2], 0.75), (&[3, 4], 0.25)]);
        let mut taken = [0; 2];
        for _ in 0..8 {
            let chain = chains.pick().unwrap();
            chains.sent(chain, at(0));
            taken[usize::from(chain)] += 1;
        }
        assert_eq!(taken, [6, 2]);
        for _ in 0..4 {
            assert_eq!(chains.pick(), Some(1), "the window of the other is full");
            chains.sent(1, at(0));
        }
        assert_eq!(chains.pick(), None);
        assert_eq!(chains.window(), 12);
    }

    #[test]
    fn a_chain_that_proves_slower_than_predicted_gets_less() {
        let mut chains = chains(&[(&[1, 2], 0.5), (&[3, 4], 0.5)]);
        let mut taken = [0; 2];
        let mut due = [at(0) + Duration::from_millis(200), at(0) + Duration::from_millis(1000)];
        for step in 0..4000 {
            let now = at(step * 10);
            for (chain, time) in [(0, 200), (1, 1000)] {
                if now >= due[chain] && chains.ways[chain].in_flight > 0 {
                    chains.done(chain as u16, now);
                    due[chain] = now + Duration::from_millis(time);
                }
            }
            // Eight in all are always under way.
            while chains.ways.iter().map(|way| way.in_flight).sum::<usize>() < 8 {
                let chain = chains.pick().unwrap();
                chains.sent(chain, now);
                taken[usize::from(chain)] += 1;
            }
        }
        assert!((chains.ways[0].service - 0.2).abs() < 0.02, "{}", chains.ways[0].service);
        assert!(taken[0] > 4 * taken[1], "{taken:?}");
    }

    #[test]
    fn what_goes_through_a_lost_node_or_path_is_lost_once() {
        let mut chains = chains(&[(&[1, 2], 0.4), (&[3, 2], 0.3), (&[4, 5], 0.3)]);
        assert_eq!(chains.lose_path(3, 2), [1]);
        assert_eq!(chains.lose_path(2, 1), [0; 0], "nothing flows that way");
        assert_eq!(chains.lose_node(2), [0]);
        assert_eq!(chains.lose_path(0, 4), [2]);
        assert_eq!((chains.pick(), chains.window()), (None, 0));
    }
}
