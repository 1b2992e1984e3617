//! What a fault cost: how long it took until results came at the full rate again, how many did not come meanwhile, how
//! many requests had to be sent again, and the latency before, during and after.
//!
//! - **Full rate** is reached with the first result, not before the one by which the pipeline had recovered
//!   ([`super::recovery`]), behind which results come at 0.9 of what is to be expected ([`super::rate`]) for
//!   twenty results and two seconds at least.
//! - **During** is from the fault's effect until it is healed and the full rate is reached, or until load ends.
//! - **Before** is from the end of the warm-up, or the last instant at which another fault was fired or healed, to the effect.
//!   **After** is from the end of *during* until the next fault is fired, or until load ends.
//! - **Lost** is the area between what was to be expected and what came, from the effect to the full rate, in results. What is caught up
//!   on later is not set against it.
//!
//! Faults that overlap each count all of what happened in their time.

use node::clock::Instant;

use super::rate::{Calm, FULL, count, rates, window};
use super::recovery::{Arrivals, Recovery};
use super::tally::{FaultSeen, Tally, Window};
use crate::scenario::Scenario;

/// See the module's documentation.
#[derive(Debug, Clone, PartialEq)]
pub struct Impact {
    /// When results came at the full rate again; `None`: not while load was offered, or it can't be told.
    pub full_rate: Option<Instant>,
    /// Results that were to be expected and did not come; `None`: it can't be told.
    pub lost: Option<f64>,
    /// Requests that were sent again.
    pub replayed: u64,
    /// The time before.
    pub before: Window,
    /// The time during.
    pub during: Window,
    /// The time after.
    pub after: Window,
}

/// What the fault with this index cost; `None` if it was not fired while load was offered.
pub fn impact(
    scenario: &Scenario,
    tally: &Tally,
    arrivals: &Arrivals,
    calm: Option<Calm>,
    index: usize,
    recovery: &Recovery,
) -> Option<Impact> {
    let whole = tally.window(scenario);
    let seen = tally.faults.get(&index)?;
    let effect = effect(seen)?;
    if effect >= whole.to {
        return None;
    }
    let begin = recovery.recovered.unwrap_or(effect).max(effect);
    let expected = calm.and_then(|calm| calm.expected(scenario, tally, begin));
    let full_rate = expected.and_then(|expected| {
        let between = Window { from: begin, to: whole.to };
        let full = |(_, rate): &(Instant, f64)| *rate >= FULL * expected;
        rates(arrivals, between, window(expected)).find(full).map(|(at, _)| at)
    });
    let until = full_rate.unwrap_or(whole.to);
    let lost = expected.map(|expected| {
        let came = count(arrivals, effect, until) as f64;
        (expected * until.since(effect).as_secs_f64() - came).max(0.0)
    });
    let during = Window { from: effect, to: until.max(seen.healed.unwrap_or(until)).min(whole.to) };
    let others = || tally.faults.iter().filter(|(other, _)| **other != index).map(|(_, seen)| seen);
    let turns = others().flat_map(|seen| [seen.fired.as_ref().map(|(at, ..)| *at), seen.healed]).flatten();
    let calm_since = turns.filter(|at| *at <= effect).max().map_or(whole.from, |last| last.max(whole.from));
    let next = others().filter_map(|seen| seen.fired.as_ref().map(|(at, ..)| *at)).filter(|at| *at >= during.to).min();
    // A fault that fired before and still holds leaves nothing that could be called before.
    let holds = others().any(|seen| {
        seen.fired.as_ref().is_some_and(|(at, ..)| *at <= effect) && seen.healed.is_some_and(|healed| healed > effect)
    });
    let replayed = tally.replays.iter().filter(|(at, _)| effect <= *at && *at <= during.to);
    Some(Impact {
        full_rate,
        lost,
        replayed: replayed.map(|(_, requests)| requests.len() as u64).sum(),
        before: Window { from: if holds { effect } else { calm_since }, to: effect },
        during,
        after: Window { from: during.to, to: next.unwrap_or(whole.to) },
    })
}

fn effect(seen: &FaultSeen) -> Option<Instant> {
    seen.effective.or(seen.fired.as_ref().map(|(at, ..)| *at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture;
    use crate::record::recovery::{arrivals, recovery};

    fn of(index: usize) -> (Impact, Instant) {
        let run = fixture::crashes();
        let tally = run.tally();
        let arrivals = arrivals(&tally);
        let calm = Calm::of(&run.scenario, &tally, &arrivals).ok();
        let recovery = recovery(&run.scenario, &tally, &arrivals, index);
        let impact = impact(&run.scenario, &tally, &arrivals, calm, index, &recovery).unwrap();
        (impact, tally.load_started.unwrap())
    }

    fn near(found: f64, expected: f64, by: f64) {
        assert!((found - expected).abs() <= by, "{found} is not about {expected}");
    }

    #[test]
    fn an_outage_costs_what_did_not_come_and_what_was_in_the_pipeline() {
        let (killed, began) = of(0);
        let seconds = |at: Instant| at.since(began).as_secs_f64();
        // Nothing came from 12.05 to 14.04, then what had waited, faster than it was asked for.
        near(seconds(killed.full_rate.unwrap()), 14.04, 0.05);
        near(killed.lost.unwrap(), 8.0 * 2.0, 1.5);
        assert_eq!(killed.replayed, 4);
        near(seconds(killed.before.from), 5.0, 1e-6);
        near(seconds(killed.during.from), 12.0021, 1e-3);
        // It was healed when all was well again.
        near(seconds(killed.during.to), 22.0, 1e-3);
        near(seconds(killed.after.to), 25.0003, 1e-3);
    }

    #[test]
    fn what_nobody_notices_costs_nothing() {
        let (slow, _) = of(2);
        assert!(slow.lost.unwrap() < 2.0, "{slow:?}");
        assert_eq!(slow.replayed, 0);
        assert!(slow.full_rate.is_some());
    }

    #[test]
    fn without_a_calm_time_nothing_is_said_of_rates() {
        let run = fixture::crashes();
        let tally = run.tally();
        let none = impact(&run.scenario, &tally, &arrivals(&tally), None, 0, &Recovery::default()).unwrap();
        assert_eq!((none.full_rate, none.lost), (None, None));
        assert_eq!(none.during.to, tally.load_ended.unwrap());
    }
}
