//! The stages against theory, over a million packets.
//!
//! Each check asks whether a sample lies within the 99 % interval (of a count, of χ², or of Kolmogorov and Smirnov's distance) of the
//! distribution that the stage promises. Of 20 seeds at most two may lie outside: that more do happens by chance once in a thousand
//! times. The seeds are fixed, so what passes today passes tomorrow. That the checks can fail is checked, too: they refuse a neighbour
//! of the right distribution.

use std::collections::BTreeMap;

use super::*;
use crate::fabric::distribution::normal_below;
use crate::scenario::network::{Distribution, Loss};

const PACKETS: u64 = 1_000_000;
const SEEDS: std::ops::RangeInclusive<u64> = 1..=20;
const OUTSIDE: usize = 2;
/// Of a normal distribution's values, 99 % are within so many deviations, and below so many.
const TWO_SIDED: f64 = 2.575_829;
const ONE_SIDED: f64 = 2.326_348;

/// How far a sample is from a theory: 1 is the end of the 99 % interval.
type Distance = f64;

fn check(theory: &str, distance: impl Fn(u64) -> Distance) {
    let far = far(theory, distance);
    assert!(far.len() <= OUTSIDE, "not {theory}: outside the 99 % interval with seeds {far:?} of {SEEDS:?}");
}

/// The other way round: a theory that must be seen to be wrong.
fn check_refused(theory: &str, distance: impl Fn(u64) -> Distance) {
    let far = far(theory, distance);
    assert!(far.len() > OUTSIDE, "taken for {theory}, which it isn't: outside with seeds {far:?} of {SEEDS:?}");
}

fn far(theory: &str, distance: impl Fn(u64) -> Distance) -> Vec<u64> {
    let distances: Vec<(u64, Distance)> = SEEDS.map(|seed| (seed, distance(seed))).collect();
    let worst = distances.iter().fold(0.0, |worst, (_, distance)| f64::max(worst, *distance));
    println!("{theory}: seeds {SEEDS:?}, the worst at {worst:.2} of the 99 % interval");
    distances.into_iter().filter(|(_, distance)| *distance > 1.0).map(|(seed, _)| seed).collect()
}

/// Of a count, by its mean and variance.
fn count(observed: usize, mean: f64, variance: f64) -> Distance {
    (observed as f64 - mean).abs() / (TWO_SIDED * variance.sqrt())
}

fn binomial(observed: usize, share: f64) -> Distance {
    let n = PACKETS as f64;
    count(observed, n * share, n * share * (1.0 - share))
}

/// Pearson's χ² of counts in bins.
fn chi_square(observed: &[u64], expected: &[f64]) -> Distance {
    assert!(observed.len() == expected.len() && expected.iter().all(|count| *count >= 5.0), "{expected:?}");
    let sum: f64 = observed.iter().zip(expected).map(|(seen, mean)| (*seen as f64 - mean).powi(2) / mean).sum();
    sum / chi_square_limit(expected.len() - 1)
}

/// Below which 99 % of χ² with so many degrees of freedom lie (Wilson and Hilferty 1931).
fn chi_square_limit(freedom: usize) -> f64 {
    let k = freedom as f64;
    k * (1.0 - 2.0 / (9.0 * k) + ONE_SIDED * (2.0 / (9.0 * k)).sqrt()).powi(3)
}

/// Of lengths that should end after each packet with probability `end`.
fn geometric(lengths: &[usize], end: f64) -> Distance {
    let n = lengths.len() as f64;
    let longer_than = |length: usize| n * (1.0 - end).powi(length as i32);
    // Each bin has the lengths up to its number, and enough of them for the approximation that χ² is; the rest is one more.
    let mut bins: Vec<usize> = Vec::new();
    let mut expected = Vec::new();
    for length in (1..).take_while(|length| longer_than(*length) >= 10.0) {
        let mass = longer_than(bins.last().copied().unwrap_or(0)) - longer_than(length);
        if mass >= 10.0 {
            bins.push(length);
            expected.push(mass);
        }
    }
    expected.push(longer_than(bins.last().copied().unwrap_or(0)));
    let mut observed = vec![0; expected.len()];
    lengths.iter().for_each(|length| observed[bins.partition_point(|upto| upto < length)] += 1);
    chi_square(&observed, &expected)
}

