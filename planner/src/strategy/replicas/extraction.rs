//! Few chains, or such as share their airtime: chains are taken out of the cluster one after the other, for many
//! bounds on the bottleneck; what is left serves the chains with the highest throughput it can. Nodes left over
//! stand in for the one that limits.

use super::super::optimal::Optimal;
use super::super::{Chain, Instance, Objective, Problem, Stop, Strategy};
use super::{WORTH, shares, throughput};
use crate::plan::{Limit, Placement, Plan};

/// How often each bound on the bottleneck is longer than the one before.
const STEP: f64 = 1.25;
/// The longest bound, as a multiple of the shortest bottleneck there is.
const LONGEST: f64 = 12.0;

/// Chains for every bound on the bottleneck; the best plan of all.
pub fn packed(problem: &Problem<'_>, instance: &Instance, single: &Chain, most: usize, stop: Stop<'_>) -> Option<Plan> {
    let shortest = instance.value(Objective::Throughput, single).max(1e-9);
    let mut best = shares(problem, &[instance.placement(single)]);
    let mut longest = shortest;
    while longest <= shortest * LONGEST && !stop() {
        let chains = extract(instance, longest, most);
        let placements: Vec<Placement> = chains.iter().map(|chain| instance.placement(chain)).collect();
        let plan = shares(problem, &placements).map(|plan| with_stand_ins(problem, instance, plan, most));
        if plan.as_ref().map(throughput) > best.as_ref().map(throughput) {
            best = plan;
        }
        longest *= STEP;
    }
    best
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
                    let plan = shares(problem, &chains);
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
