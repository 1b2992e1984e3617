//! Random legal cuts on random distinct nodes: the baseline that every other strategy must beat.

use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use super::instance::Instance;
use super::{PlanError, Problem, Strategy, check, no_placement};
use crate::plan::Plan;
use crate::profile::Segment;

/// How often a plan is attempted. Segments may be as short as chance will have it at first and must be
/// ever longer later, so that a model that needs the whole cluster is placed in the end.
const ATTEMPTS: usize = 1000;

/// See the module's documentation. The plan in force is not looked at.
#[derive(Debug, Clone, Copy)]
pub struct Random;

impl Strategy for Random {
    fn plan(&self, problem: &Problem<'_>, seed: u64) -> Result<Plan, PlanError> {
        let available = check(problem)?;
        let instance = Instance::new(problem, &available);
        let mut random = Pcg64::seed_from_u64(seed);
        (0..ATTEMPTS)
            .filter_map(|attempt| place(&instance, &mut random, attempt))
            .find_map(|placement| Plan::evaluate(problem, &placement).ok())
            .ok_or_else(|| no_placement(problem, &available))
    }
}

fn place(instance: &Instance, random: &mut Pcg64, attempt: usize) -> Option<Vec<(usize, Segment)>> {
    let mut unused: Vec<usize> = (0..instance.nodes.len()).collect();
    let mut placement = Vec::new();
    let (mut from, mut before) = (0, instance.dispatcher());
    while from < instance.end {
        let reach = |node: usize| instance.reach(node, from, f64::INFINITY);
        let fitting: Vec<usize> = (0..unused.len())
            .filter(|i| reach(unused[*i]) > from && instance.transfer(before, unused[*i], from).is_finite())
            .collect();
        let node = unused.swap_remove(*fitting.get(below(random, fitting.len()))?);
        let least = from + 1 + (reach(node) - from - 1) * attempt / ATTEMPTS;
        let to = least + below(random, reach(node) - least + 1);
        placement.push((instance.nodes[node], Segment { from, to }));
        (from, before) = (to, node);
    }
    Some(placement)
}

/// A number below `bound`, each with the same probability but for 2^-64; 0 if there is none.
fn below(random: &mut Pcg64, bound: usize) -> usize {
    ((u128::from(random.next_u64()) * bound as u128) >> 64) as usize
}