/// Kolmogorov and Smirnov's distance of a sample from a distribution, given as the probabilities of less than a value and of no more.
fn kolmogorov_smirnov(mut sample: Vec<f64>, probability: impl Fn(f64) -> (f64, f64)) -> Distance {
    sample.sort_by(f64::total_cmp);
    let n = sample.len() as f64;
    let (mut distance, mut below) = (0.0, 0.0);
    for same in sample.chunk_by(|a, b| a == b) {
        let upto = below + same.len() as f64 / n;
        let (less, no_more) = probability(same[0]);
        distance = f64::max(distance, (less - below).abs().max((no_more - upto).abs()));
        below = upto;
    }
    // 99 % of samples are nearer than √(−ln(0.01 / 2) / 2n).
    distance / (-(0.005f64.ln()) / (2.0 * n)).sqrt()
}

/// What becomes of packets that come so far apart that none waits for another.
fn verdicts(shape: &Shape, seed: u64, packets: u64) -> impl Iterator<Item = (Instant, Verdict)> {
    let mut shaper = Shaper::new(shape, seed, Direction { from: 0, to: 1 });
    (0..packets).map(|n| Instant(n * 1_000_000_000)).map(move |now| (now, shaper.offer(now, 1000)))
}

/// Which packets are lost with each seed.
fn losses(loss: Loss) -> BTreeMap<u64, Vec<bool>> {
    let shape = Shape { loss, ..Shape::default() };
    let pattern = |seed| verdicts(&shape, seed, PACKETS).map(|(_, verdict)| verdict == Verdict::Lost).collect();
    SEEDS.map(|seed| (seed, pattern(seed))).collect()
}

fn lost(pattern: &[bool]) -> usize {
    pattern.iter().filter(|lost| **lost).count()
}

/// How long it is the same without a break, but for what has no beginning or no end.
fn runs(pattern: &[bool], of_lost: bool) -> Vec<usize> {
    let runs: Vec<&[bool]> = pattern.chunk_by(|a, b| a == b).collect();
    runs[1..runs.len() - 1].iter().filter(|run| run[0] == of_lost).map(|run| run.len()).collect()
}

#[test]
fn limits_of_chi_square_are_those_of_the_tables() {
    for (freedom, limit) in [(3, 11.345), (10, 23.209), (30, 50.892), (100, 135.807)] {
        assert!((chi_square_limit(freedom) / limit - 1.0).abs() < 0.003, "{freedom}: {}", chi_square_limit(freedom));
    }
}

#[test]
fn random_loss_takes_its_share_and_each_packet_by_itself() {
    let patterns = losses(Loss::Random(0.01));
    check("1 % lost", |seed| binomial(lost(&patterns[&seed]), 0.01));
    check("losses independent", |seed| geometric(&runs(&patterns[&seed], false), 0.01));
    check("losses independent after losses", |seed| geometric(&runs(&patterns[&seed], true), 0.99));
    check_refused("1.03 % lost", |seed| binomial(lost(&patterns[&seed]), 0.0103));
}

#[test]
fn gilbert_elliott_bursts_and_the_gaps_between_them_have_their_lengths() {
    let (p, r) = (0.01, 0.25);
    let patterns = losses(Loss::GilbertElliott { p, r, bad: 1.0, good: 0.0 });
    check("bursts that end after 1 of 4", |seed| geometric(&runs(&patterns[&seed], true), r));
    check("gaps that end after 1 of 100", |seed| geometric(&runs(&patterns[&seed], false), p));
    check_refused("bursts that end after 1 of 3.85", |seed| geometric(&runs(&patterns[&seed], true), 0.26));
    // What is lost in clusters isn't lost independently.
    check_refused("single losses", |seed| geometric(&runs(&patterns[&seed], true), 0.99));
}

