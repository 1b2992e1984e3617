//! Latency as HdrHistogram interval logs, for the tools that read those (the Java and Python readers,
//! HdrHistogram's plotter): the V2 form, deflated, one interval a second.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, IntervalLogWriterError};
use hdrhistogram::serialization::{V2DeflateSerializeError, V2DeflateSerializer};
use hdrhistogram::{CreationError, Histogram};

use super::tally::{Sample, Tally};
use crate::scenario::Scenario;

/// Latencies are counted in nanoseconds, to three significant digits, between these bounds.
const LOWEST: u64 = 1_000;
const HIGHEST: u64 = 3_600_000_000_000;
const DIGITS: u8 = 3;
/// The log's column of maxima is in milliseconds.
const NANOS_PER_MILLI: f64 = 1e6;

/// Which latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// From the instant at which a request was to be sent.
    Corrected,
    /// From the instant at which it was sent.
    Uncorrected,
}

/// Why a histogram log can't be made.
#[derive(Debug, thiserror::Error)]
pub enum LatencyError {
    /// It can't be written.
    #[error("can't write a latency log: {0}")]
    Write(#[from] io::Error),
    /// A histogram can't be made.
    #[error("can't make a latency histogram: {0}")]
    Histogram(#[from] CreationError),
    /// A histogram can't be put into its written form.
    #[error("can't encode a latency histogram: {0}")]
    Encode(V2DeflateSerializeError),
}

impl From<IntervalLogWriterError<V2DeflateSerializeError>> for LatencyError {
    fn from(error: IntervalLogWriterError<V2DeflateSerializeError>) -> LatencyError {
        match error {
            IntervalLogWriterError::SerializeError(error) => LatencyError::Encode(error),
            IntervalLogWriterError::IoError(error) => LatencyError::Write(error),
        }
    }
}

/// Writes the log of the requests that the summary's latency is of, each in the second in which its
/// result arrived. `began` is the wall-clock time at which load began; seconds count from there.
///
/// # Errors
/// See [`LatencyError`].
pub fn write(
    out: &mut impl Write,
    scenario: &Scenario,
    tally: &Tally,
    kind: Kind,
    began: SystemTime,
) -> Result<(), LatencyError> {
    let Some(origin) = tally.load_started else { return Ok(()) };
    let mut samples: Vec<Sample> = tally.samples(tally.window(scenario)).collect();
    samples.sort_by_key(|sample| sample.completed);
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .add_comment(&format!("[Latency of the requests of {}, in nanoseconds]", one_line(&scenario.name)))
        .with_start_time(began)
        .with_base_time(began)
        .with_max_value_divisor(NANOS_PER_MILLI)
        .begin_log_with(out, &mut serializer)?;
    let mut histogram = Histogram::<u64>::new_with_bounds(LOWEST, HIGHEST, DIGITS)?;
    for interval in samples.chunk_by(|a, b| a.completed.since(origin).as_secs() == b.completed.since(origin).as_secs())
    {
        histogram.reset();
        for sample in interval {
            let latency = match kind {
                Kind::Corrected => sample.latency,
                Kind::Uncorrected => sample.uncorrected,
            };
            histogram.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
        }
        let second = interval.first().map_or(0, |sample| sample.completed.since(origin).as_secs());
        log.write_histogram(&histogram, Duration::from_secs(second), Duration::from_secs(1), None)?;
    }
    Ok(())
}

/// A comment must not begin a line of its own.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
