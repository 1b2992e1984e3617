//! The stage that delays: a constant, and jitter around it.

use std::borrow::Cow;
use std::time::Duration;

use node::clock::Instant;

use super::dice::Dice;
use crate::fabric::distribution;
use crate::scenario::network::Shape;

/// A delay with its variation. Jitter doesn't change the order of packets: one that would overtake waits for the
/// one before it, as on a real link (and as in netem when it has a rate).
///
/// Jitter is correlated by way of the normal distribution: zₙ = ρ zₙ₋₁ + √(1 − ρ²) ε, and the delay is the quantile at Φ(zₙ). So it has
/// its distribution whatever the correlation ρ is, which is exactly that of normal delays and nearly that of others.
#[derive(Debug, Clone)]
pub struct Delay {
    dice: Dice,
    delay: Duration,
    jitter: Duration,
    correlation: f64,
    table: Cow<'static, [i16]>,
    /// zₙ of the packet before, if that had one.
    deviations: Option<f64>,
    latest: Instant,
}

impl Delay {
    /// Delays as `shape` says.
    pub fn new(dice: Dice, shape: &Shape) -> Delay {
        Delay {
            dice,
            delay: shape.delay,
            jitter: shape.jitter,
            correlation: shape.jitter_correlation,
            table: distribution::table(&shape.distribution),
            deviations: None,
            latest: Instant(0),
        }
    }

    /// Goes on with other values. Packets that come now may overtake those under way if the delay shrinks,
    /// as when a route changes.
    pub fn set(&mut self, shape: &Shape) {
        let Delay { dice, deviations, .. } = self.clone();
        *self = Delay { deviations, ..Delay::new(dice, shape) };
    }

    /// Whether packets are delayed differently.
    pub fn varies(&self) -> bool {
        !self.jitter.is_zero()
    }

    /// Draws how much longer than the constant the next packet takes, in nanoseconds; may be negative.
    pub fn draw(&mut self) -> f64 {
        if self.jitter.is_zero() {
            return 0.0;
        }
        let entry = self.draw_entry();
        let times = f64::from(self.table[entry]) / distribution::SCALE;
        times * self.jitter.as_nanos() as f64
    }

    fn draw_entry(&mut self) -> usize {
        if self.correlation <= 0.0 {
            return self.dice.number() as usize % self.table.len();
        }
        let fresh = self.dice.normal();
        let deviations = self.deviations.map_or(fresh, |last| {
            self.correlation * last + (1.0 - self.correlation * self.correlation).max(0.0).sqrt() * fresh
        });
        self.deviations = Some(deviations);
        let entry = distribution::normal_below(deviations) * self.table.len() as f64;
        (entry as usize).min(self.table.len() - 1)
    }

    /// When a packet arrives whose transmission ended at `through`, `more` being what was drawn for it.
    pub fn arrival(&mut self, through: Instant, more: f64) -> Instant {
        let delay = self.delay.as_nanos() as f64 + more;
        self.latest = self.latest.max(Instant(through.0.saturating_add(delay.max(0.0) as u64)));
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::network::{Direction, Distribution};

    fn moments(distribution: Distribution) -> (f64, f64, f64, f64) {
        let (delay, jitter) = (Duration::from_millis(50), Duration::from_millis(5));
        let shape = Shape { delay, jitter, distribution, ..Shape::default() };
        let mut stage = Delay::new(Dice::new(1, Direction { from: 0, to: 1 }, 0), &shape);
        let drawn: Vec<f64> = (0..200_000).map(|_| stage.draw() / 5e6).collect();
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        let variance = drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / drawn.len() as f64;
        let (least, most) = drawn.iter().fold((f64::MAX, f64::MIN), |(a, b), x| (a.min(*x), b.max(*x)));
        (mean, variance.sqrt(), least, most)
    }

    #[test]
    fn distributions_have_the_mean_and_spread_they_promise() {
        let (mean, deviation, least, most) = moments(Distribution::Uniform);
        assert!(mean.abs() < 0.01 && (deviation - 1.0 / 3f64.sqrt()).abs() < 0.01 && least >= -1.0 && most <= 1.0);
        let (mean, deviation, least, most) = moments(Distribution::Normal);
        assert!(mean.abs() < 0.01 && (deviation - 1.0).abs() < 0.01 && least >= -4.0 && most <= 4.0);
        // The table's end at 4 takes a little off the mean of 0 and the deviation of 1.15.
        let (mean, deviation, least, most) = moments(Distribution::Pareto);
        assert!((-0.05..0.0).contains(&mean) && (0.8..1.0).contains(&deviation), "{mean} {deviation}");
        assert!(least >= -0.667 && most <= 4.0);
    }

    #[test]
    fn jitter_keeps_the_order() {
        let millis = Duration::from_millis(2);
        let shape = Shape { delay: millis, jitter: millis, ..Shape::default() };
        let mut stage = Delay::new(Dice::new(1, Direction { from: 0, to: 1 }, 0), &shape);
        let arrivals: Vec<Instant> = (0..1000)
            .map(|n| {
                let more = stage.draw();
                stage.arrival(Instant(n * 100_000), more)
            })
            .collect();
        assert!(arrivals.is_sorted());
        assert!(arrivals.iter().enumerate().all(|(n, at)| at.0 >= n as u64 * 100_000));
    }
}
