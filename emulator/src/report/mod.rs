//! What people read of a run, computed from its record alone: [`summarise`] and [`expect`] judge it,
//! [`terminal`] says it in words and tables.

mod expect;
mod numbers;
pub mod terminal;

pub use expect::{Violation, expect};

use crate::record::summary::Summary;
use crate::record::tally::Tally;
use crate::scenario::Scenario;

/// The summary of a run with what the scenario expected of it.
///
/// Its exit code is 130 when the user interrupted the run, 5 when a process died that no fault ended,
/// 1 when an expectation failed, and 0 otherwise. What the record can't know (a teardown that left
/// something, a signal other than Ctrl-C) is for the caller to put in.
pub fn summarise(scenario: &Scenario, tally: &Tally) -> Summary {
    let mut summary = Summary::of(scenario, tally);
    let violations = expect(scenario, &summary);
    if summary.exit == 0 && !violations.is_empty() {
        summary.exit = 1;
    }
    summary.violations = violations.iter().map(Violation::to_string).collect();
    summary
}
