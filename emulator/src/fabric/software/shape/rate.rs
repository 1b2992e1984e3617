//! The stage that transmits: one packet after the other, each as long as the rate says.
//!
//! A worked example: at 10 Mbit/s a packet of 1514 bytes takes 1.2112 ms. Three that arrive together at 5 ms
//! are through at 6.2112, 7.4224 and 8.6336 ms, no matter when anybody woke up to send them on: each follows
//! from the one before it, never from the clock.

use node::clock::Instant;
use planner::units::Rate;

const NANOS_PER_BYTE_AT_1_BIT: u64 = 8 * 1_000_000_000;

/// A transmitter, and until when it is busy.
#[derive(Debug, Clone)]
pub struct Transmitter {
    rate: Option<Rate>,
    free_at: Instant,
    // Nanoseconds × rate left over from rounding down, so that a rate is exact over any number of packets.
    remainder: u64,
}

impl Transmitter {
    /// An idle one.
    pub fn new(rate: Option<Rate>) -> Transmitter {
        Transmitter { rate, free_at: Instant(0), remainder: 0 }
    }

    /// When all that it has taken is through.
    pub fn free_at(&self) -> Instant {
        self.free_at
    }

    /// Bytes that are not through yet, the one on the wire included. Rounded up.
    pub fn backlog(&self, now: Instant) -> u64 {
        let Some(rate) = self.rate else { return 0 };
        let busy = self.free_at.0.saturating_sub(now.0);
        let bits = u128::from(busy) * u128::from(rate.bits_per_second());
        u64::try_from(bits.div_ceil(u128::from(NANOS_PER_BYTE_AT_1_BIT))).unwrap_or(u64::MAX)
    }

    /// Takes `bytes` that arrived at `now`, and says when the last of them is through.
    pub fn transmit(&mut self, now: Instant, bytes: u32) -> Instant {
        let Some(rate) = self.rate else { return now };
        if self.free_at < now {
            self.free_at = now;
            self.remainder = 0;
        }
        let rate = rate.bits_per_second();
        // Below 2^32 × 8e9, so below 2^65: only a super-frame of gigabytes could saturate, and none is.
        let work = u64::from(bytes).saturating_mul(NANOS_PER_BYTE_AT_1_BIT).saturating_add(self.remainder);
        self.remainder = work % rate;
        self.free_at = Instant(self.free_at.0.saturating_add(work / rate));
        self.free_at
    }

    /// Goes on at another rate. What has been taken is transmitted at the new rate from `now` on: the
    /// result says when it is through.
    pub fn set(&mut self, now: Instant, rate: Option<Rate>) -> Retiming {
        let retiming = Retiming { now, old: self.rate, new: rate };
        self.free_at = retiming.apply(self.free_at);
        self.rate = rate;
        self.remainder = 0;
        retiming
    }
}

/// How a change of rate moves the end of transmissions that were under way or waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retiming {
    now: Instant,
    old: Option<Rate>,
    new: Option<Rate>,
}

impl Retiming {
    /// Whether it moves anything.
    pub fn is_none(&self) -> bool {
        self.old == self.new
    }

    /// When a transmission ends that would have ended at `through`.
    pub fn apply(&self, through: Instant) -> Instant {
        let left = through.0.saturating_sub(self.now.0);
        match (self.old, self.new) {
            _ if left == 0 => through,
            (Some(old), Some(new)) => {
                let scaled = u128::from(left) * u128::from(old.bits_per_second()) / u128::from(new.bits_per_second());
                Instant(self.now.0.saturating_add(u64::try_from(scaled).unwrap_or(u64::MAX)))
            }
            (Some(_), None) => self.now,
            // Without a rate nothing waits.
            (None, _) => through,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mbits(rate: f64) -> Option<Rate> {
        Some(Rate::from_mbits_per_second(rate))
    }

    #[test]
    fn packets_that_arrive_together_leave_one_after_the_other() {
        let mut wire = Transmitter::new(mbits(10.0));
        let through: Vec<u64> = (0..3).map(|_| wire.transmit(Instant(5_000_000), 1514).0).collect();
        assert_eq!(through, [6_211_200, 7_422_400, 8_633_600]);
        assert_eq!(wire.backlog(Instant(5_000_000)), 3 * 1514);
        assert_eq!(wire.backlog(Instant(6_211_200)), 2 * 1514);
        assert_eq!(wire.backlog(Instant(9_000_000)), 0);
    }

    #[test]
    fn rounding_does_not_accumulate() {
        let mut wire = Transmitter::new(mbits(3000.0));
        // 1 byte takes 2.67 ns; three take exactly 8.
        let last = (0..3_000_000).map(|_| wire.transmit(Instant(0), 1)).last();
        assert_eq!(last, Some(Instant(8_000_000)));
    }

    #[test]
    fn what_waits_goes_on_at_the_new_rate() {
        let mut wire = Transmitter::new(mbits(1.0));
        let through = wire.transmit(Instant(0), 12_500);
        assert_eq!(through, Instant(100_000_000));
        let retiming = wire.set(Instant(20_000_000), mbits(10.0));
        assert_eq!(retiming.apply(through), Instant(28_000_000));
        assert_eq!(wire.backlog(Instant(20_000_000)), 10_000);
        let retiming = wire.set(Instant(24_000_000), None);
        assert_eq!(retiming.apply(Instant(28_000_000)), Instant(24_000_000));
        assert_eq!(wire.transmit(Instant(25_000_000), 1514), Instant(25_000_000));
    }
}
