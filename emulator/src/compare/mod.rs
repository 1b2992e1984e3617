//! Sets of runs side by side: is one faster than the other, by how much, and can these runs tell?
//!
//! A **set** is some runs of the same thing ([`runs`]). Each run is one sample of each [`Metric`]; the second set is compared
//! with the first by ranks ([`rank`]), which need no assumption of how samples are spread. Percentiles of a set are those of its runs'
//! histograms merged, never means of percentiles.

pub mod rank;
pub mod runs;

use hdrhistogram::Histogram;
use serde::Serialize;

use self::rank::Shift;
use self::runs::Set;
use crate::record::arithmetic::median;

/// How sure an interval is to hold the true change.
pub const CONFIDENCE: f64 = 0.95;

/// Something that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Results per second.
    Throughput,
    /// Median latency from the scheduled instant.
    P50,
    /// Its 99th percentile.
    P99,
    /// The longest latency.
    Max,
    /// The longest time from a fault's effect to the first result of a new plan.
    Recovery,
}

impl Metric {
    /// All of them.
    pub const ALL: [Metric; 5] = [Metric::Throughput, Metric::P50, Metric::P99, Metric::Max, Metric::Recovery];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Throughput => "throughput",
            Metric::P50 => "latency p50",
            Metric::P99 => "latency p99",
            Metric::Max => "latency max",
            Metric::Recovery => "longest recovery",
        }
    }

    /// Whether more of it is better.
    pub fn more_is_better(self) -> bool {
        self == Metric::Throughput
    }

    /// The share of the requests, where it is a percentile of latency.
    fn share(self) -> Option<f64> {
        match self {
            Metric::P50 => Some(0.5),
            Metric::P99 => Some(0.99),
            Metric::Max => Some(1.0),
            Metric::Throughput | Metric::Recovery => None,
        }
    }
}

/// What the samples tell of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// It is better; chance alone is improbable.
    Better,
    /// It is worse; chance alone is improbable.
    Worse,
    /// A change, if there is one, is within the interval.
    Open,
    /// There are too few runs for any interval.
    TooFew,
}

/// A metric of the first set and of another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Which.
    pub metric: Metric,
    /// Of the other set, as a ratio to the first: 1.1 is 10 % more.
    pub shift: Shift,
    /// What that tells.
    pub told: Told,
}

/// A metric of one set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Value {
    /// Which.
    pub metric: Metric,
    /// Of the set: latency of all its requests, otherwise the median of the runs. Per second, or milliseconds.
    pub value: f64,
    /// The least and the most of any run.
    pub range: (f64, f64),
}

/// A set and how it compares with the first.
#[derive(Debug, Serialize)]
pub struct Compared {
    /// What it is called.
    pub name: String,
    /// How many runs.
    pub runs: usize,
    /// Its metrics, where its runs have them.
    pub values: Vec<Value>,
    /// How they differ from the first set's; nothing for the first.
    pub changes: Vec<Change>,
    /// Latency of all its requests, in nanoseconds.
    #[serde(skip)]
    pub latency: Histogram<u64>,
}

/// Sets, compared with the first of them.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// How sure the intervals are.
    pub confidence: f64,
    /// The sets.
    pub sets: Vec<Compared>,
    /// In what respect they may not be comparable.
    pub warnings: Vec<String>,
}

impl Comparison {
    /// Compares each set with the first.
    pub fn of(sets: &[Set]) -> Comparison {
        let compared = sets.iter().enumerate().map(|(index, set)| {
            let latency = merged(set);
            let values = Metric::ALL.into_iter().filter_map(|metric| value(set, &latency, metric)).collect();
            let changes = match sets.first() {
                Some(first) if index > 0 => Metric::ALL.into_iter().filter_map(|it| change(first, set, it)).collect(),
                _ => Vec::new(),
            };
            Compared { name: set.name.clone(), runs: set.runs.len(), values, changes, latency }
        });
        Comparison { confidence: CONFIDENCE, sets: compared.collect(), warnings: warnings(sets) }
    }
}

/// One sample for each run that has the metric.
fn samples(set: &Set, metric: Metric) -> Vec<f64> {
    let of = |run: &runs::Run| match metric {
        Metric::Throughput => Some(run.throughput_per_s),
        Metric::Recovery => run.recovery_ms,
        Metric::P50 | Metric::P99 | Metric::Max => percentile(&run.latency, metric.share()?),
    };
    set.runs.iter().filter_map(of).collect()
}

fn percentile(latency: &Histogram<u64>, share: f64) -> Option<f64> {
    if latency.is_empty() { None } else { Some(latency.value_at_quantile(share) as f64 / 1e6) }
}

/// The histograms of all runs of a set, added up.
fn merged(set: &Set) -> Histogram<u64> {
    let mut all = runs::empty();
    for run in &set.runs {
        // Both have the same bounds, or `all` grows.
        let _ = all.add(&run.latency);
    }
    all
}

fn value(set: &Set, latency: &Histogram<u64>, metric: Metric) -> Option<Value> {
    let mut samples = samples(set, metric);
    samples.sort_by(f64::total_cmp);
    let range = (*samples.first()?, *samples.last()?);
    let value = match metric.share() {
        Some(share) => percentile(latency, share)?,
        None => median(&samples)?,
    };
    Some(Value { metric, value, range })
}

fn change(first: &Set, other: &Set, metric: Metric) -> Option<Change> {
    let shift = rank::shift(&samples(first, metric), &samples(other, metric), CONFIDENCE)?;
    let told = match shift.interval {
        None => Told::TooFew,
        Some((low, high)) if low <= 1.0 && 1.0 <= high => Told::Open,
        Some((low, _)) if (low > 1.0) == metric.more_is_better() => Told::Better,
        Some(_) => Told::Worse,
    };
    Some(Change { metric, shift, told })
}

/// What would make the comparison one of apples and pears.
fn warnings(sets: &[Set]) -> Vec<String> {
    let mut warnings = Vec::new();
    let all: Vec<(&Set, &runs::Run)> = sets.iter().flat_map(|set| set.runs.iter().map(move |run| (set, run))).collect();
    let mut differ = |what: &str, of: &dyn Fn(&runs::Run) -> String| {
        let mut values: Vec<String> = all.iter().map(|(_, run)| of(run)).collect();
        values.sort();
        values.dedup();
        if values.len() > 1 {
            warnings.push(format!("the runs differ in {what}: {}", values.join(", ")));
        }
    };
    differ("what they ran", &|run| format!("{} of {} nodes", run.model, run.nodes));
    differ("their links", &|run| run.carrier.clone());
    differ("their host", &|run| run.host.clone());
    for (set, run) in all.iter().filter(|(_, run)| run.exit != 0) {
        warnings.push(format!("{} of {} ended with exit code {}", run.folder.display(), set.name, run.exit));
    }
    warnings
}
