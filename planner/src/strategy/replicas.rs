//! Using the nodes that one chain leaves idle: further chains beside the first, and stages held by several nodes.
//!
//! 1. **Chains.** For many bounds on the bottleneck, chains are taken out of the cluster one after the other, each
//!    with as few nodes as keep within the bound; what is left serves the chains with the highest throughput it
//!    can. The bound whose chains have the most throughput together wins.
//! 2. **Replicated stages.** Nodes that are left over stand in for the stage that limits: a chain like another, but
//!    for one node.
//! 3. **Shares.** Which part of the requests takes which chain, so that nothing is overbooked — no node, no path,
//!    and no medium whose airtime is shared — is a linear programme ([`pack`]). A chain that
//!    adds nothing is left out: where the air is full, more replicas no longer help.
//!
//! # The bound
//! Give each piece of the model a weight, all together 1. A node that holds a segment passes at most
//! its weight times the rate at which the node can compute it, receive its input and send its output; so
//! the sum over the nodes of the best that each can do is more than any set of disjoint chains has,
//! whatever the weights (they are the dual of the programme that packs segments on nodes). Weights are improved by
//! some steps along the subgradient. Where stages are replicated a node may be fed by several others, so then the
//! paths count with all of them together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::optimal::Optimal;
use super::packing::pack;
use super::{Chain, Instance, Objective, Problem, Stop, Strategy};
use crate::plan::{Limit, Misplaced, Placement, Plan, Proof};
use crate::profile::Segment;

/// How often each bound on the bottleneck is longer than the one before.
const STEP: f64 = 1.25;
/// The longest bound, as a multiple of the shortest bottleneck there is.
const LONGEST: f64 = 12.0;
/// A chain is worth having if it adds this part of the throughput.
const WORTH: f64 = 1e-3;
/// Steps along the subgradient.
const STEPS: usize = 100;
/// A plan that keeps the chains which survived is taken if its throughput is at least this part of a fresh one's.
const KEEP: f64 = 1.0 / super::KEEP;

/// How many chains a plan may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replicas {
    /// One.
    #[default]
    One,
    /// At most so many.
    Most(u32),
    /// As many as help.
    Auto,
}

impl Replicas {
    fn most(self) -> usize {
        match self {
            Replicas::One => 1,
            Replicas::Most(most) => most.max(1) as usize,
            Replicas::Auto => usize::MAX,
        }
    }
}

/// A plan with as many chains as help, beginning with the best single one.
pub(super) fn replicate(problem: &Problem<'_>, instance: &Instance, single: &Chain, stop: Stop<'_>) -> Option<Plan> {
    let most = problem.replicas.most();
    let fresh = best_packing(problem, instance, single, most, stop);
    let kept = problem.current.and_then(|current| keeping(problem, instance, current, most));
    let rate = |plan: &Plan| plan.prediction.throughput_per_s();
    let mut plan = match (kept, fresh) {
        (Some(kept), Some(fresh)) if rate(&kept) < KEEP * rate(&fresh) => fresh,
        (Some(kept), _) => kept,
        (None, fresh) => fresh?,
    };
    let disjoint = plan.chains.iter().map(|chain| chain.stages.len()).sum::<usize>() == plan.stages.len();
    let value = plan.prediction.bottleneck.as_secs_f64();
    let most_per_s = upper_bound(instance, disjoint);
    let floor = bound_of_all(problem, instance).max(1.0 / most_per_s);
    plan.proof = Some(Proof { objective: Objective::Throughput, value, bound: floor.min(value) });
    Some(plan)
}

/// What every plan takes, however many chains it has: input and result pass between client and dispatcher, and
/// where one medium carries everything, each request takes some of its air.
fn bound_of_all(problem: &Problem<'_>, instance: &Instance) -> f64 {
    let outside = instance.outside_cost(Objective::Throughput);
    let mut media = problem.cluster.paths.iter().flatten().flatten().map(|path| path.air);
    let first = media.next().flatten();
    if first.is_none() || media.any(|air| air != first) {
        return outside;
    }
    let total = Objective::Latency { floor_per_s: 0.0 };
    let least = Optimal::QUICK.place(&instance.transfers_only(), total, 0, &|| false);
    outside.max(least.map_or(0.0, |least| least.bound))
}

