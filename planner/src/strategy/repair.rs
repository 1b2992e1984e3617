//! Keeping most of a plan in force: its stages stay where they are, but for the lost ones and some beside them,
//! and the gaps are searched for the shortest bottleneck.
//!
//! # Which plan is taken
//! Of all plans found whose bottleneck is at most [`KEEP`] times that of a plan made from nothing, the one that
//! moves the fewest stages; then the shortest bottleneck, then the lowest latency. Moving a stage costs seconds of
//! loading, in which nothing flows, and after a failure the survivors' stages are warm. The comparison is always
//! with a plan made from nothing, so that small losses don't add up over many failures.

use super::search::{Pins, Search};
use super::{Instance, Problem, Stop};
use crate::plan::{Placement, Plan};

/// How many times the shortest bottleneck may be met by a plan that moves fewer stages.
pub const KEEP: f64 = 1.25;

/// Stages tried for each start node before a bound is taken for impossible.
const BUDGET: usize = 64;
/// Two bounds that differ by less are not told apart.
const PRECISION: f64 = 1.001;

/// The plan that keeps most of `current` and is good enough, if there is one.
pub(super) fn keeping(
    problem: &Problem<'_>,
    instance: &Instance,
    current: &Plan,
    fresh: Option<&Plan>,
    stop: Stop<'_>,
) -> Option<Plan> {
    let [chain] = current.chains.as_slice() else { return None };
    Finder { problem, instance, floor: instance.floor(), stop }.keeping(current, &current.chain(chain), fresh)
}

struct Finder<'a> {
    problem: &'a Problem<'a>,
    instance: &'a Instance,
    /// No plan's bottleneck is lower.
    floor: f64,
    stop: Stop<'a>,
}

impl Finder<'_> {
    /// The first plan within `bottleneck` that is found and accepted.
    fn first(&self, pins: &Pins, bottleneck: f64, budget: usize, accept: impl Fn(&Plan) -> bool) -> Option<Plan> {
        let mut first = None;
        Search::new(self.instance, pins, bottleneck, self.stop).search_each_start(budget, |chain| {
            first = self.cost(&self.instance.placement(&chain)).filter(&accept);
            first.is_some()
        });
        first
    }

    /// A plan with a bottleneck as short as can be found, beginning with a known one.
    fn shorten(&self, pins: &Pins, known: Plan, accept: impl Fn(&Plan) -> bool) -> Plan {
        let mut best = known;
        let mut low = self.floor.max(1e-9);
        // The floor itself is often met (a slow path to the client decides), and then nothing is to be halved.
        let mut bound = low;
        while bottleneck(&best) > low * PRECISION && !(self.stop)() {
            match self.first(pins, bound, BUDGET, &accept).filter(|plan| bottleneck(plan) < bottleneck(&best)) {
                Some(plan) => best = plan,
                None => low = bound,
            }
            bound = (low * bottleneck(&best)).sqrt();
        }
        Search::new(self.instance, pins, bottleneck(&best), self.stop).search_each_start(BUDGET, |chain| {
            if let Some(plan) =
                self.cost(&self.instance.placement(&chain)).filter(&accept).filter(|plan| rank(plan) < rank(&best))
            {
                best = plan;
            }
            false
        });
        best
    }

    /// The plan that keeps most of `current` and is good enough, if there is one.
    fn keeping(&self, current: &Plan, placement: &Placement, fresh: Option<&Plan>) -> Option<Plan> {
        let bound = fresh.map_or(f64::INFINITY, |plan| KEEP * bottleneck(plan));
        let good = |plan: &Plan| bottleneck(plan) <= bound;
        if let Some(unchanged) = self.cost(placement).filter(good) {
            return Some(unchanged);
        }
        let breaks = self.breaks(current);
        let variants = (0..=6).flat_map(|sum| (0..=sum).map(move |left| (left, sum - left)));
        let found = variants.filter_map(|(left, right)| {
            let pins = self.pins(current, &breaks, left, right);
            let plan = self.first(&pins, bound, BUDGET, good)?;
            Some((plan.moved_from(current), pins, plan))
        });
        let (moved, pins, plan) = found.min_by_key(|(moved, _, plan)| (*moved, rank(plan)))?;
        if fresh.is_some_and(|fresh| fresh.moved_from(current) <= moved) {
            return None;
        }
        Some(self.shorten(&pins, plan, |plan| plan.moved_from(current) <= moved))
    }

    /// Where `current` can't stay as it is: its lost stages, and pairs of stages that can't speak any
    /// more; the first and last stage of each.
    fn breaks(&self, current: &Plan) -> Vec<(usize, usize)> {
        let nodes: Vec<usize> = current.stages.iter().map(|stage| stage.node).collect();
        let lost = (0..nodes.len()).filter(|stage| !self.problem.available(nodes[*stage])).map(|stage| (stage, stage));
        let apart = (1..nodes.len())
            .filter(|stage| self.problem.connected(nodes[stage - 1], nodes[*stage]).is_none())
            .map(|stage| (stage, stage - 1));
        lost.chain(apart).collect()
    }

    /// The stages of `current` pinned where they are, but for the lost ones and so many `left` and
    /// `right` of each break.
    fn pins(&self, current: &Plan, breaks: &[(usize, usize)], left: usize, right: usize) -> Pins {
        let mut pins = vec![None; self.instance.end + 1];
        for (index, stage) in current.stages.iter().enumerate() {
            let loose = breaks.iter().any(|(first, last)| first.saturating_sub(left) <= index && index <= last + right);
            let node = self.instance.nodes.iter().position(|node| *node == stage.node);
            if let (false, Some(node)) = (loose, node) {
                pins[stage.segment.from] = Some((node, stage.segment.to));
            }
        }
        pins
    }

    /// The plan of a placement. The search keeps every rule that [`Plan::evaluate`] checks, so this
    /// only fails for a plan in force that can't stay.
    fn cost(&self, placement: &Placement) -> Option<Plan> {
        Plan::evaluate(self.problem, placement).ok()
    }
}

fn bottleneck(plan: &Plan) -> f64 {
    plan.prediction.bottleneck.as_secs_f64()
}

fn rank(plan: &Plan) -> (std::time::Duration, std::time::Duration) {
    (plan.prediction.bottleneck, plan.prediction.latency)
}
