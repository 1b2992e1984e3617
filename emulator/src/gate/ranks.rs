//! Tests and estimates from signed ranks, for one number that is looked for in many noisy ones.
//!
//! Each error has a weight: its rank by size, times how much it says of what is looked for (all alike for a common level, the distance
//! from the middle for a slope). If nothing is there, each error might as well have had the other sign; so the exact probability of what was
//! seen is the share of all choices of signs that are as extreme. For a level this is the test of Wilcoxon (Biometrics Bulletin 1(6),
//! 1945), for a slope the one that belongs to Jureckova's and Jaeckel's estimates (Annals of Mathematical Statistics 42(4) and 43(5)). No
//! assumption is made but that errors are symmetric and independent: they may be spread differently at each point, and a few that are far off
//! have no more say than their rank.

/// What a question says of an error is told in parts as small as this, so that weights are whole multiples of half of it, and equal sums are equal.
pub const PART: f64 = 1.0 / 16.0;
/// Up to so many steps of half a part, probabilities are exact: 180 errors with the same weight, some fifty on a slope.
const EXACT: f64 = 16384.0;
/// Beyond, sums are told to this part of the largest.
const STEPS: f64 = 4096.0;
/// Halvings of an interval.
const HALVINGS: usize = 50;
/// Nothing that is looked for is beyond this, in either direction: logarithms of ratios between runs.
pub const FAR: f64 = 20.0;

/// The rank of each error by its size, from 1; those alike share the middle of their ranks.
fn ranks(errors: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..errors.len()).collect();
    order.sort_by(|a, b| errors[*a].abs().total_cmp(&errors[*b].abs()));
    let mut ranks = vec![0.0; errors.len()];
    let mut rank = 0;
    for alike in order.chunk_by(|a, b| alike(errors[*a].abs(), errors[*b].abs())) {
        let middle = rank as f64 + (alike.len() as f64 + 1.0) / 2.0;
        alike.iter().for_each(|index| ranks[*index] = middle);
        rank += alike.len();
    }
    ranks
}

/// Throughput is a count over a time: equal ratios differ by how they were rounded.
fn alike(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

/// What each error weighs, and the sign of what it says: of `says`, positive or negative, and the error. One of no size says nothing.
fn weighed(errors: &[f64], says: &[f64]) -> Vec<(f64, f64)> {
    let weigh = |((error, says), rank): ((&f64, &f64), f64)| {
        let sign = if alike(*error, 0.0) || *says == 0.0 { 0.0 } else { error.signum() * says.signum() };
        (says.abs() * rank, sign)
    };
    errors.iter().zip(says).zip(ranks(errors)).map(weigh).collect()
}

/// The sum of the weights, each with its sign: 0 where what was looked for is taken away.
pub fn balance(errors: &[f64], says: &[f64]) -> f64 {
    weighed(errors, says).into_iter().map(|(weight, sign)| weight * sign).sum()
}

/// The probability of a balance as low as this, if there is nothing.
pub fn as_low(errors: &[f64], says: &[f64]) -> f64 {
    let weighed: Vec<(f64, f64)> = weighed(errors, says).into_iter().filter(|(_, sign)| *sign != 0.0).collect();
    let all: f64 = weighed.iter().map(|(weight, _)| weight).sum();
    // Middles of ranks are whole or half.
    let whole = |step: &f64| weighed.iter().all(|(weight, _)| (weight / step).fract() == 0.0);
    let exact = [0.5, PART / 2.0].into_iter().find(whole).filter(|step| all / step <= EXACT);
    let step = exact.unwrap_or(all / STEPS);
    let steps = |weight: f64| if step > 0.0 { (weight / step).round() as usize } else { 0 };
    let total: usize = weighed.iter().map(|(weight, _)| steps(*weight)).sum();
    let seen: usize = weighed.iter().filter(|(_, sign)| *sign > 0.0).map(|(weight, _)| steps(*weight)).sum();
    // The share of the choices of signs in which the positive ones sum up to each value.
    let mut shares = vec![0.0; total + 1];
    shares[0] = 1.0;
    let mut highest = 0;
    for (weight, _) in &weighed {
        let weight = steps(*weight);
        highest += weight;
        for sum in (0..=highest).rev() {
            let with = if sum >= weight { shares[sum - weight] } else { 0.0 };
            shares[sum] = f64::midpoint(shares[sum], with);
        }
    }
    shares[..=seen].iter().sum::<f64>().min(1.0)
}

/// Where a function that falls as its argument rises passes from above 0 to below: the middle, if it is 0 for a while.
pub fn passes(function: impl Fn(f64) -> f64) -> f64 {
    let halve = |above: &dyn Fn(f64) -> bool| {
        let (mut low, mut high) = (-FAR, FAR);
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            if above(middle) { low = middle } else { high = middle }
        }
        f64::midpoint(low, high)
    };
    f64::midpoint(halve(&|at| function(at) > 1e-9), halve(&|at| function(at) >= -1e-9))
}

