//! Which pairs of nodes the dispatcher avoids, and for how long: 5 s, twice as long each time a pair breaks again
//! soon after, up to 80 s.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(5);
const MOST: Duration = Duration::from_secs(80);
/// A pair is tried again after this, if no plan exists without it.
const FORGIVABLE: Duration = Duration::from_secs(1);

/// Ordered pairs that plans avoid for now.
#[derive(Debug, Default)]
pub(super) struct Severed {
    pairs: BTreeMap<(usize, usize), Break>,
}

#[derive(Debug)]
struct Break {
    since: Duration,
    until: Duration,
    hold: Duration,
}

impl Severed {
    /// Nothing arrives from `pair.0` at `pair.1`.
    pub(super) fn sever(&mut self, pair: (usize, usize), now: Duration) {
        let hold = match self.pairs.get(&pair) {
            Some(known) if now < known.until + known.hold => (known.hold * 2).min(MOST),
            _ => FIRST,
        };
        self.pairs.insert(pair, Break { since: now, until: now + hold, hold });
    }

    /// The pairs that are avoided.
    pub(super) fn active(&self, now: Duration) -> BTreeSet<(usize, usize)> {
        self.pairs.iter().filter(|(_, broken)| now < broken.until).map(|(pair, _)| *pair).collect()
    }

    /// Trusts the pair again that has been avoided longest, if that is long enough.
    pub(super) fn forgive(&mut self, now: Duration) -> bool {
        let oldest = self.pairs.values_mut().filter(|broken| now < broken.until).min_by_key(|broken| broken.since);
        match oldest {
            Some(broken) if now - broken.since >= FORGIVABLE => {
                broken.until = now;
                true
            }
            _ => false,
        }
    }
}
