use planner::units::{ByteSize, Rate};
use proptest::prelude::*;

use super::*;
use crate::scenario::network::{Distribution, Loss, Queue};

const LINK: Direction = Direction { from: 0, to: 1 };

fn mbits(rate: f64) -> Option<Rate> {
    Some(Rate::from_mbits_per_second(rate))
}

/// Offers packets (pause before each in nanoseconds, bytes) and returns the verdicts.
fn offer(shape: &Shape, seed: u64, packets: &[(u64, u32)]) -> Vec<Verdict> {
    let mut shaper = Shaper::new(shape, seed, LINK);
    let mut now = 1_000_000_000;
    packets
        .iter()
        .map(|(pause, bytes)| {
            now += pause;
            shaper.offer(Instant(now), *bytes)
        })
        .collect()
}

fn packets() -> impl Strategy<Value = Vec<(u64, u32)>> {
    prop::collection::vec((0u64..3_000_000, 60u32..1515), 1..200)
}

fn first_due(verdict: &Verdict) -> Option<Instant> {
    match verdict {
        Verdict::Leaves { first, .. } => Some(first.due),
        _ => None,
    }
}

proptest! {
    #[test]
    fn the_rate_is_never_exceeded_over_any_window(packets in packets(), rate in 1_000_000u64..2_000_000_000) {
        let shape = Shape { rate: Some(Rate::from_bits_per_second(rate)), delay: Duration::from_millis(3), ..Shape::default() };
        let left: Vec<(u64, u64)> = offer(&shape, 0, &packets)
            .iter()
            .zip(&packets)
            .filter_map(|(verdict, (_, bytes))| Some((first_due(verdict)?.0, u64::from(*bytes))))
            .collect();
        for start in 0..left.len() {
            // The packet that opens the window was transmitted before it.
            let mut sent = 0u128;
            for (due, bytes) in &left[start + 1..] {
                sent += u128::from(*bytes);
                let window = u128::from(due - left[start].0) + 1;
                prop_assert!(sent * 8_000_000_000 <= (window + 1) * u128::from(rate));
            }
        }
    }

    #[test]
    fn packets_keep_their_order_unless_reordering_is_asked_for(
        packets in packets(),
        rate in prop::option::of(1.0..2000.0f64),
        jitter in 0u64..5_000_000,
        seed: u64,
    ) {
        let shape = Shape {
            rate: rate.and_then(mbits),
            delay: Duration::from_millis(2),
            jitter: Duration::from_nanos(jitter),
            loss: Loss::Random(0.1),
            ..Shape::default()
        };
        let dues: Vec<Instant> = offer(&shape, seed, &packets).iter().filter_map(first_due).collect();
        prop_assert!(dues.is_sorted());
    }

    #[test]
    fn nothing_leaves_before_it_came_and_the_queue_bounds_how_long_it_waits(packets in packets(), rate in 1.0..100.0f64) {
        let queue = ByteSize::from_bytes(20_000);
        let shape = Shape { rate: mbits(rate), queue: Some(Queue::Bytes(queue)), ..Shape::default() };
        let longest = Rate::from_mbits_per_second(rate).time_for(queue) + Duration::from_nanos(2);
        let mut now = Instant(1_000_000_000);
        for (verdict, (pause, _)) in offer(&shape, 0, &packets).iter().zip(&packets) {
            now = now + Duration::from_nanos(*pause);
            if let Some(due) = first_due(verdict) {
                prop_assert!(due >= now && due.since(now) <= longest);
            }
        }
    }

    #[test]
    fn what_is_lost_depends_on_the_seed_and_not_on_time_or_other_stages(
        sizes in prop::collection::vec(60u32..1515, 1..300),
        pauses in prop::collection::vec(0u64..3_000_000, 300),
        seed: u64,
    ) {
        let bursts = Loss::GilbertElliott { p: 0.1, r: 0.4, bad: 0.9, good: 0.01 };
        let plain = Shape { loss: bursts, ..Shape::default() };
        let all = Shape {
            rate: mbits(1.0),
            delay: Duration::from_millis(5),
            jitter: Duration::from_millis(1),
            distribution: Distribution::Pareto,
            reorder: 0.2,
            duplicate: 0.2,
            corrupt: 0.2,
            ..plain.clone()
        };
        let at_once: Vec<(u64, u32)> = sizes.iter().map(|bytes| (0, *bytes)).collect();
        let in_time: Vec<(u64, u32)> = pauses.iter().copied().zip(sizes.iter().copied()).collect();
        let lost = |verdicts: Vec<Verdict>| verdicts.iter().map(|v| *v == Verdict::Lost).collect::<Vec<_>>();
        prop_assert_eq!(lost(offer(&plain, seed, &at_once)), lost(offer(&all, seed, &in_time)));
    }
}

