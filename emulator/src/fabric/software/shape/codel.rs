//! The stage that drops packets which have waited too long: CoDel (Nichols, Jacobson, McGregor and Iyengar 2018, RFC 8289).
//!
//! As long as every packet waits for more than [`TARGET`], the first one is dropped after an [`INTERVAL`], and each further one sooner than
//! the one before: the n-th follows after INTERVAL / √n. A packet is judged when its transmission is to begin.

use std::time::Duration;

use node::clock::Instant;

use crate::scenario::network::Shape;

/// A wait that is acceptable.
pub const TARGET: Duration = Duration::from_millis(5);
/// How long it may be longer: a round trip in the worst case.
pub const INTERVAL: Duration = Duration::from_millis(100);
/// A pause between episodes of dropping after which the next begins anew, in intervals.
const FORGOTTEN: u32 = 16;

/// What RFC 8289 keeps of a queue, by its names.
#[derive(Debug, Clone, Default)]
pub struct CoDel {
    first_above_time: Option<Instant>,
    dropping: bool,
    drop_next: Instant,
    count: u32,
    lastcount: u32,
    /// The packet before was dropped in an episode: when the next is depends on whether this one waited too long, too.
    dropped: bool,
}

impl CoDel {
    /// Whether a packet is dropped that came at `since` and would be transmitted from `now` on, `left` bytes waiting behind it.
    pub fn drops(&mut self, now: Instant, since: Instant, left: u64) -> bool {
        let late = self.is_late(now, since, left);
        let dropped = std::mem::take(&mut self.dropped);
        if !self.dropping {
            if late {
                self.begin(now);
            }
            return late;
        }
        self.dropping = late;
        if late && dropped {
            self.drop_next = self.control_law(self.drop_next);
        }
        self.dropped = late && now >= self.drop_next;
        self.count = self.count.saturating_add(u32::from(self.dropped));
        self.dropped
    }

    /// Whether packets have waited too long for an interval. A queue of no more than one packet isn't long, however slow the link.
    fn is_late(&mut self, now: Instant, since: Instant, left: u64) -> bool {
        if now.since(since) < TARGET || left <= Shape::PACKET {
            self.first_above_time = None;
            return false;
        }
        now >= *self.first_above_time.get_or_insert(now + INTERVAL)
    }

    /// Begins to drop, about as often as in the end if that is not long ago.
    fn begin(&mut self, now: Instant) {
        self.dropping = true;
        let dropped = self.count - self.lastcount.min(self.count);
        let recent = now.since(self.drop_next) < FORGOTTEN * INTERVAL;
        self.count = if dropped > 1 && recent { dropped } else { 1 };
        self.drop_next = self.control_law(now);
        self.lastcount = self.count;
    }

    fn control_law(&self, from: Instant) -> Instant {
        from + INTERVAL.div_f64(f64::from(self.count).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: u64 = 1_000_000;
    const MUCH: u64 = 100_000;

    /// When packets are dropped, in milliseconds, of which one comes to its turn every millisecond after so long a wait.
    fn drops(codel: &mut CoDel, millis: std::ops::Range<u64>, waited: u64) -> Vec<u64> {
        let at = |millis| Instant(millis * MILLI);
        millis.filter(|now| codel.drops(at(*now), at(now - waited), MUCH)).collect()
    }

    #[test]
    fn a_queue_that_stays_too_long_loses_packets_ever_more_often() {
        let dropped = drops(&mut CoDel::default(), 1_000..2_000, 20);
        // 100 ms after it was too long first; then 100 / √1, / √2, / √3 … ms later, each at the next packet's turn.
        let mut due = 1_100.0;
        for (n, drop) in (1..).zip(&dropped) {
            assert_eq!(*drop, f64::ceil(due) as u64, "{n}: {dropped:?}");
            due += 100.0 / f64::from(n).sqrt();
        }
        assert!(dropped.len() > 20 && due > 2_000.0, "{dropped:?}");
    }

    #[test]
    fn a_queue_that_is_short_once_in_a_while_loses_nothing() {
        let mut codel = CoDel::default();
        for start in (1_000..3_000).step_by(90) {
            assert_eq!(drops(&mut codel, start..start + 89, 20), [0; 0]);
            assert_eq!(drops(&mut codel, start + 89..start + 90, 4), [0; 0]);
        }
        // Nor one in which nothing waits behind the packet, as on a link on which each takes longer than the target.
        assert!((1..100).all(|n| !codel.drops(Instant(n * 40 * MILLI), Instant((n - 1) * 40 * MILLI), 1514)));
    }

    #[test]
    fn soon_after_an_episode_the_next_goes_on_about_as_fast() {
        let mut codel = CoDel::default();
        let first = drops(&mut codel, 1_000..2_000, 20).len() as u32;
        assert!(drops(&mut codel, 2_000..2_100, 1).is_empty());
        let again = drops(&mut codel, 2_100..2_400, 20);
        assert_eq!(again[0], 2_200);
        assert!(again[1] - again[0] <= u64::from(100 / (first - 1).isqrt() + 1), "{again:?} after {first} drops");
        assert!(drops(&mut codel, 2_400..5_000, 1).is_empty());
        let later = drops(&mut codel, 5_000..5_300, 20);
        assert_eq!(later, [5_100, 5_200, 5_271]);
    }
}
