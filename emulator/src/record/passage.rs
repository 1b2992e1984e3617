//! Where a request's time goes: from the instant at which it was due, step by step, until the client has its result.
//!
//! Of requests that went through the pipeline undisturbed, in the chain that took most of them. Steps follow on each other without a
//! gap, so their means add up to the mean latency.

use std::collections::BTreeMap;
use std::time::Duration;

use node::clock::Instant;

use super::tally::{Hop, Request, Tally};
use crate::scenario::Scenario;

/// What a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// Held by the client: before it was sent.
    Wait,
    /// On the way, until its last byte is there; for the dispatcher also what it waits there for its turn.
    Receive,
    /// At a stage, until it is computed.
    Queue,
    /// Computed, and held back as the emulated device would.
    Compute,
    /// Until its last byte is given to the network.
    Send,
}

/// A step of the way, over all requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it is.
    pub kind: StepKind,
    /// The node that it ends on.
    pub node: String,
    /// How long it took on average.
    pub mean: Duration,
    /// The 99th percentile (nearest rank).
    pub p99: Duration,
}

/// The way of all requests that took one chain of one plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// The plan.
    pub epoch: u32,
    /// The chain.
    pub chain: u16,
    /// How many requests.
    pub requests: usize,
    /// From the client back to the client.
    pub steps: Vec<Step>,
}

/// Ends of steps, in order.
type Way = Vec<(StepKind, u32, Instant)>;

/// The way of the most requests of the window that took the same one; `None` if there is no such record.
pub fn passage(scenario: &Scenario, tally: &Tally) -> Option<Passage> {
    let window = tally.window(scenario);
    let mut ways: BTreeMap<(u32, u16), Vec<(Instant, Way)>> = BTreeMap::new();
    for request in tally.requests.values() {
        if let Some(scheduled) = request.scheduled.filter(|at| window.contains(*at))
            && let Some((place, way)) = way(request)
        {
            ways.entry(place).or_default().push((scheduled, way));
        }
    }
    let ((epoch, chain), ways) = ways.into_iter().max_by_key(|(_, ways)| ways.len())?;
    let (_, first) = ways.first()?;
    let mut steps = Vec::new();
    let mut reached: Vec<Instant> = ways.iter().map(|(scheduled, _)| *scheduled).collect();
    for (index, (kind, place, _)) in first.iter().enumerate() {
        // Instants of two threads may be told in another order than they were taken.
        let mut took: Vec<Duration> = Vec::new();
        for ((_, way), reached) in ways.iter().zip(&mut reached) {
            let Some((_, _, end)) = way.get(index) else { continue };
            took.push(end.since(*reached));
            *reached = (*reached).max(*end);
        }
        took.sort_unstable();
        let rank = (took.len() * 99).div_ceil(100).max(1);
        let node = match *place {
            CLIENT => scenario.nodes[scenario.node_with(crate::scenario::Role::Client)].name.clone(),
            DISPATCHER => scenario.nodes[scenario.node_with(crate::scenario::Role::Dispatcher)].name.clone(),
            place => tally.places.name(place).to_owned(),
        };
        let mean = took.iter().sum::<Duration>() / took.len().max(1) as u32;
        steps.push(Step { kind: *kind, node, mean, p99: took.get(rank - 1).copied().unwrap_or_default() });
    }
    Some(Passage { epoch, chain, requests: ways.len(), steps })
}

const CLIENT: u32 = u32::MAX;
const DISPATCHER: u32 = u32::MAX - 1;

/// A request's way, with the plan and chain that it took; `None` if something of it is not known or it was sent twice.
fn way(request: &Request) -> Option<((u32, u16), Way)> {
    let result = request.completed()?;
    let mut fed = None;
    let mut arrived = None;
    let mut stages = Vec::new();
    for hop in &request.hops {
        match *hop {
            Hop::Fed { .. } if fed.is_some() => return None,
            Hop::Fed { at, epoch, chain } => fed = Some((at, epoch, chain)),
            Hop::Arrived { at, epoch, .. } if epoch == result.epoch => arrived = Some(at),
            Hop::Stage { epoch, place, received, started, finished, sent, .. } if epoch == result.epoch => {
                stages.push((received, started, finished, sent, place));
            }
            _ => {}
        }
    }
    let (fed, epoch, chain) = fed.filter(|(_, epoch, _)| *epoch == result.epoch)?;
    stages.sort_unstable();
    let mut way = vec![(StepKind::Wait, CLIENT, request.sent?), (StepKind::Receive, DISPATCHER, fed)];
    for (received, started, finished, sent, place) in stages {
        way.extend([
            (StepKind::Receive, place, received),
            (StepKind::Queue, place, started),
            (StepKind::Compute, place, finished),
            (StepKind::Send, place, sent),
        ]);
    }
    way.extend([(StepKind::Receive, DISPATCHER, arrived?), (StepKind::Receive, CLIENT, result.at)]);
    Some(((epoch, chain), way))
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn the_steps_add_up_to_the_latency() {
        let run = fixture::crashes();
        let tally = run.tally();
        let passage = passage(&run.scenario, &tally).unwrap();
        // Four steps at each of four stages, two before and two behind.
        assert_eq!(passage.steps.len(), 20);
        let mut latencies: Vec<Duration> = tally
            .requests
            .values()
            .filter(|request| request.scheduled.is_some_and(|at| tally.window(&run.scenario).contains(at)))
            .filter(|request| way(request).is_some_and(|(place, _)| place == (passage.epoch, passage.chain)))
            .filter_map(|request| Some(request.completed()?.at.since(request.scheduled?)))
            .collect();
        latencies.sort_unstable();
        assert_eq!(latencies.len(), passage.requests);
        let mean = latencies.iter().sum::<Duration>() / latencies.len() as u32;
        let summed: Duration = passage.steps.iter().map(|step| step.mean).sum();
        assert!(mean.abs_diff(summed) < Duration::from_micros(1), "{mean:?} {summed:?}");
    }

    #[test]
    fn stages_are_passed_in_their_order() {
        let run = fixture::crashes();
        let passage = passage(&run.scenario, &run.tally()).unwrap();
        let computed: Vec<&str> =
            passage.steps.iter().filter(|step| step.kind == StepKind::Compute).map(|step| step.node.as_str()).collect();
        assert_eq!(computed.len(), 4);
        assert_eq!(passage.steps[0].node, "client");
        assert_eq!(passage.steps.last().unwrap().node, "client");
    }
}
