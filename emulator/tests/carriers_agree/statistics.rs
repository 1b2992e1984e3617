//! How far samples may be apart by chance alone. Everything is at 99.9 %.

/// Of a normal distribution's values, 99.9 % are within so many deviations.
const TWO_SIDED: f64 = 3.290_527;

/// Kolmogorov and Smirnov's factor: √(−ln(0.001 / 2) / 2).
fn smirnov() -> f64 {
    (-(0.000_5f64.ln()) / 2.0).sqrt()
}

/// A count, or a mean, with the variance that theory gives it.
#[derive(Debug, Clone, Copy)]
pub struct Estimate {
    pub value: f64,
    pub variance: f64,
}

impl Estimate {
    /// How far it is from `mean`: 1 is the end of the interval.
    pub fn from(self, mean: f64) -> f64 {
        (self.value - mean).abs() / (TWO_SIDED * self.variance.sqrt())
    }

    /// How far two are from each other; for counts of equally many, that is the two-proportion test.
    pub fn apart(self, other: Estimate) -> f64 {
        (self.value - other.value).abs() / (TWO_SIDED * (self.variance + other.variance).sqrt())
    }
}

/// The share of a sorted sample that is at most `x`.
fn upto(sample: &[f64], x: f64) -> f64 {
    sample.partition_point(|value| *value <= x) as f64 / sample.len() as f64
}

/// Whether two sorted samples can be of one distribution but for up to `slack` that either adds: Kolmogorov and Smirnov's distance of
/// the two, of which 1 is the most that chance makes of it.
pub fn smirnov_apart(a: &[f64], b: &[f64], slack: f64) -> f64 {
    let later = |a: &[f64], b: &[f64]| a.iter().map(|x| upto(a, *x) - upto(b, x + slack)).fold(0.0, f64::max);
    let (n, m) = (a.len() as f64, b.len() as f64);
    later(a, b).max(later(b, a)) / (smirnov() * ((n + m) / (n * m)).sqrt())
}

/// The same of a sorted sample and the quantiles of a theory, of which nothing may come sooner, and nothing more than `slack` later.
pub fn smirnov_from(sample: &[f64], quantile: impl Fn(f64) -> f64, slack: f64) -> f64 {
    let n = sample.len() as f64;
    let shares = (0..1000).map(|step| (f64::from(step) + 0.5) / 1000.0);
    let furthest = shares.map(|share| {
        let planned = quantile(share);
        // A microsecond for rounding: a constant delay has all of its probability in one point.
        (upto(sample, planned - 1e-3) - share).max(share - upto(sample, planned + slack))
    });
    furthest.fold(0.0, f64::max) / (smirnov() / n.sqrt())
}

/// Of a sorted sample.
pub fn quantile(sample: &[f64], share: f64) -> f64 {
    sample[((sample.len() as f64 * share) as usize).min(sample.len() - 1)]
}

#[test]
fn samples_of_one_distribution_are_near_and_of_two_are_far() {
    let sample = |count: u32, of: fn(f64) -> f64| -> Vec<f64> {
        (0..count).map(|n| of((f64::from(n) + 0.5) / f64::from(count))).collect()
    };
    let uniform = |share: f64| 10.0 + 2.0 * share;
    let (all, later, wider) =
        (sample(400, uniform), sample(300, |share| 10.3 + 2.0 * share), sample(400, |share| 9.0 + 4.0 * share));
    assert!(smirnov_apart(&all, &later, 0.4) < 0.1 && smirnov_apart(&all, &later, 0.0) > 1.0);
    assert!(smirnov_apart(&all, &wider, 0.1) > 1.0);
    assert!(smirnov_from(&all, uniform, 0.4) < 0.1 && smirnov_from(&later, uniform, 0.4) < 0.1);
    assert!(smirnov_from(&wider, uniform, 0.1) > 1.0);
    assert!(smirnov_from(&all, |share| 10.3 + 2.0 * share, 0.4) > 1.0, "sooner than planned");
    assert!((quantile(&all, 0.5) - 11.0).abs() < 0.01);
}
