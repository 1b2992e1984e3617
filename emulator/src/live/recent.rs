//! The last two minutes, second by second: results and their latencies, in buckets whose width is a share of the value.

use std::collections::VecDeque;
use std::time::Duration;

use crate::record::arithmetic::nearest_rank;

/// So many seconds are kept.
pub const KEPT: usize = 120;
/// Buckets for each doubling: what is read is at most 2.2 % from what was put in.
const PER_OCTAVE: f64 = 16.0;
/// What ends up in the first bucket.
const LEAST: f64 = 1e-4;
/// Twenty-one doublings: up to 200 s, and all that is longer.
const BUCKETS: usize = 21 * PER_OCTAVE as usize;

/// Seconds since load began, the latest [`KEPT`] of them.
#[derive(Debug, Clone, Default)]
pub struct Seconds {
    /// Number of the first that is kept.
    first: usize,
    kept: VecDeque<Second>,
}

/// One second.
#[derive(Debug, Clone, Default)]
pub struct Second {
    /// Results that arrived.
    pub completed: u64,
    /// How many in each bucket; empty until there is one.
    latencies: Vec<u32>,
}

impl Seconds {
    /// Time has come so far since load began.
    pub fn reach(&mut self, elapsed: Duration) {
        let number = elapsed.as_secs() as usize;
        if number >= self.first + 2 * KEPT {
            (self.first, self.kept) = (number - KEPT, VecDeque::new());
        }
        while self.first + self.kept.len() <= number {
            self.kept.push_back(Second::default());
            if self.kept.len() > KEPT {
                self.kept.pop_front();
                self.first += 1;
            }
        }
    }

    /// A result arrived at this time since load began, after so long.
    pub fn completed(&mut self, elapsed: Duration, latency: Duration) {
        self.reach(elapsed);
        let place = (elapsed.as_secs() as usize).checked_sub(self.first);
        if let Some(second) = place.and_then(|place| self.kept.get_mut(place)) {
            second.completed += 1;
            second.latencies.resize(BUCKETS, 0);
            second.latencies[bucket(latency)] += 1;
        }
    }

    /// Results of each whole second, the oldest first.
    pub fn completions(&self) -> impl DoubleEndedIterator<Item = u64> + ExactSizeIterator + '_ {
        self.kept.iter().take(self.kept.len().saturating_sub(1)).map(|second| second.completed)
    }

    /// A share of each whole second's latencies that is not above the value, in seconds; `None` without results.
    pub fn percentiles(&self, share: f64) -> impl DoubleEndedIterator<Item = Option<f64>> + ExactSizeIterator + '_ {
        let whole = self.kept.iter().take(self.kept.len().saturating_sub(1));
        whole.map(move |second| percentile(std::slice::from_ref(second), share))
    }

    /// The same of the last few seconds together, the current one included.
    pub fn percentile_of_late(&self, seconds: usize, share: f64) -> Option<f64> {
        let (older, newer) = self.kept.as_slices();
        let all: Vec<&Second> = older.iter().chain(newer).rev().take(seconds).collect();
        percentile(all, share)
    }
}

fn percentile<'a>(seconds: impl IntoIterator<Item = &'a Second>, share: f64) -> Option<f64> {
    let (mut sum, mut total) = (vec![0_u64; BUCKETS], 0_u64);
    for second in seconds {
        for (count, more) in sum.iter_mut().zip(&second.latencies) {
            *count += u64::from(*more);
            total += u64::from(*more);
        }
    }
    let rank = nearest_rank(share, total as usize) as u64;
    let mut below = 0;
    let found = sum.iter().position(|count| {
        below += count;
        below >= rank
    })?;
    // The middle of the bucket, on the scale on which all are equally wide.
    Some(LEAST * ((found as f64 + 0.5) / PER_OCTAVE).exp2())
}

fn bucket(latency: Duration) -> usize {
    let octaves = (latency.as_secs_f64() / LEAST).log2();
    // Nothing is minus infinity, which ends up in the first one.
    ((octaves * PER_OCTAVE).max(0.0) as usize).min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_percentile_is_near_the_value_that_has_its_rank(
            mut nanos in proptest::collection::vec(100_000_u64..100_000_000_000, 1..200),
            share in 0.0..=1.0_f64,
        ) {
            let mut seconds = Seconds::default();
            for latency in &nanos {
                seconds.completed(Duration::ZERO, Duration::from_nanos(*latency));
            }
            nanos.sort_unstable();
            let rank = ((share * nanos.len() as f64).ceil() as usize).max(1);
            let exact = nanos[rank - 1] as f64 / 1e9;
            let read = seconds.percentile_of_late(1, share).unwrap();
            prop_assert!((read / exact - 1.0).abs() < 0.0222, "{read} for {exact}");
        }

        #[test]
        fn only_the_latest_seconds_are_kept_whatever_the_order(times in proptest::collection::vec(0_u64..2000, 1..50)) {
            let mut seconds = Seconds::default();
            for time in &times {
                seconds.completed(Duration::from_secs(*time), Duration::ZERO);
            }
            let last = *times.iter().max().unwrap();
            seconds.reach(Duration::from_secs(last + 1));
            let kept = seconds.completions().len();
            prop_assert!(kept < KEPT);
            prop_assert_eq!(seconds.completions().next_back().map(|count| count > 0), Some(true));
            prop_assert_eq!(seconds.percentiles(0.5).len(), kept);
        }
    }
}