#[test]
fn other_seeds_and_other_directions_lose_other_packets() {
    let shape = Shape { loss: Loss::Random(0.3), ..Shape::default() };
    let pattern = |seed, direction| {
        let mut shaper = Shaper::new(&shape, seed, direction);
        (0..200).map(|_| shaper.offer(Instant(0), 100) == Verdict::Lost).collect::<Vec<_>>()
    };
    assert_eq!(pattern(1, LINK), pattern(1, LINK));
    assert_ne!(pattern(1, LINK), pattern(2, LINK));
    assert_ne!(pattern(1, LINK), pattern(1, LINK.reversed()));
}

#[test]
fn a_full_queue_drops_the_tail_and_an_empty_one_takes_any_packet() {
    let shape = Shape { rate: mbits(1.0), queue: Some(Queue::Bytes(ByteSize::from_bytes(3_100))), ..Shape::default() };
    let verdicts = offer(&shape, 0, &[(0, 1514), (0, 1514), (0, 1514), (30_000_000, 1514)]);
    assert_eq!(verdicts.iter().map(|v| first_due(v).is_some()).collect::<Vec<_>>(), [true, true, false, true]);
    let tiny = Shape { queue: Some(Queue::Bytes(ByteSize::from_bytes(10))), ..shape };
    assert!(first_due(&offer(&tiny, 0, &[(0, 1514)])[0]).is_some());
}

#[test]
fn a_doubled_packet_takes_the_wire_twice_and_a_reordered_one_skips_the_delay() {
    let doubled = Shape { rate: mbits(1.0), duplicate: 1.0, ..Shape::default() };
    let Verdict::Leaves { first, second: Some(second), flip: None } = offer(&doubled, 0, &[(0, 1250)])[0] else {
        panic!("one packet should leave twice");
    };
    assert_eq!((first.due.0, second.due.0), (1_010_000_000, 1_020_000_000));

    let overtaking = Shape { delay: Duration::from_millis(40), reorder: 1.0, ..Shape::default() };
    assert_eq!(first_due(&offer(&overtaking, 0, &[(0, 1250)])[0]), Some(Instant(1_000_000_000)));
}

#[test]
fn super_frames_stay_whole_only_where_nobody_could_tell() {
    let together = |shape: &Shape| Shaper::new(shape, 0, LINK).packets_together(1514);
    assert_eq!(together(&Shape { rate: mbits(10.0), ..Shape::default() }), 1);
    assert_eq!(together(&Shape { rate: mbits(100.0), ..Shape::default() }), 8);
    assert_eq!(together(&Shape { rate: mbits(1000.0), ..Shape::default() }), 82);
    assert_eq!(together(&Shape::default()), u32::MAX);
    assert_eq!(together(&Shape { loss: Loss::Random(0.01), ..Shape::default() }), 1);
    assert_eq!(together(&Shape { rate: mbits(1000.0), queue: Some(Queue::Packets(24)), ..Shape::default() }), 3);
}
