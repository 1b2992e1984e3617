//! The decision, from numbers alone: have pairs of runs become slower, and could they have told?
//!
//! Each pair is a run before and a run after, and counts as the logarithm of the ratio of their throughputs. Two things are asked of all
//! pairs together, never of one point: the **level**, a ratio that all have in common, and the **shape**, how the ratio changes along
//! the curve, told as the change from its least to its greatest value. Either fails if the change is improbable by chance and
//! larger than the tolerance. What could have been overlooked is asked of the noise that was seen.

use std::cell::LazyCell;

use rand_core::Rng;
use rand_pcg::Pcg64Mcg;
use serde::Serialize;

use super::ranks::{FAR, PART, as_low, balance, level, passes};

/// Gates drawn from the observed noise, to find which change they detect.
const DRAWS: usize = 200;
/// The share of them that must detect it.
pub const POWER: f64 = 0.9;
/// Halvings when a change or a bound is looked for.
const HALVINGS: usize = 24;

/// What a gate is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Limits {
    /// A loss up to this is let pass, as a share: 0.05.
    pub tolerance: f64,
    /// A loss of this share must not be overlooked; a gate that would have, says so.
    pub detect: f64,
    /// The probability of an alarm if nothing has changed, of the whole gate.
    pub alpha: f64,
}

/// A run before and one after.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// The logarithm of the ratio of their throughputs: negative is slower.
    pub log: f64,
    /// The logarithm of what varies along the curve, and which curve it is, where there are several; `None` without one.
    pub place: Option<(usize, f64)>,
}

/// What pairs tell of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// Slower, beyond tolerance and chance.
    Slower,
    /// Faster, beyond tolerance and chance.
    Faster,
    /// No loss beyond tolerance and chance, and one as large as asked for would have been seen.
    Held,
    /// Pairs are too few or too noisy to see a loss as large as asked for.
    Open,
}

/// The level or the shape.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The change: −0.15 is a loss of 15 %.
    pub change: f64,
    /// Where it is but for a probability of `alpha` on either side; `None`: too few pairs for any.
    pub between: Option<(f64, f64)>,
    /// The probability of a loss like this if nothing had changed.
    pub p: f64,
    /// The most that this may be to count.
    pub alpha: f64,
    /// The loss that so many pairs with such noise detect nine times of ten; `None`: none.
    pub detectable: Option<f64>,
    /// What that tells.
    pub told: Told,
}

/// What all pairs tell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judgement {
    /// Number of pairs.
    pub pairs: usize,
    /// How far pairs are from what is common to them: the median, as a share, times 1.48 (the standard deviation, were it a normal one).
    pub noise: f64,
    /// The ratio that all have in common.
    pub level: Finding,
    /// How it changes from one end of the curve to the other; `None`: there is no curve.
    pub shape: Option<Finding>,
    /// Of both.
    pub told: Told,
}

impl Judgement {
    /// Judges pairs.
    pub fn of(pairs: &[Pair], limits: Limits) -> Judgement {
        let Questions { level, shape, alpha } = Questions::of(pairs, limits.alpha);
        let logs: Vec<f64> = pairs.iter().map(|pair| pair.log).collect();
        // What neither of the two explains.
        let slope = shape.as_ref().map_or(0.0, |shape| shape.estimate(&logs));
        let flat: Vec<f64> = match &shape {
            Some(shape) => shape.without(&logs, slope),
            None => logs.clone(),
        };
        let common = self::level(&flat);
        let explained = if shape.is_some() { 2 } else { 1 };
        let left: Vec<f64> = flat.iter().map(|log| log - common).collect();
        let mut sizes: Vec<f64> = left.iter().map(|log| log.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        let noise = 1.4826 * sizes.get(sizes.len() / 2).copied().unwrap_or(0.0);
        // As few as they are, they look a little less spread than they are.
        let widened = (pairs.len() as f64 / pairs.len().saturating_sub(explained).max(1) as f64).sqrt();
        let noises: Vec<f64> = left.iter().map(|log| log * widened).collect();
        let find = |question: &Question| question.find(&logs, &noises, alpha, limits);
        let (level, shape) = (find(&level), shape.as_ref().map(find));
        let all = || std::iter::once(level.told).chain(shape.as_ref().map(|shape| shape.told));
        let told = [Told::Slower, Told::Open].into_iter().find(|worst| all().any(|told| told == *worst));
        let told = told.unwrap_or(level.told);
        Judgement { pairs: pairs.len(), noise: noise.exp_m1(), level, shape, told }
    }
}

/// Whether pairs are a regression, and nothing besides: what [`Judgement::of`] says of it, without what takes time.
pub fn slower(pairs: &[Pair], limits: Limits) -> bool {
    let Questions { level, shape, alpha } = Questions::of(pairs, limits.alpha);
    let logs: Vec<f64> = pairs.iter().map(|pair| pair.log).collect();
    std::iter::once(level).chain(shape).any(|question| question.slower(&logs, alpha, limits.tolerance))
}

/// What is asked of the pairs; each question may err with `alpha`.
struct Questions {
    level: Question,
    shape: Option<Question>,
    alpha: f64,
}

impl Questions {
    fn of(pairs: &[Pair], alpha: f64) -> Questions {
        let level = Question { says: vec![1.0; pairs.len()], centred: false };
        let shape = slant(pairs).map(|says| Question { says, centred: true });
        // Two questions, each of which may err, err together at most as often as both.
        let alpha = if shape.is_some() { alpha / 2.0 } else { alpha };
        Questions { level, shape, alpha }
    }
}

/// Where each pair is on its curve, from its middle, so that the longest curve is 1 long; `None`: none has two places.
fn slant(pairs: &[Pair]) -> Option<Vec<f64>> {
    let on = |curve: usize| pairs.iter().filter_map(move |it| it.place.filter(|place| place.0 == curve)).map(|it| it.1);
    let length = |curve: usize| {
        let (low, high) =
            on(curve).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), at| (low.min(at), high.max(at)));
        high - low
    };
    let longest = pairs.iter().filter_map(|it| it.place).map(|(curve, _)| length(curve)).fold(0.0, f64::max);
    let middle = |curve: usize| on(curve).sum::<f64>() / on(curve).count() as f64;
    let part = |place: f64| (place / PART).round() * PART;
    let says = |pair: &Pair| pair.place.map_or(0.0, |(curve, at)| part((at - middle(curve)) / longest));
    (longest > 0.0).then(|| pairs.iter().map(says).collect())
}

