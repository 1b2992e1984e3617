//! Random legal cuts on random distinct nodes: the baseline that every other strategy must beat.

use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use super::{Chain, Instance, Objective, Solution, Stop, Strategy, Unplaced, bound, sustains};
use crate::profile::Segment;

/// How often a plan is attempted. Segments may be as short as chance will have it at first and must be
/// ever longer later, so that a model that needs the whole cluster is placed in the end.
const ATTEMPTS: usize = 1000;

/// See the module's documentation.
#[derive(Debug, Clone, Copy)]
pub struct Random;

impl Strategy for Random {
    fn place(
        &self,
        instance: &Instance,
        objective: Objective,
        seed: u64,
        stop: Stop<'_>,
    ) -> Result<Solution, Unplaced> {
        let mut random = Pcg64::seed_from_u64(seed);
        (0..ATTEMPTS)
            .take_while(|_| !stop())
            .filter_map(|attempt| place(instance, &mut random, attempt))
            .map(|chain| Solution {
                value: instance.value(objective, &chain),
                bound: bound(instance, objective),
                chain,
            })
            .find(|found| found.value.is_finite() && sustains(instance, objective, &found.chain))
            .ok_or(Unplaced { proven: false })
    }
}

fn place(instance: &Instance, random: &mut Pcg64, attempt: usize) -> Option<Chain> {
    let mut unused: Vec<usize> = (0..instance.nodes.len()).collect();
    let mut chain = Vec::new();
    let (mut from, mut before) = (0, instance.dispatcher());
    while from < instance.end {
        let fitting: Vec<usize> = (0..unused.len())
            .filter(|i| {
                instance.fits(unused[*i], from) > from && instance.transfer(before, unused[*i], from).is_finite()
            })
            .collect();
        let node = unused.swap_remove(*fitting.get(below(random, fitting.len()))?);
        let furthest = instance.fits(node, from);
        let least = from + 1 + (furthest - from - 1) * attempt / ATTEMPTS;
        let to = least + below(random, furthest - least + 1);
        chain.push((node, Segment { from, to }));
        (from, before) = (to, node);
    }
    Some(chain)
}

/// A number below `bound`, each with the same probability but for 2^-64; 0 if there is none.
fn below(random: &mut Pcg64, bound: usize) -> usize {
    ((u128::from(random.next_u64()) * bound as u128) >> 64) as usize
}
