//! What would be in force if a node of the plan were lost, found out before it happens: where the segments have to lie ready for
//! that, and the plans themselves, so that nothing has to be searched for when it does.
//!
//! # Which plan is rehearsed
//! For each node of the plan, those first without which most would have to be loaded:
//!
//! 1. with its segment on a node that has it ready already, if that is good enough: what is prepared stays prepared;
//! 2. or else what the strategy answers when the node is left out. It keeps the other stages where they are if it can
//!    (`repair`). A node without a stage that has no room left for what that plan puts there is left out as well, and it is asked
//!    again.
//!
//! Good enough is a bottleneck of at most [`MARGIN`] times that of the strategy's first answer. If nothing is, its first answer is
//! what will be in force, and as much of it is held ready as fits.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Problem, Stop, StrategyKind};
use crate::plan::Plan;
use crate::profile::Segment;

/// How much longer the bottleneck may be for a plan that can be prepared.
pub const MARGIN: f64 = 1.1;

/// Questions asked for one lost node until those that have no room are left out.
const QUESTIONS: usize = 8;

/// How many segments are held ready beside the stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spares {
    /// At most so many.
    Most(u32),
    /// As many as fit.
    Auto,
}

impl Default for Spares {
    fn default() -> Spares {
        Spares::Most(0)
    }
}

impl Spares {
    /// At most so many.
    pub fn most(self) -> usize {
        match self {
            Spares::Most(most) => most as usize,
            Spares::Auto => usize::MAX,
        }
    }
}

/// What is known before a node is lost.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rehearsal {
    /// For each node: what is in force when it is lost.
    pub without: Vec<(usize, Plan)>,
    /// Segments to be held ready, and where; the most valuable first.
    pub ready: Vec<(usize, Segment)>,
}

/// Rehearses the loss of each node of `problem`'s plan in force. `held` lies ready already. `stop` is told how many losses the
/// search has come to.
pub fn rehearse(
    kind: StrategyKind,
    problem: &Problem<'_>,
    held: &[(usize, Segment)],
    spares: Spares,
    seed: u64,
    stop: &dyn Fn(u32) -> bool,
) -> Rehearsal {
    let Some(current) = problem.current else { return Rehearsal::default() };
    let mut rehearsal = Rehearsal::default();
    for (lost, count) in by_worth(problem, current).into_iter().zip(1..) {
        let stop: Stop<'_> = &|| stop(count);
        let excluded: BTreeSet<usize> = problem.excluded.iter().copied().chain([lost]).collect();
        let question = Problem { excluded: &excluded, ..*problem };
        let Ok(best) = kind.plan(&question, seed, stop) else { continue };
        let plan = prepared(&question, current, held, &rehearsal, &best)
            .or_else(|| fitting(kind, &question, current, &rehearsal, &best, seed, stop))
            .unwrap_or(best);
        for pair in missing(&plan, current, &rehearsal.ready) {
            if rehearsal.ready.len() < spares.most() && fits(problem, current, &rehearsal.ready, pair) {
                rehearsal.ready.push(pair);
            }
        }
        rehearsal.without.push((lost, plan));
    }
    rehearsal
}

/// The plan in force with each stage that was lost on a node that has its segment ready.
pub fn substituted(problem: &Problem<'_>, current: &Plan, held: &[(usize, Segment)]) -> Option<Plan> {
    let mut taken: BTreeSet<usize> = current.stages.iter().map(|stage| stage.node).collect();
    let mut nodes = Vec::new();
    for stage in &current.stages {
        let node = if problem.available(stage.node) {
            stage.node
        } else {
            let free = |(node, segment): &&(usize, Segment)| {
                *segment == stage.segment && !taken.contains(node) && problem.available(*node)
            };
            held.iter().find(free)?.0
        };
        taken.insert(node);
        nodes.push(node);
    }
    let chain = |chain: &crate::plan::Chain| {
        let stages = chain.stages.iter().map(|stage| (nodes[*stage], current.stages[*stage].segment));
        (stages.collect(), chain.share)
    };
    Plan::evaluate_chains(problem, &current.chains.iter().map(chain).collect::<Vec<_>>()).ok()
}