/// Something that is looked for in the pairs.
struct Question {
    /// How much of it is in each pair.
    says: Vec<f64>,
    /// Whether a common level is taken away first.
    centred: bool,
}

impl Question {
    /// The pairs without so much of it.
    fn without(&self, logs: &[f64], change: f64) -> Vec<f64> {
        let mut left: Vec<f64> = logs.iter().zip(&self.says).map(|(log, says)| log - change * says).collect();
        if self.centred {
            let common = level(&left);
            left.iter_mut().for_each(|log| *log -= common);
        }
        left
    }

    /// How much of it there is.
    fn estimate(&self, logs: &[f64]) -> f64 {
        if self.centred { passes(|change| balance(&self.without(logs, change), &self.says)) } else { level(logs) }
    }

    /// The probability of this little, if there is `change`.
    fn as_low(&self, logs: &[f64], change: f64) -> f64 {
        as_low(&self.without(logs, change), &self.says)
    }

    /// Whether there is a loss beyond chance and tolerance. (The estimate is beyond the tolerance when, with that taken away, the balance
    /// still is on this side.)
    fn slower(&self, logs: &[f64], alpha: f64, tolerance: f64) -> bool {
        let tolerated = self.without(logs, (-tolerance).ln_1p());
        balance(&tolerated, &self.says) < 0.0 && self.as_low(logs, 0.0) <= alpha
    }

    fn find(&self, logs: &[f64], noises: &[f64], alpha: f64, limits: Limits) -> Finding {
        let mirrored: Vec<f64> = logs.iter().map(|log| -log).collect();
        // The greatest change for which as little as this is not improbable.
        let most = |logs: &[f64]| {
            let (mut low, mut high) = (-FAR, FAR);
            for _ in 0..2 * HALVINGS {
                let middle = f64::midpoint(low, high);
                if self.as_low(logs, middle) > alpha { low = middle } else { high = middle }
            }
            low
        };
        let (low, high) = (-most(&mirrored), most(logs));
        let between = (low > -FAR / 2.0 && high < FAR / 2.0).then(|| (low.exp_m1(), high.exp_m1()));
        let detectable = LazyCell::new(|| self.detectable(noises, alpha, limits.tolerance));
        let told = if self.slower(logs, alpha, limits.tolerance) {
            Told::Slower
        } else if detectable.is_none_or(|loss| loss > limits.detect) {
            Told::Open
        } else if self.slower(&mirrored, alpha, limits.tolerance) {
            Told::Faster
        } else {
            Told::Held
        };
        let (change, p) = (self.estimate(logs).exp_m1(), self.as_low(logs, 0.0));
        Finding { change, between, p, alpha, detectable: *detectable, told }
    }

    /// The loss that is found in [`POWER`] of all sets of pairs with noise like this. Noise is drawn from what was seen, with either sign;
    /// in each draw, a larger loss is found where a smaller one is.
    fn detectable(&self, noises: &[f64], alpha: f64, tolerance: f64) -> Option<f64> {
        let mut random = Pcg64Mcg::new(1);
        let mut draw = || {
            let index = (random.next_u64() % noises.len() as u64) as usize;
            if random.next_u64() >> 63 == 0 { noises[index] } else { -noises[index] }
        };
        if noises.is_empty() {
            return None;
        }
        let mut found: Vec<f64> = (0..DRAWS)
            .map(|_| {
                let drawn: Vec<f64> = noises.iter().map(|_| draw()).collect();
                let planted = |loss: f64| -> Vec<f64> {
                    let less = (-loss).ln_1p();
                    drawn.iter().zip(&self.says).map(|(noise, says)| noise + less * says).collect()
                };
                let (mut low, mut high) = (0.0, 1.0);
                for _ in 0..HALVINGS / 2 {
                    let middle = f64::midpoint(low, high);
                    if self.slower(&planted(middle), alpha, tolerance) { high = middle } else { low = middle }
                }
                high
            })
            .collect();
        found.sort_by(f64::total_cmp);
        let loss = found[(POWER * DRAWS as f64) as usize];
        (loss < 1.0).then_some(loss)
    }
}

#[cfg(test)]
mod tests;
