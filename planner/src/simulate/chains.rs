//! The ways through the plan in force, as the dispatcher sees them: how full each is, how fast it has proven to be,
//! and which takes the next request.
//!
//! A request joins the chain on which it is expected to be done first: the one with the least
//! `(in flight + 1) × service time`, of those whose window has room. The service time is the time between two
//! completions while the chain is full, smoothed; it begins with what the plan predicts for the chain's share.

use std::time::Duration;

use super::network::Line;
use crate::plan::Plan;

/// How much of a new service time goes into the smoothed one.
const NEWS: f64 = 1.0 / 8.0;

/// A chain of the plan in force.
#[derive(Debug)]
pub(super) struct Way {
    /// The dispatcher, the stages' nodes in order, the dispatcher.
    pub(super) nodes: Vec<usize>,
    /// From each of them to the next.
    pub(super) lines: Vec<Line>,
    alive: bool,
    window: usize,
    in_flight: usize,
    service: f64,
    full_since: Option<Duration>,
}

impl Way {
    fn full(&self) -> usize {
        (self.nodes.len() - 2).min(self.window)
    }
}

/// The chains of one epoch.
#[derive(Debug, Default)]
pub(super) struct Chains {
    pub(super) open: bool,
    pub(super) ways: Vec<Way>,
}

impl Chains {
    /// The chains of a plan, closed until it is deployed. Without a window, each takes two requests for each of its
    /// stages and two more.
    pub(super) fn of(
        plan: &Plan,
        window: Option<u32>,
        dispatcher: usize,
        mut line: impl FnMut(usize, usize) -> Line,
    ) -> Chains {
        let throughput = plan.prediction.throughput_per_s();
        let way = |chain: &crate::plan::Chain| {
            let stages = plan.chain(chain).into_iter().map(|(node, _)| node);
            let nodes: Vec<usize> = [dispatcher].into_iter().chain(stages).chain([dispatcher]).collect();
            Way {
                lines: nodes.windows(2).map(|pair| line(pair[0], pair[1])).collect(),
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

    /// The chain that takes the next request, if one does.
    pub(super) fn pick(&self) -> Option<u16> {
        let delay = |way: &Way| (way.in_flight + 1) as f64 * way.service;
        let fits = |way: &Way| self.open && way.alive && way.in_flight < way.window;
        let ways = self.ways.iter().enumerate().filter(|(_, way)| fits(way));
        ways.min_by(|(_, a), (_, b)| delay(a).total_cmp(&delay(b))).map(|(chain, _)| chain as u16)
    }

    /// A request was sent into a chain.
    pub(super) fn sent(&mut self, chain: u16, now: Duration) {
        let Some(way) = self.ways.get_mut(usize::from(chain)) else { return };
        way.in_flight += 1;
        if way.in_flight == way.full() && way.full_since != Some(now) {
            way.full_since = None;
        }
    }

    /// A request came out of a chain.
    pub(super) fn done(&mut self, chain: u16, now: Duration) {
        let Some(way) = self.ways.get_mut(usize::from(chain)) else { return };
        let full = way.in_flight >= way.full();
        if let (Some(since), true) = (way.full_since, full) {
            way.service += ((now - since).as_secs_f64() - way.service) * NEWS;
        }
        way.full_since = full.then_some(now);
        way.in_flight = way.in_flight.saturating_sub(1);
    }

    /// A node is lost, and with it the chains that are told.
    pub(super) fn lose_node(&mut self, node: usize) -> Vec<u16> {
        self.lose(|way| way.nodes.contains(&node))
    }

    /// The connection from one node to another is lost, and with it the chains that are told.
    pub(super) fn lose_path(&mut self, from: usize, to: usize) -> Vec<u16> {
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
