//! The best stages for all nodes together: grown from nothing for many rates, then improved by large neighbourhoods
//! (Shaw, CP 1998): some nodes are emptied, and what they could hold is grown anew.

use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use super::super::{Chain, Instance, Objective, Stop};
use super::flow::Holding;
use super::growth::Growth;

/// How much narrower the ways of each first growth are than those of the one before.
const STEP: f64 = 1.2;
/// How many there are.
const STARTS: usize = 14;
/// How often some nodes are emptied, where a plan is made from nothing.
pub const ROUNDS: u32 = 160;
/// What an intermediate state may be worse than the best at first, as a part of it.
const SLACK: f64 = 0.03;

/// Nodes that begin with `kept`, which stays, and hold as much beside it as is found to help.
pub fn search<'a>(
    instance: &'a Instance,
    kept: &Holding,
    single: &Chain,
    rounds: u32,
    seed: u64,
    stop: Stop<'_>,
) -> Growth<'a> {
    let mut dice = Dice(Pcg64::seed_from_u64(seed));
    let widest = 1.0 / instance.value(Objective::Throughput, single).max(1e-9);
    let speeds = speeds(instance);
    let mut best = Growth::of(instance, kept.clone());
    let alone = single.iter().all(|(node, _)| kept[*node].is_none());
    if alone {
        let mut holding = kept.clone();
        single.iter().for_each(|(node, segment)| holding[*node] = Some(*segment));
        best = better(best, Growth::of(instance, holding));
    }
    let mut wanted = widest;
    for _ in 0..STARTS {
        if stop() {
            return best;
        }
        best = better(best, Growth::of(instance, kept.clone()).grown(wanted, &speeds, stop));
        wanted /= STEP;
    }
    let mut current = best.clone();
    for round in 0..rounds {
        if stop() {
            break;
        }
        let mut holding = current.holding.clone();
        empty(instance, &current, &mut holding, &mut dice);
        for (own, kept) in holding.iter_mut().zip(kept) {
            *own = kept.or(*own);
        }
        let prices: Vec<f64> = speeds.iter().map(|speed| speed * (0.7 + 0.6 * dice.share())).collect();
        let wanted = widest / STEP.powf(dice.share() * STARTS as f64);
        let next = Growth::of(instance, holding).grown(wanted, &prices, stop);
        let slack = SLACK * (1.0 - f64::from(round) / f64::from(rounds));
        if next.total() >= current.total() * (1.0 - 1e-9) || next.total() > best.total() * (1.0 - slack) {
            current = next;
        }
        if current.total() > best.total() * (1.0 + 1e-9) {
            best = current.clone();
        }
    }
    best
}

fn better<'a>(one: Growth<'a>, other: Growth<'a>) -> Growth<'a> {
    if other.total() > one.total() { other } else { one }
}

/// How fast each node is beside the mean: what it is worth.
fn speeds(instance: &Instance) -> Vec<f64> {
    let whole = crate::profile::Segment { from: 0, to: instance.end };
    let times: Vec<f64> = (0..instance.nodes.len()).map(|node| instance.compute(node, whole)).collect();
    let mean = times.iter().sum::<f64>() / times.len().max(1) as f64;
    times.into_iter().map(|time| if time > 0.0 { (mean / time).clamp(0.1, 10.0) } else { 1.0 }).collect()
}

/// Takes what some nodes hold from them: any, those that are busy least, those with one segment, or those around one.
fn empty(instance: &Instance, current: &Growth<'_>, holding: &mut Holding, dice: &mut Dice) {
    let mut held: Vec<usize> = (0..holding.len()).filter(|node| holding[*node].is_some()).collect();
    let Some(centre) = held.get(dice.below(held.len())).copied() else { return };
    let most = 2 + dice.below((held.len() / 2).clamp(1, 12));
    match dice.below(4) {
        0 => {
            for place in 0..held.len() {
                let other = place + dice.below(held.len() - place);
                held.swap(place, other);
            }
        }
        1 => {
            let order: Vec<f64> = (0..holding.len()).map(|node| current.busy(node) + 0.3 * dice.share()).collect();
            held.sort_by(|a, b| order[*a].total_cmp(&order[*b]));
        }
        2 => {
            let segment = holding[centre];
            held.sort_by_key(|node| holding[*node] != segment);
            held.truncate(held.iter().filter(|node| holding[**node] == segment).count().max(2));
        }
        _ => {
            let sent = &current.flow.sent;
            let shared = |node: usize| -(sent[centre][node] + sent[node][centre]);
            held.sort_by(|a, b| {
                (*a != centre, shared(*a)).partial_cmp(&(*b != centre, shared(*b))).unwrap_or(std::cmp::Ordering::Equal)
            });
        }
    }
    held.iter().take(most.min(instance.nodes.len())).for_each(|node| holding[*node] = None);
}

struct Dice(Pcg64);

impl Dice {
    /// Below `bound`; 0 if there is none.
    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.0.next_u64()) * bound as u128) >> 64) as usize
    }

    /// Between 0 and 1.
    fn share(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}
