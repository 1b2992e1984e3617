//! How fast a quantity grows that was looked at again and again: whether a process leaks.
//!
//! The slope is the median of the slopes between all pairs of samples (H. Theil 1950; P. K. Sen, *Estimates of the
//! regression coefficient based on Kendall's tau*, Journal of the American Statistical Association 63, 1968). Only the
//! later half of the samples counts, since what a process takes to get going is no leak; and of that not the largest step
//! from one sample to the next, since a segment that is loaded is none either.

use node::clock::Instant;

/// Fewer samples than this in the later half have no slope.
const FEWEST: usize = 5;
/// More than this many samples are thinned out evenly: the number of pairs grows with the square.
const MOST: usize = 256;

/// Resident memory that was gained while it was looked at and that means nothing, in bytes: heaps breathe.
pub const MEMORY_NOISE: u64 = 1 << 20;
/// Descriptors that were gained and mean nothing: connections come and go.
pub const DESCRIPTOR_NOISE: u64 = 4;

/// How a quantity grew.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// By how much in an hour, if it goes on like this.
    pub per_hour: f64,
    /// By how much in the time that was looked at.
    pub seen: f64,
}

/// The growth over the later half of these samples, which are in order of time; `None`: they are too few.
pub fn growth(samples: &[(Instant, f64)]) -> Option<Growth> {
    let half = &samples[samples.len() / 2..];
    let steps = half.windows(2).map(|pair| pair[1].1 - pair[0].1).enumerate();
    let largest = steps.filter(|(_, step)| *step > 0.0).max_by(|a, b| a.1.total_cmp(&b.1));
    let half: Vec<(Instant, f64)> = match largest {
        Some((at, step)) => {
            let level =
                |(index, &(when, value)): (usize, &(Instant, f64))| (when, value - if index > at { step } else { 0.0 });
            half.iter().enumerate().map(level).collect()
        }
        None => half.to_vec(),
    };
    let thinned: Vec<(Instant, f64)> = half.iter().copied().step_by(half.len().div_ceil(MOST).max(1)).collect();
    if thinned.len() < FEWEST {
        return None;
    }
    let pairs = thinned.iter().enumerate().flat_map(|(index, earlier)| {
        thinned[index + 1..].iter().map(move |later| (later.0.since(earlier.0).as_secs_f64(), later.1 - earlier.1))
    });
    let mut slopes: Vec<f64> = pairs.filter(|(time, _)| *time > 0.0).map(|(time, more)| more / time).collect();
    let middle = slopes.len() / 2;
    if slopes.is_empty() {
        return None;
    }
    let (_, slope, _) = slopes.select_nth_unstable_by(middle, f64::total_cmp);
    let looked_at = half.last()?.0.since(half.first()?.0).as_secs_f64();
    Some(Growth { per_hour: *slope * 3600.0, seen: *slope * looked_at })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn every_second(value: impl Fn(u64) -> f64, seconds: u64) -> Vec<(Instant, f64)> {
        (0..seconds).map(|second| (Instant(1 << 40) + Duration::from_secs(second), value(second))).collect()
    }

    #[test]
    fn a_steady_growth_is_found_whatever_happened_at_first_and_however_much_it_jitters() {
        let jitter = |second: u64| (second * 7919 % 97) as f64;
        let samples = every_second(|second| if second < 300 { 9e6 } else { 5.0 * second as f64 + jitter(second) }, 900);
        let found = growth(&samples).unwrap();
        assert!((found.per_hour / 3600.0 - 5.0).abs() < 0.05, "{found:?}");
        assert!((found.seen - 5.0 * 449.0).abs() < 25.0, "{found:?}");
    }

    #[test]
    fn a_step_is_no_growth_and_neither_are_a_few_samples() {
        let step = every_second(|second| if second < 100 { 1e6 } else { 3e6 }, 140);
        assert_eq!(growth(&step).unwrap().per_hour, 0.0);
        // With a little more behind it, as an allocator has.
        let loaded =
            every_second(|second| [15e6, 26e6, 26.2e6][usize::from(second >= 83) + usize::from(second >= 108)], 124);
        assert!(growth(&loaded).unwrap().seen < 2e5, "{:?}", growth(&loaded));
        assert_eq!(growth(&every_second(|second| second as f64, 8)), None);
        assert_eq!(growth(&[]), None);
        // All at one instant.
        assert_eq!(growth(&vec![(Instant(7), 1.0); 30]), None);
    }
}
