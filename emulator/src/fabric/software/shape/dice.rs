//! Chance, repeatable: every stage of every direction has a generator of its own.

use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use crate::scenario::network::Direction;

/// A seeded generator. Because each stage has its own, what one stage draws doesn't depend on whether
/// another stage is in use: a link loses the same packets with and without jitter.
#[derive(Debug, Clone)]
pub struct Dice(Pcg64);

impl Dice {
    /// The generator of one stage (numbered as the caller likes) of one direction in a run with this seed.
    pub fn new(seed: u64, direction: Direction, stage: u64) -> Dice {
        // Mixing one after the other keeps (1, 2) and (2, 1) apart.
        let mixed =
            [direction.from as u64, direction.to as u64, stage].into_iter().fold(mix(seed), |sum, n| mix(sum ^ n));
        Dice(Pcg64::seed_from_u64(mixed))
    }

    /// Evenly distributed in 0 ≤ x < 1.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with this probability, drawing only if there is something to decide.
    pub fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.unit() < probability
    }

    /// Normally distributed, with mean 0 and deviation 1 (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let (radius, angle) = (1.0 - self.unit(), self.unit());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }

    /// Any number.
    pub fn number(&mut self) -> u32 {
        self.0.next_u32()
    }
}

/// SplitMix64's finaliser (Steele, Lea and Flood 2014): neighbouring numbers end up far apart.
fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}
