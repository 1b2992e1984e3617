//! What is sent over a direction to try it, and what may be lost of that.

use std::ops::RangeInclusive;
use std::time::Duration;

use planner::units::ByteSize;

use crate::scenario::network::{Loss, Shape};

/// Payload of a single packet, and what that has in front of it on the wire.
pub(super) const PAYLOAD: usize = 64;
const HEADERS: u64 = 42;
/// Single packets: how many, how many where some are to be lost or to vary, and how far apart at least.
const SINGLES: u32 = 20;
const MORE_SINGLES: u32 = 200;
const APART: Duration = Duration::from_millis(2);
/// How many jitters they are apart, so that one that is late seldom holds up the next.
const JITTERS_APART: u32 = 3;
/// How long they may take all together.
const SINGLES_LAST: Duration = Duration::from_millis(400);
const VARIED_SINGLES_LAST: Duration = Duration::from_secs(1);
/// How long a train is to last that travels while others do, and how many packets it may have.
const TRAIN: Duration = Duration::from_millis(100);
const CARS: RangeInclusive<u64> = LEAST_CARS..=200;
/// The same of one that has the machine to itself: what a processor can send in time.
const TRAIN_ALONE: Duration = Duration::from_millis(25);
const CARS_ALONE: RangeInclusive<u64> = LEAST_CARS..=2500;
/// A rate is told from so many packets of a train on.
pub(super) const LEAST_CARS: u64 = 5;
/// Shorter ones tell more of when threads wake up than of the rate.
pub(super) const SHORTEST: Duration = Duration::from_millis(20);
/// And slower links are not kept waiting for.
const LONGEST: Duration = Duration::from_millis(600);
/// How long the last packet is waited for beyond its delay.
const PATIENCE: Duration = Duration::from_millis(300);
/// How many standard deviations from its mean a count of losses may be: beyond them, chance is once in 16,000 trials.
const DEVIATIONS: f64 = 4.0;
/// Of all packets, so many may be missing whatever is asked: a queue that is sized for less than a train.
const MISSING: f64 = 0.1;

/// Single packets, then a train of full-size ones without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Course {
    pub singles: u32,
    pub apart: Duration,
    /// Packets of the train.
    pub cars: u32,
    /// From the first packet until nothing is waited for any more.
    pub lasts: Duration,
}

impl Course {
    /// What is sent while other directions are tried, and what once more with nothing else on the way, if a train needs that:
    /// in air that others share it would only tell how many others try at the same time; and where a link is fast, packets
    /// follow each other faster than two processors send them in many directions.
    pub(super) fn of(shape: &Shape, shared: bool) -> (Course, Option<Course>) {
        let together = Course::train(shape, TRAIN, CARS).filter(|_| !shared);
        let alone = Course::train(shape, TRAIN_ALONE, CARS_ALONE).filter(|_| together.is_none());
        let varied = !shape.jitter.is_zero();
        let apart = APART.max(2 * transmission(shape)).max(JITTERS_APART * shape.jitter);
        let (most, lasts) = match (varied, can_lose(shape)) {
            (true, _) => (MORE_SINGLES, VARIED_SINGLES_LAST),
            (false, true) => (MORE_SINGLES, SINGLES_LAST),
            (false, false) => (SINGLES, SINGLES_LAST),
        };
        let singles = lasts.as_nanos() / apart.as_nanos().max(1);
        let singles = u32::try_from(singles).unwrap_or(most).clamp(3, most);
        let train = together.map_or(Duration::ZERO, |train| train.lasts);
        let cars = together.map_or(0, |train| train.cars);
        let lasts = apart * singles + if cars > 0 { train } else { patience(shape) };
        (Course { singles, apart, cars, lasts }, alone)
    }

    /// A train that lasts about `time`; `None`: the link has no rate, or is too fast or too slow for that many packets.
    fn train(shape: &Shape, time: Duration, cars: RangeInclusive<u64>) -> Option<Course> {
        let car = shape.rate?.time_for(ByteSize::from_bytes(Shape::PACKET));
        let fitting = u64::try_from(time.as_nanos().checked_div(car.as_nanos())?).ok()?;
        // What finds no room in the queue would be lost.
        let room = shape.queue_bytes().bytes() * 9 / 10 / Shape::PACKET;
        let count = u32::try_from(fitting.max(*cars.start()).min(room).min(*cars.end())).ok()?;
        let lasts = car * count;
        let fits = cars.contains(&u64::from(count)) && (SHORTEST..=LONGEST).contains(&lasts);
        fits.then(|| Course { singles: 0, apart: Duration::ZERO, cars: count, lasts: lasts + patience(shape) })
    }

