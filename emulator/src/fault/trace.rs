//! `trace`: the rate between two neighbours changes over time as it did where it was recorded: on a mobile link, in a
//! moving car. Where the record says that nothing passed, packets wait as they would have: they are not lost, unless
//! more come than the queue takes.

use std::time::Duration;

use planner::units::Rate;

use super::catalogue::{Entry, Need};
use super::damage::{Change, Harm};
use super::steps::{MOST, Step};
use super::target::{Aim, ways};
use super::{FaultError, Hit};
use crate::scenario::network::Shape;
use crate::scenario::{PairTarget, RateStep, ShapeChange};

/// What there is to say of it.
pub const ENTRY: Entry = Entry {
    kind: "trace",
    happens: "the rate between two neighbours follows a recorded one: a mahimahi trace or a CSV of time and rate",
    healed: "the rate it had",
    notice: "throughput that comes and goes; queues that fill; while nothing passes, silence",
    needs: Need::Nothing,
    of_a_node: false,
    simulated: true,
};

/// What it does if it fires now.
pub fn aim(
    aim: &Aim<'_>,
    target: &PairTarget,
    (rates, period): (&[RateStep], Option<Duration>),
    both: bool,
) -> Result<Hit, FaultError> {
    let pair = aim.neighbours(target)?;
    let mut steps = Vec::new();
    let mut round = Duration::ZERO;
    'rounds: loop {
        for RateStep { after, rate } in rates {
            let after = round + *after;
            if steps.len() >= MOST || (after >= aim.span && !after.is_zero()) {
                break 'rounds;
            }
            let rate = rate.unwrap_or(STANDSTILL);
            let change = ShapeChange::to(&Shape { rate: Some(rate), ..Shape::default() });
            let harms = ways(pair, both).map(|way| Harm::Shape(way, Change::Values(change.clone()))).collect();
            steps.push(Step { after, what: rate.to_string(), harms });
        }
        match period {
            Some(period) if !period.is_zero() && !rates.is_empty() => round += period,
            _ => break,
        }
    }
    Ok(Hit::of_a_pair(aim, pair, both, steps))
}

/// The rate where nothing passes: a full-size packet each second. One that has begun to be sent is through within a
/// second of the end of a standstill, also where the carrier can't shorten what it has begun.
const STANDSTILL: Rate = Rate::from_bits_per_second(Shape::PACKET * 8);
