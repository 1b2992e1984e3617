//! Whether a run was as its scenario expects.

use std::fmt;

use crate::record::summary::Summary;
use crate::scenario::Scenario;

/// An expectation that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which: a key of `[expect]`, or `lost`, `duplicated`, `wrong`, which are always expected to be 0.
    pub expectation: &'static str,
    /// What was expected and what was found, in words.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.expectation, self.text)
    }
}

/// Every expectation that failed. That no request is lost, answered twice or answered wrongly, and
/// that any is answered at all, is expected of every run.
pub fn expect(scenario: &Scenario, summary: &Summary) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut fail = |expectation, text: String| violations.push(Violation { expectation, text });
    let requests = summary.requests;
    if requests.lost > 0 {
        fail("lost", format!("{} accepted requests had neither a result nor an error at the end", requests.lost));
    }
    if requests.duplicated > 0 {
        fail("duplicated", format!("{} requests had more than one result", requests.duplicated));
    }
    if requests.wrong > 0 {
        fail("wrong", format!("{} results differ from the unsplit model's", requests.wrong));
    }
    if requests.completed == 0 {
        fail("completed", format!("of {} requests offered, none was completed", requests.offered));
    }
    let expect = &scenario.expect;
    if let Some(least) = expect.completed.filter(|least| requests.completed.max(1) < *least) {
        fail("completed", format!("at least {least} expected, {} were completed", requests.completed));
    }
    if let Some(most) = expect.errored.filter(|most| requests.errored > *most) {
        fail("errored", format!("at most {most} expected, {} had an error", requests.errored));
    }
    if let Some(least) = expect.throughput_per_s.filter(|least| summary.throughput_per_s < *least) {
        fail("throughput_per_s", format!("at least {least} expected, {} found", summary.throughput_per_s));
    }
    if let Some(most) = expect.p99_ms {
        match summary.latency_ms {
            Some(latency) if latency.p99 <= most => {}
            Some(latency) => fail("p99_ms", format!("at most {most} expected, {} found", latency.p99)),
            None => fail("p99_ms", "no request was completed whose latency could be measured".to_owned()),
        }
    }
    if let Some(least) = expect.of_bound {
        match &summary.bound {
            Some(bound) if bound.reached >= least => {}
            Some(bound) => {
                let text = format!("at least {least} of {} per second expected", bound.throughput_per_s);
                fail("of_bound", format!("{text} ({}), {} reached", bound.limit, bound.reached));
            }
            None => fail("of_bound", "no plan was made".to_owned()),
        }
    }
    if let Some(most) = expect.recovery_ms {
        for fault in &summary.faults {
            let Some(effect) = fault.effect_s.or(fault.fired_s) else { continue };
            let what = format!("{} {} at {} s", fault.kind, fault.target, fault.planned_s);
            match fault.recovered_s.map(|recovered| (recovered - effect) * 1e3) {
                Some(took) if took <= most => {}
                Some(took) => fail("recovery_ms", format!("at most {most} expected, {took:.0} after {what}")),
                // What nobody noticed and nobody healed needs no recovery.
                None if fault.detected_s.is_none() && fault.healed_s.is_none() => {}
                None => fail("recovery_ms", format!("no result came any more after {what}")),
            }
        }
    }
    violations
}