/// The estimate of Hodges and Lehmann (Annals of Mathematical Statistics 34(2), 1963) of the errors' common level: the median of the means
/// of any two of them. 0 without errors.
pub fn level(errors: &[f64]) -> f64 {
    let mut means: Vec<f64> = (0..errors.len())
        .flat_map(|one| (0..=one).map(move |other| f64::midpoint(errors[one], errors[other])))
        .collect();
    if means.is_empty() {
        return 0.0;
    }
    let middle = means.len() / 2;
    let odd = means.len() % 2 == 1;
    let (below, at, _) = means.select_nth_unstable_by(middle, f64::total_cmp);
    if odd { *at } else { f64::midpoint(*at, below.iter().copied().fold(f64::NEG_INFINITY, f64::max)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ones(errors: &[f64]) -> Vec<f64> {
        vec![1.0; errors.len()]
    }

    /// Every choice of signs, tried.
    fn by_trying(errors: &[f64], says: &[f64]) -> f64 {
        let seen = balance(errors, says);
        let all = 1u32 << errors.len();
        let as_low = |signs: &u32| {
            let flipped: Vec<f64> =
                errors.iter().enumerate().map(|(i, error)| if signs >> i & 1 == 1 { -error } else { *error }).collect();
            balance(&flipped, says) <= seen + 1e-9
        };
        f64::from((0..all).filter(as_low).count() as u32) / f64::from(all)
    }

    #[test]
    fn the_probabilities_are_those_of_the_tables() {
        // Critical values of Wilcoxon's signed-rank sum, one-sided 0.005: none for 7; 0 for 8; 3 for 10; 37 for 20.
        let with_sum = |n: usize, sum: usize| {
            let mut left = sum;
            let mut errors: Vec<f64> = (1..=n).map(|rank| -(rank as f64)).collect();
            for rank in (1..=n).rev().filter(|rank| *rank <= sum.max(1)) {
                if rank <= left {
                    (errors[rank - 1], left) = (rank as f64, left - rank);
                }
            }
            assert_eq!(left, 0);
            as_low(&errors, &ones(&errors))
        };
        assert!(with_sum(7, 0) > 0.005);
        for (n, critical) in [(8, 0), (10, 3), (20, 37)] {
            assert!(with_sum(n, critical) <= 0.005, "{n}");
            assert!(with_sum(n, critical + 1) > 0.005, "{n}");
        }
    }

    #[test]
    fn equal_changes_and_none_are_told() {
        assert_eq!(as_low(&[-0.1; 8], &[1.0; 8]), 1.0 / 256.0);
        assert_eq!(as_low(&[0.0; 8], &[1.0; 8]), 1.0);
        assert_eq!(as_low(&[], &[]), 1.0);
        assert_eq!((level(&[]), level(&[0.2]), level(&[0.0, 1.0, 100.0])), (0.0, 0.2, 25.5));
    }

    proptest! {
        #[test]
        fn the_probability_is_the_share_of_all_choices_of_signs(
            errors in prop::collection::vec((-4i32..=4).prop_map(|it| f64::from(it) / 8.0), 1..10),
            slanted: bool,
        ) {
            let says: Vec<f64> = if slanted { (0..errors.len()).map(|i| i as f64 - 1.5).collect() } else { ones(&errors) };
            prop_assert!((as_low(&errors, &says) - by_trying(&errors, &says)).abs() < 1e-9);
        }

        #[test]
        fn the_balance_falls_as_more_is_taken_away(
            errors in prop::collection::vec(-1.0f64..1.0, 2..20), shifts in prop::array::uniform2(-2.0f64..2.0),
        ) {
            let says: Vec<f64> = (0..errors.len()).map(|i| i as f64 - (errors.len() - 1) as f64 / 2.0).collect();
            let without = |by: f64, says: &[f64]| -> Vec<f64> {
                errors.iter().zip(says).map(|(error, says)| error - by * says).collect()
            };
            let (less, more) = (shifts[0].min(shifts[1]), shifts[0].max(shifts[1]));
            prop_assert!(balance(&without(less, &says), &says) >= balance(&without(more, &says), &says) - 1e-9);
            let found = passes(|at| balance(&without(at, &ones(&errors)), &ones(&errors)));
            prop_assert!((found - level(&errors)).abs() < 1e-6, "{} and {}", found, level(&errors));
        }
    }
}