/// The plan's nodes, first those without which most is to be loaded for most of the requests.
fn by_worth(problem: &Problem<'_>, current: &Plan) -> Vec<usize> {
    let worth = |stage: usize| {
        let through = current.chains.iter().filter(|chain| chain.stages.contains(&stage));
        let pieces = &problem.profile.pieces[current.stages[stage].segment.pieces()];
        let weights: u64 = pieces.iter().map(|piece| piece.parameters.bytes()).sum();
        through.map(|chain| chain.share).sum::<f64>() * weights as f64
    };
    let mut stages: Vec<usize> = (0..current.stages.len()).collect();
    stages.sort_by(|a, b| worth(*b).total_cmp(&worth(*a)));
    stages.into_iter().map(|stage| current.stages[stage].node).collect()
}

/// The plan in force with what is held already in place of the lost stage.
fn prepared(
    question: &Problem<'_>,
    current: &Plan,
    held: &[(usize, Segment)],
    rehearsal: &Rehearsal,
    best: &Plan,
) -> Option<Plan> {
    let usable: Vec<(usize, Segment)> = held
        .iter()
        .copied()
        .filter(|pair| rehearsal.ready.contains(pair) || fits(question, current, &rehearsal.ready, *pair))
        .collect();
    substituted(question, current, &usable).filter(|plan| is_good(plan, best))
}

/// A plan for which everything can be held ready.
fn fitting(
    kind: StrategyKind,
    question: &Problem<'_>,
    current: &Plan,
    rehearsal: &Rehearsal,
    best: &Plan,
    seed: u64,
    stop: Stop<'_>,
) -> Option<Plan> {
    let (mut plan, mut excluded) = (best.clone(), question.excluded.clone());
    for _ in 0..QUESTIONS {
        let full = |pair: &(usize, Segment)| !fits(question, current, &rehearsal.ready, *pair);
        let full: Vec<usize> =
            missing(&plan, current, &rehearsal.ready).into_iter().filter(full).map(|pair| pair.0).collect();
        if full.is_empty() {
            return Some(plan);
        }
        let serves = |node: &usize| current.stages.iter().any(|stage| stage.node == *node);
        if full.iter().any(serves) {
            return None;
        }
        excluded.extend(full);
        plan = kind.plan(&Problem { excluded: &excluded, ..*question }, seed, stop).ok()?;
        if !is_good(&plan, best) {
            return None;
        }
    }
    None
}

fn is_good(plan: &Plan, best: &Plan) -> bool {
    plan.prediction.bottleneck.as_secs_f64() <= MARGIN * best.prediction.bottleneck.as_secs_f64()
}

/// What a plan needs that neither the plan in force nor what is to lie ready has.
fn missing(plan: &Plan, current: &Plan, ready: &[(usize, Segment)]) -> Vec<(usize, Segment)> {
    let pairs = plan.stages.iter().map(|stage| (stage.node, stage.segment));
    let there = |pair: &(usize, Segment)| {
        ready.contains(pair) || current.stages.iter().any(|stage| (stage.node, stage.segment) == *pair)
    };
    pairs.filter(|pair| !there(pair)).collect()
}

/// Whether a node has room for a segment beside its stage's and those that are to lie ready there.
fn fits(problem: &Problem<'_>, current: &Plan, ready: &[(usize, Segment)], (node, segment): (usize, Segment)) -> bool {
    let stage = current.stages.iter().filter(|stage| stage.node == node).map(|stage| stage.segment);
    let beside = ready.iter().filter(|pair| pair.0 == node).map(|pair| pair.1);
    let together: Vec<Segment> = stage.chain(beside).chain([segment]).collect();
    problem.cluster.nodes.get(node).is_some_and(|device| problem.profile.memory_together(&together) <= device.memory)
}
