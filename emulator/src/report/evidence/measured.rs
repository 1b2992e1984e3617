//! What was measured of programs of others.

use super::Evidence;
use crate::report::chart::figure::{Figure, Table};
use crate::report::numbers::{grouped, time};

/// Every probe, and what programs told of themselves.
pub fn measured(evidence: Evidence<'_>) -> Option<Figure> {
    let measured = &evidence.summary.measured;
    if measured.is_empty() {
        return None;
    }
    let none = || "–".to_owned();
    let mut table = Table::new(&[
        "name",
        "kind",
        "from",
        "to",
        "#offered",
        "#answered",
        "#failed",
        "#p50",
        "#p99",
        "#max",
        "first failure",
    ]);
    for it in measured {
        let latency = |of: fn(&crate::record::summary::Latency) -> f64| {
            it.latency_ms.as_ref().map_or_else(none, |latency| time(of(latency)))
        };
        table.rows.push(vec![
            it.name.clone(),
            it.kind.clone(),
            it.from.clone(),
            it.to.clone().unwrap_or_else(none),
            grouped(it.offered),
            grouped(it.completed),
            grouped(it.errored),
            latency(|latency| latency.p50),
            latency(|latency| latency.p99),
            latency(|latency| latency.max),
            it.first_error.clone().unwrap_or_else(none),
        ]);
    }
    Some(Figure {
        id: "measured",
        title: "What was measured".into(),
        says: "Each probe, and what programs told of themselves, in the whole run; latency is from the instant at which each attempt \
               was due, of those due after the warm-up."
            .into(),
        picture: None,
        table,
    })
}