/// Chains for every bound on the bottleneck; the best plan of all.
fn best_packing(
    problem: &Problem<'_>,
    instance: &Instance,
    single: &Chain,
    most: usize,
    stop: Stop<'_>,
) -> Option<Plan> {
    let shortest = instance.value(Objective::Throughput, single).max(1e-9);
    let mut best = shares(problem, instance, std::slice::from_ref(single));
    let mut longest = shortest;
    while longest <= shortest * LONGEST && !stop() {
        let chains = extract(instance, longest, most);
        let plan = shares(problem, instance, &chains).map(|plan| with_stand_ins(problem, instance, plan, most));
        if plan.as_ref().map(throughput) > best.as_ref().map(throughput) {
            best = plan;
        }
        longest *= STEP;
    }
    best
}

fn throughput(plan: &Plan) -> f64 {
    plan.prediction.throughput_per_s()
}

/// Disjoint chains: those within the bound with as few nodes as may be, then what else can be had.
fn extract(instance: &Instance, longest: f64, most: usize) -> Vec<Chain> {
    let mut free: Vec<usize> = (0..instance.nodes.len()).collect();
    let mut chains: Vec<Chain> = Vec::new();
    let few = Objective::Nodes { floor_per_s: (1.0 - 1e-9) / longest };
    for objective in [few, Objective::Throughput] {
        while chains.len() < most && !free.is_empty() {
            let rest = instance.restricted(&free);
            let Ok(found) = Optimal::QUICK.place(&rest, objective, 0, &|| false) else { break };
            let chain: Chain = found.chain.into_iter().map(|(node, segment)| (free[node], segment)).collect();
            free.retain(|node| chain.iter().all(|(used, _)| used != node));
            chains.push(chain);
        }
    }
    chains
}

/// Adds chains that differ from others by one node, as long as that helps.
fn with_stand_ins(problem: &Problem<'_>, instance: &Instance, plan: Plan, most: usize) -> Plan {
    let mut best = plan;
    loop {
        let free: Vec<usize> =
            instance.nodes.iter().copied().filter(|node| best.stages.iter().all(|stage| stage.node != *node)).collect();
        // Only what limits is worth standing in for: its node, or either end of a path.
        let limiting: Vec<usize> = match best.prediction.limit {
            Limit::Compute { node } => vec![node],
            Limit::Path { from, to } => vec![from, to],
            Limit::Air { .. } => return best,
        };
        let mut better: Option<Plan> = None;
        for (placement, _) in best.placements() {
            for (index, (node, _)) in placement.iter().enumerate().filter(|(_, (node, _))| limiting.contains(node)) {
                for spare in &free {
                    let mut variant = placement.clone();
                    variant[index].0 = *spare;
                    let mut chains: Vec<Placement> = best.placements().into_iter().map(|(chain, _)| chain).collect();
                    chains.push(variant);
                    if chains.len() > most || node == spare {
                        continue;
                    }
                    let plan = shared_out(problem, &chains);
                    if plan.as_ref().map(throughput) > better.as_ref().map(throughput) {
                        better = plan;
                    }
                }
            }
        }
        match better {
            Some(plan) if throughput(&plan) > throughput(&best) * (1.0 + WORTH) => best = plan,
            _ => return best,
        }
    }
}

/// The chains of the plan in force that still hold, and what the other nodes can do beside them.
fn keeping(problem: &Problem<'_>, instance: &Instance, current: &Plan, most: usize) -> Option<Plan> {
    let holds = |placement: &Placement| Plan::evaluate(problem, placement).is_ok();
    let kept: Vec<Placement> = current.placements().into_iter().map(|(placement, _)| placement).filter(holds).collect();
    if kept.is_empty() {
        return None;
    }
    let used = |node: &usize| kept.iter().flatten().any(|(other, _)| *other == instance.nodes[*node]);
    let free: Vec<usize> = (0..instance.nodes.len()).filter(|node| !used(node)).collect();
    let rest = instance.restricted(&free);
    let slowest = |chain: &Placement| Plan::evaluate(problem, chain).ok().map(|plan| plan.prediction.bottleneck);
    let longest = kept.iter().filter_map(slowest).max()?.as_secs_f64();
    let further = extract(&rest, longest.max(1e-9), most.saturating_sub(kept.len()));
    let chains: Vec<Placement> =
        kept.iter().cloned().chain(further.iter().map(|chain| rest.placement(chain))).collect();
    shared_out(problem, &chains)
}

