//! Which requests are offered when.

use std::thread;
use std::time::Duration;

use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use super::Shared;
use crate::clock::Instant;
use crate::config::{Arrival, Load};

/// When the requests of an open load are due, from its start: first, second, … Absolute, so that a late
/// request delays no other. Evenly: the k-th after k / rate; Poisson: gaps are −ln(u) / rate, u uniform in (0, 1].
pub fn schedule(rate_per_s: f64, arrival: Arrival, seed: u64) -> impl Iterator<Item = Duration> {
    let rate = if rate_per_s > 0.0 { rate_per_s } else { f64::MIN_POSITIVE };
    let mut random = Pcg64::seed_from_u64(seed);
    let mut at = 0.0;
    (0u64..).map(move |request| {
        match arrival {
            Arrival::Constant => at = request as f64 / rate,
            Arrival::Poisson => {
                let uniform = ((random.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64;
                at -= uniform.ln() / rate;
            }
        }
        Duration::try_from_secs_f64(at).unwrap_or(Duration::MAX)
    })
}

/// Offers what is due without an answer: of a closed load as many as are to be under way, at once; of an open one each request at
/// its instant, up to the one at which the desk closes. Whoever closes it unparks this thread.
pub fn keep(shared: &Shared, start: Instant) {
    let (rate_per_s, arrival) = match shared.config.load {
        Load::Closed { concurrency } => return (0..concurrency).for_each(|_| shared.offer(start)),
        Load::Open { rate_per_s, arrival } => (rate_per_s, arrival),
    };
    for offset in schedule(rate_per_s, arrival, shared.config.seed) {
        let due = start + offset;
        loop {
            if shared.desk.closed().is_some_and(|closed| due > closed) {
                return;
            }
            let left = due.since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::park_timeout(left);
        }
        shared.offer(due);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_keep_their_rate_and_repeat_with_their_seed() {
        let even: Vec<Duration> = schedule(200.0, Arrival::Constant, 1).take(3).collect();
        assert_eq!(even, [0, 5, 10].map(Duration::from_millis));
        let poisson = |seed| schedule(200.0, Arrival::Poisson, seed).take(20_000).collect::<Vec<_>>();
        let (once, again, other) = (poisson(1), poisson(1), poisson(2));
        assert_eq!(once, again);
        assert_ne!(once, other);
        assert!(once.is_sorted());
        // The mean of 20,000 gaps has a standard error of 0.7 %.
        assert!((once[19_999].as_secs_f64() / 100.0 - 1.0).abs() < 0.03);
        let mut gaps: Vec<Duration> = once.windows(2).map(|pair| pair[1] - pair[0]).collect();
        gaps.sort();
        let median = gaps[gaps.len() / 2].as_secs_f64() * 200.0;
        assert!((median - std::f64::consts::LN_2).abs() < 0.03, "exponential gaps: {median}");
    }
}
