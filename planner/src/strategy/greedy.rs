//! SEIFER's joint greedy: the cuts with the smallest sum of transfers; from every start node, repeatedly the unused
//! neighbour with the most bandwidth; the best start wins (arXiv 2304.11941).
//!
//! Where nodes differ in memory, a neighbour must have enough for the next segment.

use super::cuts::least_sum;
use super::{Chain, Instance, Objective, Solution, Stop, Strategy, Unplaced, bound, sustains};
use crate::profile::Segment;

/// See the module's documentation. Neither seed nor objective guide the search; the objective chooses the start.
#[derive(Debug, Clone, Copy)]
pub struct Greedy;

impl Strategy for Greedy {
    fn place(
        &self,
        instance: &Instance,
        objective: Objective,
        _seed: u64,
        _stop: Stop<'_>,
    ) -> Result<Solution, Unplaced> {
        let ends = least_sum(instance).ok_or(Unplaced { proven: false })?;
        let chains = (0..instance.nodes.len()).filter_map(|start| from(instance, &ends, start));
        let solutions = chains
            .filter(|chain| sustains(instance, objective, chain))
            .map(|chain| Solution {
                value: instance.value(objective, &chain),
                bound: bound(instance, objective),
                chain,
            })
            .filter(|solution| solution.value.is_finite());
        solutions.min_by(|a, b| a.value.total_cmp(&b.value)).ok_or(Unplaced { proven: false })
    }
}

fn from(instance: &Instance, ends: &[usize], start: usize) -> Option<Chain> {
    let mut chain: Chain = Vec::with_capacity(ends.len());
    let mut from = 0;
    for to in ends {
        let node = match chain.last() {
            None => start,
            Some((before, _)) => (0..instance.nodes.len())
                .filter(|node| chain.iter().all(|(used, _)| used != node) && instance.fits(*node, from) >= *to)
                .max_by(|a, b| instance.bandwidth(*before, *a).total_cmp(&instance.bandwidth(*before, *b)))?,
        };
        if instance.fits(node, from) < *to {
            return None;
        }
        chain.push((node, Segment { from, to: *to }));
        from = *to;
    }
    Some(chain)
}
