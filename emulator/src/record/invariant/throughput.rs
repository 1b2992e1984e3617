//! `throughput_returns`: after the last fault is healed, throughput returns to 0.9 of what is to be expected
//! ([`crate::record::rate`]): there is a stretch of time, long enough for twenty results and two seconds at least, in which it was so high.
//!
//! Judged if enough time was left: [`SETTLE`] for the system to find itself again, and one such stretch. A node that is
//! killed and not started again is planned around, so its fault is over when it has had its effect; any other fault that is
//! never healed leaves the plan's promise void. So does a host that could not compute or carry what the scenario asks for
//! ([`fidelity`]): what it may have cost in that time is granted before anything is held against the system under test.

use std::time::Duration;

use node::clock::Instant;

use super::{Breach, Verdict, cut_short};
use crate::record::fidelity;
use crate::record::rate::{Calm, FULL, rates, window};
use crate::record::recovery::arrivals;
use crate::record::tally::{Tally, Window};
use crate::scenario::{FaultKind, Scenario};

/// Time that the system may take to find itself again.
pub const SETTLE: Duration = Duration::from_secs(4);

pub(super) fn check(scenario: &Scenario, tally: &Tally) -> Verdict {
    match judge(scenario, tally) {
        Ok(None) => Verdict::Held,
        Ok(Some(text)) => Verdict::Broken(vec![Breach { request: None, text }]),
        Err(reason) => Verdict::NotJudged(reason),
    }
}

/// What is wrong, if anything; or why that can't be told.
fn judge(scenario: &Scenario, tally: &Tally) -> Result<Option<String>, String> {
    if let Some(reason) = cut_short(tally) {
        return Err(reason);
    }
    let (healed, left) = over(scenario, tally)?;
    let end = tally.load_ended.unwrap_or(tally.last);
    if tally.unplannable.is_some_and(|at| tally.plans.values().all(|plan| plan.at < at)) && left {
        return Err("no plan was possible without the nodes that stayed away".to_owned());
    }
    let arrivals = arrivals(tally);
    let calm = Calm::of(scenario, tally, &arrivals)?;
    let expected = calm.expected(scenario, tally, end).ok_or("no plan was made")?;
    let window = window(expected);
    if healed + SETTLE + window > end {
        let needed = (SETTLE + window).as_secs_f64();
        return Err(format!("less than {needed:.1} s of load were left after the last fault"));
    }
    let since = Window { from: healed, to: end };
    let best = rates(&arrivals, since, window).map(|(_, rate)| rate).fold(0.0, f64::max);
    if best >= FULL * expected {
        return Ok(None);
    }
    let doubts = fidelity::doubts(scenario, tally, since);
    if let Some(doubt) = doubts.iter().max_by(|a, b| a.throughput.total_cmp(&b.throughput))
        && best >= FULL * expected * (1.0 - doubt.throughput)
    {
        return Err(format!("throughput stayed low, and that may be this host's doing: {}", doubt.what));
    }
    Ok(Some(format!(
        "in {:.1} s after the last fault throughput came to {best:.2} per second at most, and {expected:.2} were to be expected",
        end.since(healed).as_secs_f64()
    )))
}

/// When the last fault was over, and whether a node stays away.
fn over(scenario: &Scenario, tally: &Tally) -> Result<(Instant, bool), String> {
    let (mut last, mut left) = (None, false);
    for (index, seen) in &tally.faults {
        let Some((fired, ..)) = seen.fired else { continue };
        let effective = seen.effective.unwrap_or(fired);
        let end = match (seen.healed, scenario.faults.get(*index).map(|fault| &fault.kind)) {
            (Some(healed), _) => healed,
            (None, Some(FaultKind::Kill { .. })) => {
                left = true;
                effective
            }
            // What is spoilt stays so, but nothing more happens.
            (None, Some(FaultKind::BitFlip { .. } | FaultKind::Truncate { .. })) => effective,
            (None, _) => return Err("a fault is never healed".to_owned()),
        };
        last = last.max(Some(end));
    }
    last.map(|last| (last, left)).ok_or_else(|| "nothing broke".to_owned())
}
