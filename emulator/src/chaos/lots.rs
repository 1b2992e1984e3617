//! Lots: the same for the same seed, on every machine.

use std::time::Duration;

use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

/// Keeps these lots apart from whatever else is drawn from a scenario's seed.
const OWN: u64 = 0x5EED_C4A0_5000_0001;

/// Draws.
#[derive(Debug)]
pub struct Lots(Pcg64);

impl Lots {
    pub fn new(seed: u64) -> Lots {
        Lots(Pcg64::seed_from_u64(seed ^ OWN))
    }

    /// From zero until just below `bound`, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(bound.max(1))) >> 64) as u64
    }

    /// From `least` to `most`.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most.saturating_sub(least) + 1)
    }

    /// A time from one to another, in whole milliseconds.
    pub fn time(&mut self, least: Duration, most: Duration) -> Duration {
        Duration::from_millis(self.between(least.as_millis() as u64, most.as_millis() as u64))
    }

    /// A gap between events that come at random, so many per second on average; a millisecond at least.
    pub fn gap(&mut self, per_second: f64) -> Duration {
        // Never zero, so that its logarithm is a number.
        let uniform = (self.below(1 << 53) + 1) as f64 / (1u64 << 53) as f64;
        let millis = (-uniform.ln() / per_second * 1e3).clamp(1.0, 1e9);
        Duration::from_millis(millis as u64)
    }

    /// One of some; `None` if there is none.
    pub fn one<T: Clone>(&mut self, pool: &[T]) -> Option<T> {
        pool.get(self.below(pool.len() as u64) as usize).cloned()
    }

    /// The index of one of some weights; `None` if all are zero.
    pub fn weighted(&mut self, weights: impl Iterator<Item = u64> + Clone) -> Option<usize> {
        let sum: u64 = weights.clone().sum();
        let mut left = self.below(sum);
        weights.clone().position(|weight| {
            let hit = left < weight;
            left = left.saturating_sub(weight);
            hit
        })
    }
}
