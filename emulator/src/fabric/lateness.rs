//! How late packets left: whether the carrier kept up, to judge a result by.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets: below 1 ns, 2 ns, 4 ns, … 2^39 ns (nine minutes).
const BUCKETS: usize = 40;

/// How well the forwarding threads keep up.
pub struct Monitor {
    lateness: [AtomicU64; BUCKETS],
    strays: AtomicU64,
}

impl Monitor {
    pub(in crate::fabric) fn new() -> Monitor {
        Monitor { lateness: [const { AtomicU64::new(0) }; BUCKETS], strays: AtomicU64::new(0) }
    }

    /// Counts a departure that was so late.
    pub(in crate::fabric) fn late(&self, late: Duration) {
        let nanos = u64::try_from(late.as_nanos()).unwrap_or(u64::MAX);
        let bucket = (u64::BITS - nanos.leading_zeros()) as usize;
        self.lateness[bucket.min(BUCKETS - 1)].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a frame that was for nobody.
    pub(in crate::fabric) fn stray(&self) {
        self.strays.fetch_add(1, Ordering::Relaxed);
    }

    /// How late departures were so far.
    pub fn lateness(&self) -> Lateness {
        Lateness(std::array::from_fn(|bucket| self.lateness[bucket].load(Ordering::Relaxed)))
    }

    /// How many frames were for nobody on their link or medium, or couldn't be read.
    pub fn strays(&self) -> u64 {
        self.strays.load(Ordering::Relaxed)
    }
}

/// How many departures were how late, in buckets of powers of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lateness([u64; BUCKETS]);

impl Default for Lateness {
    fn default() -> Lateness {
        Lateness([0; BUCKETS])
    }
}

impl Lateness {
    /// Those that came since `earlier`.
    pub fn since(&self, earlier: &Lateness) -> Lateness {
        Lateness(std::array::from_fn(|bucket| self.0[bucket].saturating_sub(earlier.0[bucket])))
    }

    /// Both together.
    pub fn with(&self, other: &Lateness) -> Lateness {
        Lateness(std::array::from_fn(|bucket| self.0[bucket].saturating_add(other.0[bucket])))
    }

    /// The buckets that have any, by number: as they are written down.
    pub fn counts(&self) -> Vec<(u8, u64)> {
        (0..).zip(self.0).filter(|(_, count)| *count > 0).collect()
    }

    /// From what was written down; what no bucket is for is left out.
    pub fn of(counts: &[(u8, u64)]) -> Lateness {
        let mut lateness = Lateness::default();
        for (bucket, count) in counts {
            if let Some(place) = lateness.0.get_mut(usize::from(*bucket)) {
                *place = place.saturating_add(*count);
            }
        }
        lateness
    }

    /// The mean, as if all of a bucket were in its middle; zero if there were none.
    pub fn mean(&self) -> Duration {
        let nanos: f64 = self.buckets().map(|(time, count)| 0.75 * time.as_nanos() as f64 * count as f64).sum();
        Duration::from_nanos((nanos / self.total().max(1) as f64) as u64)
    }

    /// Each bucket that has any: what its departures were later than no more than, and how many there are.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        let counts = self.0.iter().enumerate().filter(|(_, count)| **count > 0);
        counts.map(|(bucket, count)| (Duration::from_nanos((1 << bucket) - 1), *count))
    }

    /// How many departures there were.
    pub fn total(&self) -> u64 {
        self.0.iter().copied().fold(0, u64::saturating_add)
    }

    /// [`Lateness::quantile`], as if all of a bucket were in its middle.
    pub fn typical(&self, share: f64) -> Duration {
        self.quantile(share).mul_f64(0.75)
    }

    /// A time within which this share of the departures left (at most twice the least such time); zero if there were none.
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = self.total() as f64 * share;
        let mut seen = 0;
        for (time, count) in self.buckets() {
            seen = u64::saturating_add(seen, count);
            if seen as f64 >= wanted {
                return time;
            }
        }
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_off_by_less_than_a_factor_of_two() {
        let monitor = Monitor::new();
        (1..=1000).for_each(|micros| monitor.late(Duration::from_micros(micros)));
        let lateness = monitor.lateness();
        assert_eq!(lateness.total(), 1000);
        for share in [0.5, 0.99] {
            let exact = Duration::from_micros((1000.0 * share) as u64);
            assert!((exact..exact * 2).contains(&lateness.quantile(share)), "{:?}", lateness.quantile(share));
        }
        monitor.late(Duration::MAX);
        assert_eq!(monitor.lateness().total(), 1001);
    }
}
