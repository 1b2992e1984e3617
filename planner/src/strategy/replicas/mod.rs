//! Using the nodes that one chain leaves idle: further chains beside the first, and stages held by several nodes.
//!
//! 1. **Stages.** Every node may hold one segment, and stages that hold the same one share what comes, whoever sends it:
//!    what all nodes together let pass is a maximum flow ([`flow`]). Ways through the cluster are added one after
//!    the other, each over as few unused nodes as will do ([`growth`]); then some nodes are emptied and grown anew,
//!    again and again ([`search`]).
//! 2. **Chains.** The flow is taken apart into ways, the widest first, each with its share of the requests.
//! 3. **Few chains, or shared airtime.** Where at most some chains are allowed, or a medium's airtime is shared, disjoint
//!    chains and stand-ins for the node that limits are tried, too ([`extraction`]), and shares that overbook nothing
//!    are a linear programme ([`pack`]). A chain that adds nothing is left out: where the air is full, more
//!    replicas no longer help.
//!
//! What none exceeds is in [`bound`].

mod bound;
mod extraction;
mod flow;
mod growth;
mod search;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::optimal::Optimal;
use super::packing::pack;
use super::{Chain, Instance, Objective, Problem, Stop, Strategy};
use crate::plan::{Limit, Misplaced, Placement, Plan, Proof};
use flow::Holding;
use growth::Growth;
use search::{ROUNDS, search};

/// A chain is worth having if it adds this part of the throughput.
const WORTH: f64 = 1e-3;
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

/// A plan with as many chains as help, beginning with the best single one; `fastest` is what one chain exceeds in no
/// way, in seconds.
pub(super) fn replicate(
    problem: &Problem<'_>,
    instance: &Instance,
    (single, fastest): (&Chain, f64),
    seed: u64,
    stop: Stop<'_>,
) -> Option<Plan> {
    let most = problem.replicas.most();
    let kept = problem.current.and_then(|current| keeping(problem, instance, current, single, most, stop));
    let fresh = fresh(problem, instance, single, most, seed, stop);
    let mut plan = match (kept, fresh) {
        (Some(kept), Some(fresh)) if throughput(&kept) < KEEP * throughput(&fresh) => fresh,
        (Some(kept), _) => kept,
        (None, fresh) => fresh?,
    };
    let value = plan.prediction.bottleneck.as_secs_f64();
    // So many chains are no faster than so many times the fastest.
    let most_per_s = bound::most_per_s(instance, throughput(&plan), stop).min(most as f64 / fastest);
    let floor = bound_of_all(problem, instance).max(1.0 / most_per_s);
    plan.proof = Some(Proof { objective: Objective::Throughput, value, bound: floor.min(value) });
    Some(plan)
}

/// The best plan made from nothing.
fn fresh(
    problem: &Problem<'_>,
    instance: &Instance,
    single: &Chain,
    most: usize,
    seed: u64,
    stop: Stop<'_>,
) -> Option<Plan> {
    let alone = shares(problem, std::slice::from_ref(&instance.placement(single)));
    let shared_air = problem.cluster.paths.iter().flatten().flatten().any(|path| path.air.is_some());
    let nothing = vec![None; instance.nodes.len()];
    let flowing = || flowing(problem, instance, &search(instance, &nothing, single, ROUNDS, seed, stop), most);
    let several = if shared_air { None } else { flowing() };
    let few = shared_air || several.as_ref().is_some_and(|plan| plan.chains.len() >= most);
    let extracted = if few { extraction::packed(problem, instance, single, most, stop) } else { None };
    [alone, several, extracted].into_iter().flatten().reduce(|a, b| if throughput(&b) > throughput(&a) { b } else { a })
}

/// The plan of what flows, in at most so many chains.
fn flowing(problem: &Problem<'_>, instance: &Instance, growth: &Growth<'_>, most: usize) -> Option<Plan> {
    let ways = growth.flow.clone().ways(instance, &growth.holding, WORTH);
    let mut ways: Vec<(Placement, f64)> =
        ways.into_iter().map(|(chain, share)| (instance.placement(&chain), share)).collect();
    if ways.len() <= most {
        return Plan::evaluate_chains(problem, &ways).ok();
    }
    ways.truncate(most);
    let chains: Vec<Placement> = ways.into_iter().map(|(chain, _)| chain).collect();
    shares(problem, &chains)
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

fn throughput(plan: &Plan) -> f64 {
    plan.prediction.throughput_per_s()
}

/// The chains of the plan in force that still hold, and what the other nodes can do beside them.
fn keeping(
    problem: &Problem<'_>,
    instance: &Instance,
    current: &Plan,
    single: &Chain,
    most: usize,
    stop: Stop<'_>,
) -> Option<Plan> {
    let holds = |placement: &Placement| Plan::evaluate(problem, placement).is_ok();
    let chains: Vec<Placement> =
        current.placements().into_iter().map(|(placement, _)| placement).filter(holds).collect();
    if chains.is_empty() {
        return None;
    }
    let held = |node: &usize| chains.iter().flatten().find(|(other, _)| other == node).map(|(_, segment)| *segment);
    let kept: Holding = instance.nodes.iter().map(held).collect();
    let more = search(instance, &kept, single, 0, 0, stop);
    let plans = [shares(problem, &chains), flowing(problem, instance, &more, most)];
    plans.into_iter().flatten().reduce(|a, b| if throughput(&b) > throughput(&a) { b } else { a })
}

/// The plan of these chains in which each has the share that makes the throughput highest; those that add nothing
/// are left out.
fn shares(problem: &Problem<'_>, chains: &[Placement]) -> Option<Plan> {
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
