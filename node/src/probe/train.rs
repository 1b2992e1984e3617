//! Trains of packets: how long, how fast, and what their arrivals say. Pure.

use std::time::Duration;

use planner::units::{ByteSize, Rate};

/// Packets of the first train: fewer than any queue of a sensible link holds, so that all arrive.
pub const ROUGH: u32 = 12;
/// Packets of the second train at least.
const FEWEST: u64 = 32;
/// Packets of the second train at most: half a megabyte, and more than 50 ms at 100 Mbit/s.
const MOST: u64 = 512;
/// How long the second train takes at the rough rate, between these bounds.
const LENGTH: Duration = Duration::from_millis(60);
/// The second train is sent so many times faster than the rough rate. Half of it more than fills the gaps
/// that a busy host leaves between packets; and what waits for the slowest hop is then a third of the train,
/// 20 ms, which a queue should hold.
const HASTE: f64 = 1.5;
/// Packets at the head of the second train that are sent at once: what keeps the slowest hop busy if the
/// sender is held up.
pub const HEAD: u32 = 8;
/// A rate beyond which trains are sent as fast as the host can.
const UNPACED: f64 = 1e9;

/// How a train is sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Train {
    /// Number of packets.
    pub packets: u32,
    /// Bits per second on the wire after the [`HEAD`]; `None`: as fast as the host can.
    pub pace: Option<f64>,
}

impl Train {
    /// The first one.
    pub const FIRST: Train = Train { packets: ROUGH, pace: None };

    /// The one to send when an earlier one found `rate` (nothing: faster than can be told), packets have
    /// `size` on the wire, and it should be through after `left`.
    pub fn after(rate: Option<Rate>, size: ByteSize, left: Duration) -> Train {
        let Some(rate) = rate else { return Train { packets: MOST as u32, pace: None } };
        let packets_in = |time| rate.amount_in(time).bytes() / size.bytes().max(1);
        let packets = packets_in(LENGTH).clamp(FEWEST, MOST).min(packets_in(left));
        let bits = rate.bits_per_second() as f64 * HASTE;
        Train { packets: packets as u32, pace: (bits < UNPACED).then_some(bits) }
    }

    /// Whether a rate that this train found is that at which it was sent: the slowest hop was idle in between.
    pub fn was_too_slow_for(&self, found: Rate) -> bool {
        self.pace.is_some_and(|pace| found.bits_per_second() as f64 > 0.9 * pace)
    }

    /// When packet `index` is due, counted from the first one.
    pub fn due(&self, index: u32, size: ByteSize) -> Duration {
        let bits = f64::from(index.saturating_sub(HEAD)) * size.bytes() as f64 * 8.0;
        self.pace.map_or(Duration::ZERO, |pace| Duration::from_secs_f64(bits / pace.max(1.0)))
    }
}

/// The rate at which packets of `size` arrived at these instants (in nanoseconds, ascending): `None` if they
/// are too few to tell, or all came at once.
///
/// The first eighth, and three packets at least, don't count: a token bucket lets through a burst. Of the
/// others, each in the first half is compared with the one half the train later; the median of these rates
/// is told, so that a packet that was noticed late does no harm.
pub fn rate(arrivals: &[u64], size: ByteSize) -> Option<Rate> {
    let counted = arrivals.get((arrivals.len() / 8).max(3)..)?;
    let half = counted.len() / 2;
    if half < 2 {
        return None;
    }
    let mut spans: Vec<u64> =
        counted.iter().zip(&counted[half..]).map(|(first, second)| second.saturating_sub(*first)).collect();
    spans.sort_unstable();
    let span = spans[spans.len() / 2];
    let bits = half as f64 * size.bytes() as f64 * 8.0;
    (span > 0).then(|| Rate::from_bits_per_second((bits / span as f64 * 1e9).round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: ByteSize = ByteSize::from_bytes(1514);

    /// Arrivals behind a hop of `mbits` whose token bucket lets `burst` packets through at once.
    fn behind(mbits: f64, packets: u64, burst: u64) -> Vec<u64> {
        let gap = 1514.0 * 8.0 / mbits * 1e3;
        (0..packets).map(|index| 5_000 + (index.saturating_sub(burst) as f64 * gap) as u64).collect()
    }

    proptest! {
        #[test]
        fn the_rate_of_the_slowest_hop_is_found(mbits in 0.05..1000.0f64, packets in 32u64..512, burst in 0u64..4, late in prop::collection::vec((any::<prop::sample::Index>(), 0u64..3_000_000), 0..4)) {
            let mut arrivals = behind(mbits, packets, burst);
            for (index, by) in late {
                // Noticed late, but not later than those behind it.
                let index = index.index(arrivals.len() - 1);
                arrivals[index] = (arrivals[index] + by).min(arrivals[index + 1]);
            }
            let found = rate(&arrivals, SIZE).unwrap().mbits_per_second();
            prop_assert!((found / mbits - 1.0).abs() < 0.05, "{found} instead of {mbits}");
        }
    }

    #[test]
    fn few_packets_or_all_at_once_tell_nothing() {
        assert_eq!(rate(&[], SIZE), None);
        assert_eq!(rate(&behind(10.0, 6, 0), SIZE), None);
        assert_eq!(rate(&[7; 40], SIZE), None);
    }

    #[test]
    fn trains_are_long_enough_and_not_longer() {
        let train = |mbits| Train::after(Some(Rate::from_mbits_per_second(mbits)), SIZE, Duration::from_secs(5));
        assert_eq!((train(0.5).packets, train(5.0).packets, train(1000.0).packets), (32, 32, 512));
        // 60 ms.
        assert_eq!(train(50.0).packets, 247);
        let time = |mbits: f64| train(mbits).due(train(mbits).packets, SIZE).as_secs_f64() * 1.5;
        assert!(time(80.0) > 0.055 && time(80.0) < 0.06);
        // What does not fit into the time that is left is left out.
        let slow = Train::after(Some(Rate::from_bits_per_second(20_000)), SIZE, Duration::from_secs(5));
        assert_eq!(slow.packets, 8);
        assert_eq!(Train::after(None, SIZE, Duration::from_secs(1)).pace, None);
        assert!(train(10.0).was_too_slow_for(Rate::from_mbits_per_second(14.5)));
        assert!(!train(10.0).was_too_slow_for(Rate::from_mbits_per_second(10.0)));
    }
}
