//! Round trips, and by how much longer than they should they take.

use std::ops::Range;
use std::time::{Duration, Instant};

use planner::units::ByteSize;
use serde::Serialize;

use super::stalls::{self, Stalls};
use super::traffic::{HEADERS, PING, round_trips};
use super::unshaped::processor_times;
use super::{BenchError, quantile};
use crate::fabric::{Fabric, Shape};

/// Between round trips.
const PAUSE: Duration = Duration::from_millis(3);

/// A distribution, in microseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spread {
    /// Half are below.
    pub p50_us: f64,
    /// Ninety per cent are below.
    pub p90_us: f64,
    /// Ninety-nine per cent are below.
    pub p99_us: f64,
}

impl Spread {
    /// Of times, by how much longer they were than `should`.
    pub fn of(times: impl IntoIterator<Item = Duration>, should: Duration) -> Spread {
        let error = |took: Duration| (took.as_secs_f64() - should.as_secs_f64()) * 1e6;
        let mut errors: Vec<f64> = times.into_iter().map(error).collect();
        errors.sort_by(f64::total_cmp);
        let [p50_us, p90_us, p99_us] = [0.5, 0.9, 0.99].map(|share| quantile(&errors, share));
        Spread { p50_us, p90_us, p99_us }
    }
}

/// By how much longer than they should round trips took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trips {
    /// All that came back, while nobody watched.
    #[serde(flatten)]
    pub all: Spread,
    /// How many these were.
    pub trips: usize,
    /// How many didn't come back within a second, and are in no other figure.
    pub lost: usize,
    /// Seconds in which a hypervisor kept processors from this host meanwhile, all together, as the kernel counts them.
    pub stolen_s: f64,
    /// As many again, right after that, while [stalls] of processors were watched for; `None`: they can't be seen here.
    pub watched: Option<Watched>,
}

/// The same while stalls are watched for. A watcher wakes its processor up often, which then sleeps less deeply: where nothing else goes on, half of
/// all round trips are some ten microseconds shorter than without. So these stand for themselves.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Watched {
    /// All that came back.
    #[serde(flatten)]
    pub all: Spread,
    /// How many these were.
    pub trips: usize,
    /// How many didn't come back within a second.
    pub lost: usize,
    /// Ninety-nine per cent of those are below that no stall fell into; `None`: there was no such trip.
    pub clear_p99_us: Option<f64>,
    /// The share of all that are left out of that.
    pub stalled_share: f64,
}

impl Trips {
    /// Lets as many as `time` has room for go from one host to another and back, one after the other, and then as many again.
    ///
    /// # Errors
    /// When they can't be sent.
    pub fn measure(fabric: &Fabric, ends: (usize, usize), shape: &Shape, time: Duration) -> Result<Trips, BenchError> {
        Trips::paced(fabric, ends, round_trip(shape), (time, PAUSE))
    }

    /// The same over a plain pair of interfaces, with as long from one to the next as over a link of this shape.
    ///
    /// # Errors
    /// When they can't be sent.
    pub fn measure_bare(fabric: &Fabric, shape: &Shape, time: Duration) -> Result<Trips, BenchError> {
        Trips::paced(fabric, (0, 1), Duration::ZERO, (time, PAUSE + round_trip(shape)))
    }

    fn paced(
        fabric: &Fabric,
        (from, to): (usize, usize),
        should: Duration,
        (time, pause): (Duration, Duration),
    ) -> Result<Trips, BenchError> {
        let count = ((time.as_secs_f64() / (should + pause).as_secs_f64()) as usize).max(10);
        let (_, stolen) = processor_times();
        let trips = round_trips(fabric, from, to, count, pause)?;
        let stolen_s = processor_times().1 - stolen;
        let (again, stalls) = stalls::meanwhile(|| round_trips(fabric, from, to, count, pause));
        let again = again?;
        Ok(Trips {
            all: Spread::of(trips.iter().map(took), should),
            trips: trips.len(),
            lost: count.saturating_sub(trips.len()),
            stolen_s,
            watched: stalls.ok().map(|stalls| Watched::of(&again, count, should, &stalls)),
        })
    }
}

impl Watched {
    /// Of `count` trips, those that came back.
    fn of(trips: &[Range<Instant>], count: usize, should: Duration, stalls: &Stalls) -> Watched {
        let clear: Vec<Duration> = trips.iter().filter(|trip| !stalls.fell_into(trip)).map(took).collect();
        Watched {
            all: Spread::of(trips.iter().map(took), should),
            trips: trips.len(),
            lost: count.saturating_sub(trips.len()),
            stalled_share: 1.0 - clear.len() as f64 / trips.len().max(1) as f64,
            clear_p99_us: (!clear.is_empty()).then(|| Spread::of(clear, should).p99_us),
        }
    }
}

fn took(trip: &Range<Instant>) -> Duration {
    trip.end - trip.start
}

/// How long one should take.
fn round_trip(shape: &Shape) -> Duration {
    let transmission = shape.rate.map_or(Duration::ZERO, |rate| rate.time_for(ByteSize::from_bytes(PING + HEADERS)));
    2 * (shape.delay + transmission)
}
