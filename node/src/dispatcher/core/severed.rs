//! Which pairs of nodes nothing arrives between, and for how long that is believed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::clock::Instant;

/// For how long a pair is avoided the first time.
const FIRST: Duration = Duration::from_secs(5);
/// For how long a pair is avoided at most.
const MOST: Duration = Duration::from_secs(80);
/// A pair is tried again after this, if no plan exists without it.
const FORGIVABLE: Duration = Duration::from_secs(1);

/// Ordered pairs (from, to) of nodes that plans avoid for now. A pair that is severed again soon after it was
/// trusted again is avoided for twice as long, from 5 s up to 80 s.
#[derive(Debug, Default)]
pub struct Severed {
    pairs: BTreeMap<(usize, usize), Break>,
}

#[derive(Debug)]
struct Break {
    since: Instant,
    until: Instant,
    hold: Duration,
}

impl Severed {
    /// Nothing arrives from `pair.0` at `pair.1`.
    pub fn sever(&mut self, pair: (usize, usize), now: Instant) {
        let hold = match self.pairs.get(&pair) {
            // Still avoided, or trusted again for less time than it had been avoided.
            Some(known) if now < known.until + known.hold => (known.hold * 2).min(MOST),
            _ => FIRST,
        };
        self.pairs.insert(pair, Break { since: now, until: now + hold, hold });
    }

    /// The pairs that are avoided at `now`.
    pub fn active(&self, now: Instant) -> BTreeSet<(usize, usize)> {
        self.pairs.iter().filter(|(_, broken)| now < broken.until).map(|(pair, _)| *pair).collect()
    }

    /// No plan exists: trusts the pair again that has been avoided longest, if that is long enough.
    pub fn forgive(&mut self, now: Instant) -> bool {
        let oldest = self.pairs.values_mut().filter(|broken| now < broken.until).min_by_key(|broken| broken.since);
        match oldest {
            Some(broken) if now.since(broken.since) >= FORGIVABLE => {
                broken.until = now;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_avoided_twice_as_long_when_it_breaks_again_and_forgiven_when_nothing_else_is_left() {
        let at = |millis: u64| Instant(millis * 1_000_000);
        let mut severed = Severed::default();
        severed.sever((1, 2), at(0));
        assert_eq!(severed.active(at(4_999)).len(), 1);
        assert!(severed.active(at(5_000)).is_empty());
        severed.sever((1, 2), at(6_000));
        assert_eq!(severed.active(at(15_999)).len(), 1);
        assert!(severed.active(at(16_000)).is_empty());
        severed.sever((1, 2), at(60_000));
        assert!(severed.active(at(65_000)).is_empty(), "a long quiet time is forgotten");
        severed.sever((3, 4), at(70_000));
        assert!(!severed.forgive(at(70_500)), "not at once: it would break again at once");
        assert!(severed.forgive(at(71_000)));
        assert!(severed.active(at(71_000)).is_empty());
    }
}