#[test]
fn gilbert_elliott_takes_its_share_with_the_variance_of_its_chain() {
    let (p, r, bad, good) = (0.02, 0.3, 0.7_f64, 0.001);
    let share_bad = p / (p + r);
    let share = share_bad * bad + (1.0 - share_bad) * good;
    // The states of two packets k apart are correlated by (1 − p − r)^k; their sum over all k, twice.
    let memory = 1.0 - p - r;
    let clustered = 2.0 * share_bad * (1.0 - share_bad) * (bad - good).powi(2) * memory / (1.0 - memory);
    let n = PACKETS as f64;
    let patterns = losses(Loss::GilbertElliott { p, r, bad, good });
    check("4.5 % lost in clusters", |seed| {
        count(lost(&patterns[&seed]), n * share, n * (share * (1.0 - share) + clustered))
    });
}

#[test]
fn doubled_corrupted_and_overtaking_packets_have_their_shares_and_any_bit_is_flipped() {
    let counted = |shape: Shape, seed, is: fn(&Verdict) -> bool| {
        binomial(verdicts(&shape, seed, PACKETS).filter(|(_, verdict)| is(verdict)).count(), 0.02)
    };
    check("2 % doubled", |seed| {
        let shape = Shape { duplicate: 0.02, ..Shape::default() };
        counted(shape, seed, |verdict| matches!(verdict, Verdict::Leaves { second: Some(_), .. }))
    });
    check("2 % overtake", |seed| {
        let shape = Shape { reorder: 0.02, delay: Duration::from_millis(3), ..Shape::default() };
        counted(shape, seed, |verdict| matches!(verdict, Verdict::Leaves { first, .. } if first.overtakes))
    });
    let corrupt = Shape { corrupt: 0.02, ..Shape::default() };
    check("2 % corrupted", |seed| {
        counted(corrupt.clone(), seed, |verdict| matches!(verdict, Verdict::Leaves { flip: Some(_), .. }))
    });
    check("each of 500 bits", |seed| {
        let mut bits = vec![0; 500];
        for (_, verdict) in verdicts(&corrupt, seed, PACKETS) {
            if let Verdict::Leaves { flip: Some(bit), .. } = verdict {
                bits[bit as usize % 500] += 1;
            }
        }
        let flips = bits.iter().sum::<u64>() as f64;
        chi_square(&bits, &[flips / 500.0; 500])
    });
}

#[test]
fn with_a_gap_chance_decides_only_after_it() {
    let shape = Shape { reorder: 0.3, reorder_gap: 4, delay: Duration::from_millis(3), ..Shape::default() };
    let overtakes = |seed| -> Vec<usize> {
        let all = verdicts(&shape, seed, PACKETS).enumerate();
        all.filter(|(_, (_, verdict))| matches!(verdict, Verdict::Leaves { first, .. } if first.overtakes))
            .map(|(n, _)| n)
            .collect()
    };
    check("3 in place and then 3 of 10", |seed| {
        let overtaking = overtakes(seed);
        assert!(overtaking.windows(2).all(|two| two[1] - two[0] >= 4));
        geometric(&overtaking.windows(2).map(|two| two[1] - two[0] - 3).collect::<Vec<_>>(), 0.3)
    });
}

/// What the delays of packets are above the constant, in jitters.
fn delays(distribution: Distribution, jitter_correlation: f64, seed: u64) -> Vec<f64> {
    let (delay, jitter) = (Duration::from_millis(50), Duration::from_millis(5));
    let shape = Shape { delay, jitter, jitter_correlation, distribution, ..Shape::default() };
    let leaves = verdicts(&shape, seed, PACKETS / 10).filter_map(|(now, verdict)| match verdict {
        Verdict::Leaves { first, .. } => Some(first.due.since(now)),
        _ => None,
    });
    leaves.map(|took| (took.as_nanos() as f64 - delay.as_nanos() as f64) / jitter.as_nanos() as f64).collect()
}

