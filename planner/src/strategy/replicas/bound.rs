//! How many requests per second no plan exceeds, however many chains it has and whatever they share.
//!
//! Give each piece of the model a weight, all together 1; a piece may weigh less than nothing. Every request passes every piece
//! once, so its way weighs 1, and the sum over the nodes of (weight of its segment × requests it passes) is the
//! throughput. A node passes at most as many as it can compute, as all paths to it bring and as all paths from it
//! take. So the sum over the nodes of the best that each can do is more than any plan has, whatever the weights: they
//! are the dual of the linear programme that spreads every node over segments. Weights are improved by steps along
//! the subgradient, so long that they would reach a level between the best bound and the best plan (Polyak, 1969;
//! the level comes nearer where it isn't reached, as with Goffin and Kiwiel, Mathematical Programming 85, 1999).

use super::super::{Instance, Stop};
use super::flow::rate;
use crate::profile::Segment;

/// Steps along the subgradient.
const STEPS: usize = 400;
/// Steps without a better bound, after which the level comes nearer.
const PATIENCE: usize = 12;

/// Requests per second that no plan exceeds; `value` is what the best known has.
pub fn most_per_s(instance: &Instance, value: f64, stop: Stop<'_>) -> f64 {
    let passes = Passes::new(instance);
    // Where paths limit, pieces weigh the same at first; where computing alone does, what they compute is the answer.
    let equal = vec![1.0 / instance.end as f64; instance.end];
    let starts = [Some(equal), by_time(instance)];
    starts.into_iter().flatten().map(|weights| lowered(&passes, weights, value, stop)).fold(f64::INFINITY, f64::min)
}

/// The lowest bound on the way from these weights.
fn lowered(passes: &Passes<'_>, mut weights: Vec<f64>, value: f64, stop: Stop<'_>) -> f64 {
    let (mut best, mut best_weights) = (f64::INFINITY, weights.clone());
    let (mut level, mut waited) = (0.5, 0);
    for step in 0..STEPS {
        if step > 0 && stop() {
            break;
        }
        let (sum, slope) = passes.sum(&weights);
        waited = if sum < best * (1.0 - 1e-6) { 0 } else { waited + 1 };
        if sum < best {
            best = sum;
            best_weights.clone_from(&weights);
        }
        if waited > PATIENCE {
            (level, waited) = (level / 2.0, 0);
            weights.clone_from(&best_weights);
            continue;
        }
        // The weights stay 1 together, so only what differs from the mean counts.
        let mean = slope.iter().sum::<f64>() / slope.len() as f64;
        let steep: f64 = slope.iter().map(|slope| (slope - mean).powi(2)).sum();
        let gap = best - value;
        if steep <= 0.0 || !sum.is_finite() || gap <= value * 1e-6 || level < 1e-4 {
            break;
        }
        let pace = (sum - best + level * gap) / steep;
        weights.iter_mut().zip(&slope).for_each(|(weight, slope)| *weight -= pace * (slope - mean));
    }
    best
}

/// The part of the model's time that each piece takes; nothing where it takes none.
fn by_time(instance: &Instance) -> Option<Vec<f64>> {
    let time = |from: usize, to: usize| instance.compute(0, Segment { from, to });
    let whole = time(0, instance.end);
    (whole > 0.0 && whole.is_finite()).then(|| (0..instance.end).map(|piece| time(piece, piece + 1) / whole).collect())
}

/// How often each node passes requests through each segment at most.
struct Passes<'a> {
    instance: &'a Instance,
    /// `enter[node][cut]`: all that can come to it there; `leave` likewise.
    enter: Vec<Vec<f64>>,
    leave: Vec<Vec<f64>>,
}

impl Passes<'_> {
    fn new(instance: &Instance) -> Passes<'_> {
        let (nodes, end, dispatcher) = (instance.nodes.len(), instance.end, instance.dispatcher());
        let carries = |from: usize, to: usize, cut: usize| {
            let time = instance.transfer(from, to, cut);
            if time.is_finite() { rate(time) } else { 0.0 }
        };
        let others = |node: usize, outside: bool| {
            let inside = (0..nodes).filter(move |other| *other != node && !outside);
            inside.chain(outside.then_some(dispatcher))
        };
        let enter = |node: usize| {
            (0..=end).map(|cut| others(node, cut == 0).map(|other| carries(other, node, cut)).sum()).collect()
        };
        let leave = |node: usize| {
            (0..=end).map(|cut| others(node, cut == end).map(|other| carries(node, other, cut)).sum()).collect()
        };
        Passes { instance, enter: (0..nodes).map(enter).collect(), leave: (0..nodes).map(leave).collect() }
    }

    /// What the nodes do best together by these weights, and how that grows with each weight.
    fn sum(&self, weights: &[f64]) -> (f64, Vec<f64>) {
        let (instance, end) = (self.instance, weights.len());
        let mut before = vec![0.0; end + 1];
        for piece in 0..end {
            before[piece + 1] = before[piece] + weights[piece];
        }
        let (mut sum, mut slope) = (0.0, vec![0.0; end]);
        for (node, (enter, leave)) in self.enter.iter().zip(&self.leave).enumerate() {
            let (mut most, mut best) = (0.0, None);
            for from in 0..end {
                for to in from + 1..=instance.fits(node, from) {
                    let weight = before[to] - before[from];
                    let passed = enter[from].min(leave[to]);
                    if weight * passed <= most {
                        continue;
                    }
                    let passed = passed.min(rate(instance.compute(node, Segment { from, to })));
                    if weight * passed > most {
                        (most, best) = (weight * passed, Some((from, to, passed)));
                    }
                }
            }
            if let Some((from, to, passed)) = best {
                sum += most;
                slope[from..to].iter_mut().for_each(|slope| *slope += passed);
            }
        }
        (sum, slope)
    }
}
