//! What throughput costs in latency: the chains of which no other is better in one and as good in the other.
//!
//! Found by the ε-constraint method (Haimes, Lasdon and Wismer, IEEE Transactions on Systems, Man, and Cybernetics
//! 1(3), 1971): the lowest latency of all chains; then the lowest of all that have a shorter bottleneck than that
//! one; and so on, until the bottleneck is the shortest there is. Each step is solved to a proof, so no point is missed.

use super::{
    Chain, Instance, Objective, Optimal, PlanError, Problem, Solution, Stop, Strategy, bound, check, no_placement,
};
use crate::plan::{Plan, Proof};

/// Values that differ by less are one.
const ROUNDING: f64 = 1e-9;

/// A chain of the front.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The stages.
    pub chain: Chain,
    /// The longest time that anything is busy with one request, in seconds.
    pub bottleneck: f64,
    /// End-to-end latency of a request that meets no other, in seconds.
    pub latency: f64,
    /// No chain whose bottleneck is as short has a lower latency.
    pub bound: f64,
    /// The requests per second that were asked for when it was found; 0: any.
    pub floor_per_s: f64,
}

/// The chains between the lowest latency and the highest throughput, in this order.
#[derive(Debug, Clone, PartialEq)]
pub struct Front<T> {
    /// The points: latency and throughput both grow.
    pub points: Vec<T>,
    /// Whether every point is proven and none is missing.
    pub complete: bool,
}

impl Front<Point> {
    /// The front of an instance. When `stop` ends the search, the points so far and the chain with the highest
    /// throughput known, each with its bound; no points where no chain is known.
    pub fn of(instance: &Instance, stop: Stop<'_>) -> Front<Point> {
        let solve = |objective| Optimal::THOROUGH.place(instance, objective, 0, stop);
        let fastest = match solve(Objective::Throughput) {
            Ok(fastest) => fastest,
            Err(unplaced) => return Front { points: Vec::new(), complete: unplaced.proven },
        };
        let proven = |found: &Solution| found.value <= found.bound * (1.0 + 2.0 * ROUNDING);
        let mut front = Front { points: Vec::new(), complete: proven(&fastest) };
        let (mut floor_per_s, mut bound) = (0.0, bound(instance, Objective::Latency { floor_per_s: 0.0 }));
        loop {
            let found = match solve(Objective::Latency { floor_per_s }) {
                Ok(found) => found,
                Err(unplaced) => {
                    front.complete &= unplaced.proven;
                    break;
                }
            };
            front.complete &= proven(&found);
            bound = found.bound.max(bound);
            let bottleneck = instance.value(Objective::Throughput, &found.chain);
            front.add(Point { bottleneck, latency: found.value, bound, floor_per_s, chain: found.chain });
            // Past the highest throughput known there is nothing, if that is proven; if not, what is found is better.
            if bottleneck <= fastest.bound * (1.0 + 2.0 * ROUNDING) || bottleneck <= 0.0 || stop() {
                break;
            }
            floor_per_s = 1.0 / (bottleneck * (1.0 - ROUNDING));
        }
        if front.points.last().is_none_or(|last| last.bottleneck > fastest.value * (1.0 + 2.0 * ROUNDING)) {
            front.complete = false;
            let latency = instance.value(Objective::Latency { floor_per_s: 0.0 }, &fastest.chain);
            let Solution { chain, value: bottleneck, .. } = fastest;
            front.add(Point { bottleneck, latency, bound, floor_per_s, chain });
        }
        front
    }

    /// Adds a point with a shorter bottleneck than all before it; those that are no better in latency go.
    fn add(&mut self, point: Point) {
        while self.points.last().is_some_and(|last| last.latency >= point.latency * (1.0 - ROUNDING)) {
            self.points.pop();
        }
        self.points.push(point);
    }
}

impl Front<Plan> {
    /// The front of a problem's plans of one chain; its objective, replicas and plan in force don't matter.
    ///
    /// # Errors
    /// When there is no plan, or none was found before `stop` said so; see [`PlanError`].
    pub fn of_plans(problem: &Problem<'_>, stop: Stop<'_>) -> Result<Front<Plan>, PlanError> {
        let available = check(problem)?;
        let instance = Instance::new(problem, &available);
        let Front { points, complete } = Front::of(&instance, stop);
        let plan = |point: Point| {
            let Point { latency, bound, floor_per_s, .. } = point;
            let objective = Objective::Latency { floor_per_s };
            let mut plan = Plan::evaluate(problem, &instance.placement(&point.chain)).ok()?;
            plan.proof = Some(Proof { objective, value: latency, bound });
            Some(plan)
        };
        let points: Vec<Plan> = points.into_iter().filter_map(plan).collect();
        if points.is_empty() { Err(no_placement(problem, &available, stop)) } else { Ok(Front { points, complete }) }
    }
}
