//! What people read of a run, computed from its record alone: [`summarise`] and [`expect`] judge it,
//! [`terminal`] says it in words and tables, [`evidence`] shows it in figures, of which [`page`] and [`markdown`] are made.
//! [`chart`] draws.

mod chart;
pub mod columns;
pub mod comparison;
pub mod evidence;
mod expect;
mod fidelity;
pub mod files;
pub mod gate;
mod invariants;
mod markdown;
pub(crate) mod numbers;
mod page;
pub mod paper;
pub mod paper_svg;
pub mod pareto;
pub mod plan;
pub mod plan_svg;
mod processes;
pub mod progress;
pub mod sweep;
pub mod terminal;
mod words;
mod xml;

pub use expect::{Violation, expect};

use crate::exit::Exit;
use crate::record::invariant::NOTHING_LEFT;
use crate::record::summary::Summary;
use crate::record::tally::Tally;
use crate::scenario::Scenario;

/// The summary of a run with what the scenario expected of it.
///
/// Its exit code is the one that the run ended with; 1 when that was 0 and an invariant was broken or an expectation failed.
/// A process that was left is told by 1, too, whether or not the kernel's control groups stumbled over it.
pub fn summarise(scenario: &Scenario, tally: &Tally) -> Summary {
    let mut summary = Summary::of(scenario, tally);
    let violations = expect(scenario, &summary);
    let left = violations.iter().any(|violation| violation.expectation == NOTHING_LEFT);
    if (summary.exit == 0 && !violations.is_empty()) || (summary.exit == Exit::LeftBehind.code() && left) {
        summary.exit = 1;
    }
    summary.violations = violations.iter().map(Violation::to_string).collect();
    summary
}
