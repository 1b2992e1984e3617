//! How a delay varies, as a table of quantiles: entry *i* of *n* is what the distribution stays below with
//! probability (*i* + ½) / *n*, in units of jitter / 8192. A delay is then its mean plus jitter × a random entry
//! / 8192. This is the form netem wants; both carriers draw from the same tables.

use std::borrow::Cow;
use std::f64::consts::TAU;
use std::sync::LazyLock;

use crate::scenario::network::Distribution;

/// Entries of a table.
pub const ENTRIES: usize = 4096;
/// What an entry is of one jitter.
pub const SCALE: f64 = 8192.0;

/// The distribution's table.
pub fn table(distribution: &Distribution) -> Cow<'static, [i16]> {
    static UNIFORM: LazyLock<Vec<i16>> = LazyLock::new(|| quantiles(|share| 2.0 * share - 1.0));
    static NORMAL: LazyLock<Vec<i16>> = LazyLock::new(normal);
    static PARETO: LazyLock<Vec<i16>> = LazyLock::new(|| quantiles(pareto));
    match distribution {
        Distribution::Uniform => Cow::Borrowed(&UNIFORM),
        Distribution::Normal => Cow::Borrowed(&NORMAL),
        Distribution::Pareto => Cow::Borrowed(&PARETO),
        Distribution::Table(measured) => Cow::Owned(quantiles(|share| between(measured, share))),
    }
}

/// The quantile for a share, on the straight line between those that are given.
fn between(measured: &[f64], share: f64) -> f64 {
    let at = share * measured.len().saturating_sub(1) as f64;
    let given = |index: usize| measured.get(index).or(measured.last()).copied().unwrap_or_default();
    let (least, most) = (given(at as usize), given(at as usize + 1));
    least + (most - least) * at.fract()
}

fn quantiles(quantile: impl Fn(f64) -> f64) -> Vec<i16> {
    // Converting to i16 saturates: a heavy tail ends at four jitters.
    (0..ENTRIES).map(|entry| (SCALE * quantile((entry as f64 + 0.5) / ENTRIES as f64)).round() as i16).collect()
}

/// Quantile of a Pareto distribution with shape 3 and scale 1, moved by its mean 3/2 to zero and widened by 4/3: the
/// parameters that iproute2's table of this name has.
fn pareto(share: f64) -> f64 {
    ((1.0 - share).powf(-1.0 / 3.0) - 1.5) * 4.0 / 3.0
}

/// The normal distribution's quantiles have no closed form: its density is summed up, and each quantile read
/// off where the sum passes it.
fn normal() -> Vec<i16> {
    const STEP: f64 = 1e-4;
    let density = |x: f64| (-x * x / 2.0).exp() / TAU.sqrt();
    let mut table = Vec::with_capacity(ENTRIES);
    let (mut x, mut below) = (-5.0, 0.0);
    while table.len() < ENTRIES && x < 5.0 {
        below += density(x + STEP / 2.0) * STEP;
        x += STEP;
        while table.len() < ENTRIES && below >= (table.len() as f64 + 0.5) / ENTRIES as f64 {
            table.push((SCALE * x).round() as i16);
        }
    }
    table.resize(ENTRIES, i16::MAX);
    table
}

/// How much of a normal distribution is below `deviations`, off by no more than 7.5e-8 (Abramowitz and Stegun, 26.2.17).
pub fn normal_below(deviations: f64) -> f64 {
    const SERIES: [f64; 5] = [0.319_381_53, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let t = 1.0 / (1.0 + 0.231_641_9 * deviations.abs());
    let series = t * SERIES.iter().rev().fold(0.0, |sum, factor| sum * t + factor);
    let above = (-deviations * deviations / 2.0).exp() / TAU.sqrt() * series;
    if deviations > 0.0 { 1.0 - above } else { above }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(distribution: Distribution) -> (f64, f64) {
        let values: Vec<f64> = table(&distribution).iter().map(|entry| f64::from(*entry) / SCALE).collect();
        let mean = values.iter().sum::<f64>() / ENTRIES as f64;
        (mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / ENTRIES as f64).sqrt())
    }

    #[test]
    fn tables_are_sorted_and_have_the_moments_they_claim() {
        for distribution in [Distribution::Uniform, Distribution::Normal, Distribution::Pareto] {
            assert_eq!(table(&distribution).len(), ENTRIES);
            assert!(table(&distribution).is_sorted());
            // Where the Pareto distribution's tail is cut off, a thirtieth of a jitter goes missing from the mean.
            assert!(moments(distribution.clone()).0.abs() < 0.04, "{distribution:?}");
        }
        assert!((moments(Distribution::Uniform).1 - 1.0 / 3f64.sqrt()).abs() < 1e-3);
        assert!((moments(Distribution::Normal).1 - 1.0).abs() < 2e-3);
        // √(3/4) × 4/3 = 1.15 without an end to the tail.
        assert!((moments(Distribution::Pareto).1 - 0.821).abs() < 2e-3);
    }

    #[test]
    fn a_measured_table_has_its_quantiles_and_straight_lines_between_them() {
        let table = table(&Distribution::Table(vec![-1.0, 0.0, 3.0]));
        let at = |share: f64| f64::from(table[(share * ENTRIES as f64) as usize]) / SCALE;
        for (share, quantile) in [(0.0, -1.0), (0.25, -0.5), (0.5, 0.0), (0.75, 1.5), (0.9999, 3.0)] {
            assert!((at(share) - quantile).abs() < 0.002, "{share}: {}", at(share));
        }
        assert!(table.is_sorted() && table.len() == ENTRIES);
    }

    #[test]
    fn the_normal_distribution_function_is_that_of_the_tables() {
        for (deviations, below) in [(0.0, 0.5), (1.0, 0.841_344_75), (-1.96, 0.024_997_9), (3.0, 0.998_650_1)] {
            assert!((normal_below(deviations) - below).abs() < 2e-7, "{deviations}: {}", normal_below(deviations));
        }
    }

    #[test]
    fn known_quantiles_are_met() {
        // 97.725 % of a normal distribution is below two standard deviations.
        let entry = f64::from(table(&Distribution::Normal)[(0.977_25 * ENTRIES as f64) as usize]) / SCALE;
        assert!((entry - 2.0).abs() < 0.01, "{entry}");
        // Half of the Pareto distribution is below 2^(1/3).
        let entry = f64::from(table(&Distribution::Pareto)[ENTRIES / 2]) / SCALE;
        assert!((entry - (2f64.powf(1.0 / 3.0) - 1.5) * 4.0 / 3.0).abs() < 0.001, "{entry}");
    }
}
