//! What was measured of programs of others.

use super::super::numbers::{grouped, time};
use super::Writer;
use crate::record::summary::{MeasuredSummary, Summary};

/// A line for each thing that was measured, and one for each check.
pub(super) fn told(writer: &Writer, summary: &Summary) -> String {
    let mut text = String::new();
    for (number, measured) in summary.measured.iter().enumerate() {
        text += &writer.row(if number == 0 { "measured" } else { "" }, &line(measured));
    }
    for (number, check) in summary.checks.iter().enumerate() {
        let how = if check.passed { "holds" } else { "failed" };
        text += &writer.row(if number == 0 { "checks" } else { "" }, &format!("{} {how}: {}", check.node, check.said));
    }
    text
}

fn line(measured: &MeasuredSummary) -> String {
    let MeasuredSummary { name, kind, from, to, offered, completed, errored, first_error, latency_ms } = measured;
    let way = to.as_ref().map_or_else(|| from.clone(), |to| format!("{from} → {to}"));
    let mut text = format!("{name} ({kind}, {way}): {} of {} answered", grouped(*completed), grouped(*offered));
    if let Some(latency) = latency_ms {
        text += &format!(", p50 {}, p99 {}", time(latency.p50), time(latency.p99));
    }
    if let Some(reason) = first_error {
        text += &format!("; {} failed, the first: {reason}", grouped(*errored));
    }
    text
}
