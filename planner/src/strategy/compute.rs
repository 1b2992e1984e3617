//! Cuts by computing time alone, as Jupiter's mapper places tasks by what they compute: a dynamic programme over cuts
//! and the nodes in the order of their speed, which ignores what is sent between them.

use super::{Chain, Instance, Objective, Solution, Stop, Strategy, Unplaced, bound, sustains};
use crate::profile::Segment;

/// See the module's documentation. The seed is not used.
#[derive(Debug, Clone, Copy)]
pub struct Compute;

impl Strategy for Compute {
    fn place(
        &self,
        instance: &Instance,
        objective: Objective,
        _seed: u64,
        _stop: Stop<'_>,
    ) -> Result<Solution, Unplaced> {
        let (end, nodes) = (instance.end, instance.nodes.len());
        // A node is left out if that is no worse: so the order is that of speed, and any part of it may be used.
        let whole = Segment { from: 0, to: end };
        let mut order: Vec<usize> = (0..nodes).collect();
        order.sort_by(|a, b| instance.compute(*a, whole).total_cmp(&instance.compute(*b, whole)).then(a.cmp(b)));
        // `longest[cut]`: the shortest bottleneck with which the nodes so far hold everything before the cut.
        let mut longest = vec![f64::INFINITY; end + 1];
        longest[0] = 0.0;
        let mut choices: Vec<Vec<Option<usize>>> = Vec::with_capacity(nodes);
        for node in &order {
            let mut next = longest.clone();
            let mut choice = vec![None; end + 1];
            for from in (0..end).filter(|from| longest[*from].is_finite()) {
                for to in from + 1..=instance.fits(*node, from) {
                    let time = longest[from].max(instance.compute(*node, Segment { from, to }));
                    if time < next[to] {
                        (next[to], choice[to]) = (time, Some(from));
                    }
                }
            }
            longest = next;
            choices.push(choice);
        }
        let mut chain: Chain = Vec::new();
        let mut to = end;
        for (node, choice) in order.iter().zip(&choices).rev() {
            if let Some(from) = choice[to] {
                chain.push((*node, Segment { from, to }));
                to = from;
            }
        }
        chain.reverse();
        let value = instance.value(objective, &chain);
        if to > 0 || !value.is_finite() || !sustains(instance, objective, &chain) {
            return Err(Unplaced { proven: false });
        }
        Ok(Solution { value, bound: bound(instance, objective), chain })
    }
}
