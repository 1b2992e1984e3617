//! By how much one set of samples is greater than another, from ranks alone.
//!
//! The estimate is that of Hodges and Lehmann (Annals of Mathematical Statistics 34(2), 1963): the median of the ratios of every
//! sample of the one set to every sample of the other. Its interval is the set of ratios that the test of Mann and Whitney (ibid.
//! 18(1), 1947) does not refuse, from that test's exact distribution: no assumption is made but that samples are independent and the sets
//! alike up to the ratio. With three runs each there is no interval of 95 %; four and four are the fewest.

use serde::Serialize;

/// A ratio of two sets.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Shift {
    /// The estimate: the second set is so many times the first.
    pub ratio: f64,
    /// Within these it is with the confidence asked for; `None`: there are too few samples.
    pub interval: Option<(f64, f64)>,
}

/// How many times `first` the `second` is; `None` without samples on either side, or with one that isn't positive.
pub fn shift(first: &[f64], second: &[f64], confidence: f64) -> Option<Shift> {
    if first.is_empty() || second.is_empty() || first.iter().chain(second).any(|sample| *sample <= 0.0) {
        return None;
    }
    let mut ratios: Vec<f64> = first.iter().flat_map(|one| second.iter().map(move |other| other / one)).collect();
    ratios.sort_by(f64::total_cmp);
    let middle = ratios.len() / 2;
    let ratio = if ratios.len() % 2 == 1 { ratios[middle] } else { (ratios[middle - 1] * ratios[middle]).sqrt() };
    let outside = outside(first.len(), second.len(), (1.0 - confidence) / 2.0);
    let interval = outside.map(|outside| (ratios[outside], ratios[ratios.len() - 1 - outside]));
    Some(Shift { ratio, interval })
}

/// How many of the ordered ratios are outside the interval on each side, if either side may be missed with this probability;
/// `None` if even the whole range is not so sure.
fn outside(m: usize, n: usize, side: f64) -> Option<usize> {
    let counts = statistic(m, n);
    let all: f64 = counts.iter().sum();
    let mut below = 0.0;
    // P(U ≤ u) ≤ side for all u below the answer.
    let fit = counts.iter().take_while(|count| {
        below += *count;
        below / all <= side
    });
    fit.count().checked_sub(1)
}

/// How many of all orders of `m` and `n` samples have each value of Mann and Whitney's U, from 0 to `m * n`.
fn statistic(m: usize, n: usize) -> Vec<f64> {
    // The number of ways to choose `picked` of the samples seen so far with this sum: Gauss's binomial coefficients.
    let mut ways = vec![vec![0.0; m * n + 1]; m + 1];
    ways[0][0] = 1.0;
    for rank in 0..m + n {
        for picked in (1..=m.min(rank + 1)).rev() {
            // The one that is picked now stands above so many of those that are not.
            let above = rank + 1 - picked;
            if above > n {
                continue;
            }
            for sum in (above..=m * n).rev() {
                ways[picked][sum] += ways[picked - 1][sum - above];
            }
        }
    }
    ways.swap_remove(m)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_distribution_is_the_one_of_the_tables() {
        // Orders of two and two: U is 0, 1, 2, 2, 3, 4.
        assert_eq!(statistic(2, 2), [1.0, 1.0, 2.0, 1.0, 1.0]);
        assert_eq!(statistic(3, 3).iter().sum::<f64>(), 20.0);
        assert_eq!(statistic(5, 5).iter().sum::<f64>(), 252.0);
        // Critical values of U at 0.05, two-sided: none for 3 and 3; 0 for 4 and 4; 2 for 5 and 5; 23 for 10 and 10.
        let critical = |m, n| outside(m, n, 0.025);
        assert_eq!(
            [critical(3, 3), critical(4, 4), critical(5, 5), critical(10, 10)],
            [None, Some(0), Some(2), Some(23)]
        );
    }

    #[test]
    fn a_change_is_told_and_a_single_run_tells_nothing() {
        let first = [10.0, 10.1, 9.9, 10.05, 9.95];
        let second = first.map(|sample| sample * 0.85);
        let Shift { ratio, interval } = shift(&first, &second, 0.95).unwrap();
        assert!((ratio - 0.85).abs() < 0.005);
        assert!(interval.is_some_and(|(low, high)| low < 0.85 && 0.85 < high && high < 0.88));
        assert_eq!(shift(&[10.0], &[8.0], 0.95).unwrap().interval, None);
        assert_eq!(shift(&[], &[8.0], 0.95), None);
    }

    proptest! {
        #[test]
        fn the_other_way_round_it_is_the_inverse(
            first in prop::collection::vec(0.1..10.0, 1..8),
            second in prop::collection::vec(0.1..10.0, 1..8),
        ) {
            let there = shift(&first, &second, 0.95).unwrap();
            let back = shift(&second, &first, 0.95).unwrap();
            prop_assert!((there.ratio * back.ratio - 1.0).abs() < 1e-9);
            prop_assert_eq!(there.interval.is_some(), back.interval.is_some());
            if let (Some((low, high)), Some((back_low, back_high))) = (there.interval, back.interval) {
                prop_assert!(low <= there.ratio * (1.0 + 1e-9) && there.ratio <= high * (1.0 + 1e-9));
                prop_assert!((low * back_high - 1.0).abs() < 1e-9 && (high * back_low - 1.0).abs() < 1e-9);
            }
        }
    }
}
