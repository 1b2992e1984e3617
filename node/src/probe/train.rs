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
/// The second train is sent so many times faster than the rough rate. That fills the gaps that a busy host
/// leaves between packets; and what waits for the slowest hop is then two thirds of the train, 40 ms, which a
/// queue should hold. (If it doesn't, packets are lost, and the others still arrive at the hop's rate.)
pub const HASTE: f64 = 3.0;
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

    /// The one to send, `haste` times as fast, when an earlier one found `rate` (nothing: faster than can be
    /// told), packets have `size` on the wire, and it should be through after `left`.
    pub fn after(rate: Option<Rate>, haste: f64, size: ByteSize, left: Duration) -> Train {
        let Some(rate) = rate else { return Train { packets: MOST as u32, pace: None } };
        let packets_in = |time| rate.amount_in(time).bytes() / size.bytes().max(1);
        let packets = packets_in(LENGTH).clamp(FEWEST, MOST).min(packets_in(left));
        let bits = rate.bits_per_second() as f64 * haste;
        Train { packets: packets as u32, pace: (bits < UNPACED).then_some(bits) }
    }

    /// Whether a rate that this train found may be that at which it was sent, which took so long: the slowest
    /// hop was idle in between.
    pub fn was_too_slow_for(&self, found: Rate, size: ByteSize, took: Duration) -> bool {
        let sent =
            f64::from(self.packets.saturating_sub(HEAD)) * size.bytes() as f64 * 8.0 / took.as_secs_f64().max(1e-9);
        let pace = self.pace.map_or(sent, |pace| pace.min(sent));
        found.bits_per_second() as f64 > 0.9 * pace
    }

    /// When packet `index` is due, counted from the first one.
    pub fn due(&self, index: u32, size: ByteSize) -> Duration {
        let bits = f64::from(index.saturating_sub(HEAD)) * size.bytes() as f64 * 8.0;
        self.pace.map_or(Duration::ZERO, |pace| Duration::from_secs_f64(bits / pace.max(1.0)))
    }
}

/// A packet of a train that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// When, in nanoseconds.
    pub at: u64,
    /// How many arrived before it, with those that nobody read in time.
    pub place: u32,
}

/// The rate at which packets of `size` arrived, in their order: `None` if they are too few to tell, or all
/// came at once.
///
/// The first eighth, and three packets at least, don't count: a token bucket lets through a burst. Of the
/// others, each is compared with the one a quarter of the train later; the median of these rates is told, so
/// that neither a packet that was noticed late nor a pause of the sender does harm.
pub fn rate(arrivals: &[Arrival], size: ByteSize) -> Option<Rate> {
    let counted = arrivals.get((arrivals.len() / 8).max(3)..)?;
    let step = counted.len() / 4;
    if step < 2 {
        return None;
    }
    let time_of_one = |(first, second): (&Arrival, &Arrival)| {
        second.at.saturating_sub(first.at) as f64 / f64::from(second.place.saturating_sub(first.place).max(1))
    };
    let mut times: Vec<f64> = counted.iter().zip(&counted[step..]).map(time_of_one).collect();
    times.sort_unstable_by(f64::total_cmp);
    let nanos = times[times.len() / 2];
    (nanos > 0.0).then(|| Rate::from_bits_per_second((size.bytes() as f64 * 8e9 / nanos).round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: ByteSize = ByteSize::from_bytes(1514);

    /// Arrivals behind a hop of `mbits` whose token bucket lets `burst` packets through at once.
    fn behind(mbits: f64, packets: u32, burst: u32) -> Vec<Arrival> {
        let gap = 1514.0 * 8.0 / mbits * 1e3;
        let at = |index: u32| 5_000 + (f64::from(index.saturating_sub(burst)) * gap) as u64;
        (0..packets).map(|place| Arrival { at: at(place), place }).collect()
    }

    proptest! {
        #[test]
        fn the_rate_of_the_slowest_hop_is_found(mbits in 0.05..1000.0f64, packets in 32u32..512, burst in 0u32..4, late in prop::collection::vec((any::<prop::sample::Index>(), 0u64..3_000_000), 0..4)) {
            let mut arrivals = behind(mbits, packets, burst);
            for (index, by) in late {
                // Noticed late, but not later than those behind it.
                let index = index.index(arrivals.len() - 1);
                arrivals[index].at = (arrivals[index].at + by).min(arrivals[index + 1].at);
            }
            let found = rate(&arrivals, SIZE).unwrap().mbits_per_second();
            prop_assert!((found / mbits - 1.0).abs() < 0.05, "{found} instead of {mbits}");
        }
    }

    #[test]
    fn a_pause_of_the_sender_is_not_taken_for_a_slow_hop() {
        let mut arrivals = behind(100.0, 400, 0);
        arrivals[220..].iter_mut().for_each(|arrival| arrival.at += 20_000_000);
        assert!((rate(&arrivals, SIZE).unwrap().mbits_per_second() / 100.0 - 1.0).abs() < 0.01);
    }

    #[test]
    fn packets_that_nobody_read_in_time_count() {
        let mut arrivals = behind(100.0, 400, 0);
        arrivals.retain(|arrival| arrival.place % 3 != 1);
        assert!((rate(&arrivals, SIZE).unwrap().mbits_per_second() / 100.0 - 1.0).abs() < 0.03);
    }

    #[test]
    fn few_packets_or_all_at_once_tell_nothing() {
        assert_eq!(rate(&[], SIZE), None);
        assert_eq!(rate(&behind(10.0, 10, 0), SIZE), None);
        assert_eq!(rate(&[Arrival { at: 7, place: 1 }; 40], SIZE), None);
    }

    #[test]
    fn trains_are_long_enough_and_not_longer() {
        let train = |mbits| Train::after(Some(Rate::from_mbits_per_second(mbits)), HASTE, SIZE, Duration::from_secs(5));
        assert_eq!((train(0.5).packets, train(5.0).packets, train(1000.0).packets), (32, 32, 512));
        // 60 ms.
        assert_eq!(train(50.0).packets, 247);
        let time = |mbits: f64| train(mbits).due(train(mbits).packets, SIZE).as_secs_f64() * HASTE;
        assert!(time(80.0) > 0.055 && time(80.0) < 0.06);
        // What does not fit into the time that is left is left out.
        let slow = Train::after(Some(Rate::from_bits_per_second(20_000)), HASTE, SIZE, Duration::from_secs(5));
        assert_eq!(slow.packets, 8);
        assert_eq!(Train::after(None, HASTE, SIZE, Duration::from_secs(1)).pace, None);
        let too_slow = |found, millis| {
            train(10.0).was_too_slow_for(Rate::from_mbits_per_second(found), SIZE, Duration::from_millis(millis))
        };
        assert!(too_slow(29.0, 10) && !too_slow(10.0, 10));
        // The host did not get the packets out as fast as it should have.
        assert!(too_slow(10.0, 50));
    }
}