fn shares(problem: &Problem<'_>, instance: &Instance, chains: &[Chain]) -> Option<Plan> {
    let placements: Vec<Placement> = chains.iter().map(|chain| instance.placement(chain)).collect();
    shared_out(problem, &placements)
}

/// The plan of these chains in which each has the share that makes the throughput highest; those that add nothing
/// are left out.
fn shared_out(problem: &Problem<'_>, chains: &[Placement]) -> Option<Plan> {
    let mut busy: BTreeMap<Limit, Vec<f64>> = BTreeMap::new();
    for (index, chain) in chains.iter().enumerate() {
        for (limit, time) in Plan::occupancy(problem, chain).ok()? {
            busy.entry(limit).or_insert_with(|| vec![0.0; chains.len()])[index] += time.as_secs_f64();
        }
    }
    let needs: Vec<Vec<f64>> = busy.into_values().collect();
    let rates = pack(&needs, chains.len());
    let total: f64 = rates.iter().sum();
    let worth = |rate: f64| rate > total * WORTH;
    let kept: Vec<(Placement, f64)> = chains.iter().cloned().zip(rates).filter(|(_, rate)| worth(*rate)).collect();
    let plan: Result<Plan, Misplaced> = if kept.is_empty() {
        // Nothing limits at all: any chain will do.
        Plan::evaluate(problem, chains.first()?)
    } else {
        Plan::evaluate_chains(problem, &kept)
    };
    plan.ok()
}

/// Requests per second that no set of chains exceeds; see the module's documentation.
fn upper_bound(instance: &Instance, disjoint: bool) -> f64 {
    let (nodes, end) = (instance.nodes.len(), instance.end);
    let mut weights = vec![1.0 / end as f64; end];
    let passes = rates(instance, disjoint);
    let mut best = f64::INFINITY;
    for step in 0..STEPS {
        let mut before = vec![0.0; end + 1];
        for piece in 0..end {
            before[piece + 1] = before[piece] + weights[piece];
        }
        let mut sum = 0.0;
        let mut served = vec![0.0; end];
        for passed in passes.iter().take(nodes) {
            let worth = |entry: &&(Segment, f64)| (before[entry.0.to] - before[entry.0.from]) * entry.1;
            if let Some((segment, rate)) = passed.iter().max_by(|a, b| worth(a).total_cmp(&worth(b))) {
                sum += worth(&&(*segment, *rate));
                segment.pieces().for_each(|piece| served[piece] += rate);
            }
        }
        best = best.min(sum);
        if sum <= 0.0 || !sum.is_finite() {
            break;
        }
        // Pieces that are served less than they could be weigh more.
        let pace = 0.5 / (1.0 + step as f64 / 10.0);
        for (weight, served) in weights.iter_mut().zip(&served) {
            *weight *= (pace * (1.0 - served / sum).clamp(-4.0, 1.0)).exp();
        }
        let total: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= total);
    }
    best
}

/// For each node, the segments that it can hold and how often it passes a request through them at most.
fn rates(instance: &Instance, disjoint: bool) -> Vec<Vec<(Segment, f64)>> {
    let (nodes, end, dispatcher) = (instance.nodes.len(), instance.end, instance.dispatcher());
    let join = |rates: &mut dyn Iterator<Item = f64>| {
        if disjoint { rates.fold(0.0, f64::max) } else { rates.sum() }
    };
    let neighbours = |node: usize| (0..nodes).filter(move |other| *other != node);
    (0..nodes)
        .map(|node| {
            let into = |cut: usize| match cut {
                0 => 1.0 / instance.transfer(dispatcher, node, 0),
                cut => join(&mut neighbours(node).map(|other| 1.0 / instance.transfer(other, node, cut))),
            };
            let out = |cut: usize| {
                if cut == end {
                    1.0 / instance.transfer(node, dispatcher, end)
                } else {
                    join(&mut neighbours(node).map(|other| 1.0 / instance.transfer(node, other, cut)))
                }
            };
            let out: Vec<f64> = (0..=end).map(out).collect();
            let mut passes = Vec::new();
            for from in 0..end {
                let into = into(from);
                for (to, out) in out.iter().enumerate().take(instance.fits(node, from) + 1).skip(from + 1) {
                    let segment = Segment { from, to };
                    // So that a segment which costs nothing doesn't make the sum infinite.
                    let rate = into.min(*out).min(1.0 / instance.compute(node, segment).max(1e-9));
                    passes.push((segment, rate));
                }
            }
            passes
        })
        .collect()
}