/// A distribution function whose tail is gathered at 4, where the tables end.
fn ending_at_4(below: impl Fn(f64) -> f64) -> impl Fn(f64) -> (f64, f64) {
    move |x| (below(x), if x > 3.9998 { 1.0 } else { below(x) })
}

fn pareto(x: f64) -> f64 {
    1.0 - (0.75 * x + 1.5).max(1.0).powi(-3)
}

#[test]
fn delays_vary_as_their_distribution_says() {
    let distance = |distribution, seed, theory: fn(f64) -> f64| {
        kolmogorov_smirnov(delays(distribution, 0.0, seed), ending_at_4(theory))
    };
    let uniform: fn(f64) -> f64 = |x| ((x + 1.0) / 2.0).clamp(0.0, 1.0);
    check("uniform", |seed| distance(Distribution::Uniform, seed, uniform));
    check("normal", |seed| distance(Distribution::Normal, seed, normal_below));
    check("pareto", |seed| distance(Distribution::Pareto, seed, pareto));
    let measured = Distribution::Table(vec![-1.0, -0.5, 0.0, 3.0]);
    check("measured", |seed| {
        let thirds = |x: f64| {
            let third = [(x + 1.0) / 0.5, (x + 0.5) / 0.5, x / 3.0];
            third.iter().map(|share| share.clamp(0.0, 1.0)).sum::<f64>() / 3.0
        };
        kolmogorov_smirnov(delays(measured.clone(), 0.0, seed), |x| (thirds(x), thirds(x)))
    });
    check_refused("normal with 3 % more spread", |seed| {
        distance(Distribution::Normal, seed, |x| normal_below(x / 1.03))
    });
    check_refused("pareto with another shape", |seed| {
        distance(Distribution::Pareto, seed, |x| 1.0 - (0.75 * x + 1.5).max(1.0).powf(-3.1))
    });
}

#[test]
fn one_delay_says_nothing_of_the_next() {
    check("delays independent", |seed| {
        let delays = delays(Distribution::Uniform, 0.0, seed);
        let above: Vec<bool> = delays.iter().map(|delay| *delay > 0.0).collect();
        geometric(&runs(&above, true), 0.5)
    });
}

#[test]
fn correlated_delays_have_their_correlation_and_still_their_distribution() {
    const CORRELATION: f64 = 0.8;
    // 0.8^50 is next to nothing, so these are as good as independent.
    let one_in_50 =
        |distribution, seed| -> Vec<f64> { delays(distribution, CORRELATION, seed).into_iter().step_by(50).collect() };
    check("normal though correlated", |seed| {
        kolmogorov_smirnov(one_in_50(Distribution::Normal, seed), ending_at_4(normal_below))
    });
    check("pareto though correlated", |seed| {
        kolmogorov_smirnov(one_in_50(Distribution::Pareto, seed), ending_at_4(pareto))
    });
    // The estimate's variance is (1 − ρ²) / n (Bartlett 1946).
    let from = |correlation: f64, seed| {
        let delays = delays(Distribution::Normal, CORRELATION, seed);
        let product = |gap: usize| delays.iter().zip(&delays[gap..]).map(|(a, b)| a * b).sum::<f64>();
        let deviation = ((1.0 - correlation.powi(2)) / delays.len() as f64).sqrt();
        (product(1) / product(0) - correlation).abs() / (TWO_SIDED * deviation)
    };
    check("correlated by 0.8", |seed| from(CORRELATION, seed));
    check_refused("correlated by 0.79", |seed| from(0.79, seed));
}
