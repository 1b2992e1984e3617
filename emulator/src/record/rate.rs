//! How fast results came, against how fast they can come.
//!
//! - What the throughput can be under a plan at most is [`bound`]: the least of what the plan's slowest part,
//!   the offered load, and the machine that computes for all nodes allow.
//! - Of programs of others nothing is known but what they did before anything broke: that is what is expected.
//! - What is to be **expected** of a model is that bound times the share of it that the same run reached before anything
//!   broke ([`Calm`]): how much of a plan's promise this machine keeps is no matter of the faults.
//! - The rate at an instant is that of the [`window`] that begins there.

use std::time::Duration;

use node::clock::Instant;
use node::config::Load;
use planner::plan::{Chain, Plan};

use super::recovery::Arrivals;
use super::summary::words::limit;
use super::tally::{PlanSeen, Tally, Window};
use crate::scenario::Scenario;

/// The part of the expected rate that counts as all of it.
pub const FULL: f64 = 0.9;
/// Results that must be expected in a stretch of time for its rate to mean something.
const ENOUGH: f64 = 20.0;
/// The shortest stretch of time that has a rate.
const SHORTEST: Duration = Duration::from_secs(2);

/// What the throughput can be at most under a plan, per second, and what sets it, in words.
pub fn bound(scenario: &Scenario, tally: &Tally, plan: &Plan) -> (f64, String) {
    let asked = asked(scenario, plan);
    let Some(cores) = tally.cores else { return asked };
    let carried = f64::from(cores) / computing(scenario, plan).max(1e-9);
    if carried < asked.0 { (carried, format!("this machine's {cores} cores")) } else { asked }
}

/// The same on a machine that computes for all nodes at once: what the plan and the load allow.
pub fn asked(scenario: &Scenario, plan: &Plan) -> (f64, String) {
    let planned = (plan.prediction.throughput_per_s(), limit(scenario, plan));
    let offered = match scenario.load() {
        Load::Open { rate_per_s, .. } => (rate_per_s, "the offered load".to_owned()),
        Load::Closed { concurrency } => {
            // Little's law: no more can be done than is outstanding, divided by the time each takes.
            let latency = plan.prediction.latency.as_secs_f64().max(1e-9);
            (f64::from(concurrency) / latency, format!("the offered load, {concurrency} at once"))
        }
    };
    if offered.0 < planned.0 { offered } else { planned }
}

/// Seconds for which this machine computes for each request.
pub fn computing(scenario: &Scenario, plan: &Plan) -> f64 {
    // A slower device waits; the host computes only for as long as it takes the host.
    let slowdown = |node: usize| scenario.nodes.get(node).map_or(1.0, |node| node.slowdown.max(1.0));
    // A request takes one of the chains.
    let of_chain = |chain: &Chain| {
        let stages = chain.stages.iter().filter_map(|index| plan.stages.get(*index));
        chain.share * stages.map(|stage| stage.compute.as_secs_f64() / slowdown(stage.node)).sum::<f64>()
    };
    plan.chains.iter().map(of_chain).sum()
}

/// What a run reached of its first plan's bound before anything broke; at most all of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calm {
    share: f64,
    /// Results per second, where there is no plan that would promise any.
    alone: Option<f64>,
}

impl Calm {
    /// Of a run; `Err` says why it can't be told.
    ///
    /// # Errors
    /// When too few results came between the warm-up and the first fault.
    pub fn of(scenario: &Scenario, tally: &Tally, arrivals: &Arrivals) -> Result<Calm, String> {
        let whole = tally.window(scenario);
        let first = tally.faults.values().filter_map(|seen| seen.fired.as_ref().map(|(at, ..)| *at)).min();
        let calm = Window { from: whole.from, to: first.unwrap_or(whole.to).max(whole.from).min(whole.to) };
        let bound = match (scenario.inference(), tally.plan_at(calm.from)) {
            (Some(_), None) => return Err("no plan was made".to_owned()),
            (Some(_), Some(plan)) => Some(bound(scenario, tally, &plan.plan).0),
            (None, _) => None,
        };
        let came = count(arrivals, calm.from, calm.to) as f64;
        if came < ENOUGH / 2.0 {
            let why =
                "too few results came between warm-up and first fault to know how fast they come when all is well";
            return Err(why.to_owned());
        }
        let rate = came / calm.length().as_secs_f64();
        Ok(match bound {
            Some(bound) => Calm { share: (rate / bound).min(1.0), alone: None },
            None => Calm { share: 1.0, alone: Some(rate) },
        })
    }

    /// Results per second to be expected at an instant, of a model by the plan in force then; `None` before the first.
    pub fn expected(self, scenario: &Scenario, tally: &Tally, at: Instant) -> Option<f64> {
        if let Some(alone) = self.alone {
            return Some(alone);
        }
        let deployed = |seen: &&PlanSeen| seen.deployed.as_ref().is_some_and(|(deployed, _)| *deployed <= at);
        let in_force = tally.plans.values().filter(deployed).max_by_key(|seen| seen.at).or(tally.plan_at(at))?;
        Some(self.share * bound(scenario, tally, &in_force.plan).0)
    }
}

/// How long a stretch of time must be to show a rate of so many results per second.
pub fn window(per_second: f64) -> Duration {
    Duration::try_from_secs_f64(ENOUGH / per_second.max(1e-9)).unwrap_or(Duration::MAX).max(SHORTEST)
}

/// Results that arrived from one instant until just before another.
pub fn count(arrivals: &Arrivals, from: Instant, to: Instant) -> usize {
    let until = |at: Instant| arrivals.partition_point(|(arrived, _)| *arrived < at);
    until(to).saturating_sub(until(from))
}

/// The rates of all stretches `window` long that lie between two instants and begin with a result, each with its begin.
pub fn rates(arrivals: &Arrivals, between: Window, window: Duration) -> impl Iterator<Item = (Instant, f64)> {
    let inside = move |at: &Instant| *at >= between.from && *at + window <= between.to;
    arrivals.iter().map(|(at, _)| *at).filter(inside).map(move |at| {
        // What comes within a period after a result: the result itself ends the period before.
        let next = Instant(at.0.saturating_add(1));
        (at, count(arrivals, next, next + window) as f64 / window.as_secs_f64())
    })
}