    /// How many packets it sends.
    pub(super) fn packets(&self) -> u32 {
        self.singles + self.cars
    }
}

/// How long a single packet is being sent at the link's rate.
pub(super) fn transmission(shape: &Shape) -> Duration {
    shape.rate.map_or(Duration::ZERO, |rate| rate.time_for(ByteSize::from_bytes(PAYLOAD as u64 + HEADERS)))
}

fn patience(shape: &Shape) -> Duration {
    shape.delay + 6 * shape.jitter + PATIENCE
}

fn can_lose(shape: &Shape) -> bool {
    shape.loss != Loss::default() || shape.corrupt > 0.0
}

/// How many of so many packets may be lost before it is doubted that the link loses what it is to lose.
/// The variance of a sum of losses in bursts is that of a two-state Markov chain's: its correlation falls by 1 - p - r a packet
/// (Gilbert 1960).
pub(super) fn may_be_lost(shape: &Shape, sent: u32) -> RangeInclusive<u32> {
    let (lost, deviation) = match shape.loss {
        Loss::Random(share) => (share, share * (1.0 - share)),
        Loss::GilbertElliott { p, r, bad, good } => {
            // A chain that never moves stays in the good state, in which it begins.
            let in_bad = if p + r > 0.0 { p / (p + r) } else { 0.0 };
            let lost = in_bad * bad + (1.0 - in_bad) * good;
            let together = (bad - good).powi(2) * in_bad * (1.0 - in_bad);
            let kept = 1.0 - p - r;
            let tail = if kept < 1.0 { kept / (1.0 - kept) } else { 0.0 };
            (lost, (lost * (1.0 - lost) + 2.0 * together * tail).max(0.0))
        }
    };
    // A packet with a wrong checksum doesn't arrive.
    let gone = 1.0 - (1.0 - lost) * (1.0 - shape.corrupt);
    let variance = deviation + shape.corrupt * (1.0 - shape.corrupt);
    let sent = f64::from(sent);
    let chance = DEVIATIONS * (sent * variance).sqrt();
    let least = (sent * gone - chance).max(0.0).floor();
    let most = (sent * (gone + MISSING) + chance).min(sent).ceil();
    least as u32..=most as u32
}

#[cfg(test)]
mod tests {
    use planner::units::Rate;

    use super::*;

    fn shape(mbits: f64) -> Shape {
        Shape { rate: Some(Rate::from_mbits_per_second(mbits)), ..Shape::default() }
    }

    #[test]
    fn a_train_lasts_a_tenth_of_a_second_beside_others_and_is_alone_where_a_link_is_fast() {
        for (mbits, together, alone) in
            [(0.01, 0, 0), (0.2, 5, 0), (1.0, 8, 0), (10.0, 37, 0), (100.0, 200, 0), (1000.0, 0, 2064), (5000.0, 0, 0)]
        {
            let (first, second) = Course::of(&shape(mbits), false);
            let second = second.map_or(0, |course| course.cars);
            assert_eq!((first.cars, second), (together, alone), "{mbits} Mbit/s: {first:?}");
            assert!(first.lasts < Duration::from_secs(2), "{mbits} Mbit/s: {first:?}");
        }
        let none = Course::of(&Shape::default(), false);
        assert_eq!((none.0.cars, none.1), (0, None));
        let (air, alone) = Course::of(&shape(10.0), true);
        assert_eq!((air.cars, alone.map(|course| course.cars)), (0, Some(20)));
    }

    #[test]
    fn losses_may_be_as_many_as_chance_makes_them() {
        let of = |loss, sent| may_be_lost(&Shape { loss, ..Shape::default() }, sent);
        assert_eq!(of(Loss::default(), 40), 0..=4);
        assert_eq!(of(Loss::Random(0.3), 200), 34..=106);
        assert_eq!(of(Loss::Random(1.0), 20), 20..=20);
        // Bursts of ten packets vary more than single losses of the same share do.
        let (bursts, singles) =
            (Loss::GilbertElliott { p: 0.05, r: 0.1, bad: 1.0, good: 0.0 }, Loss::Random(1.0 / 3.0));
        let (bursts, singles) = (of(bursts, 200), of(singles, 200));
        assert!(bursts.start() < singles.start() && bursts.end() > singles.end(), "{bursts:?} {singles:?}");
        let still = Loss::GilbertElliott { p: 0.0, r: 0.0, bad: 1.0, good: 0.0 };
        assert_eq!(of(still, 20), 0..=2);
    }
}
