//! What was broken, and how long each step back took.

use super::Evidence;
use crate::record::summary::{FaultSummary, Summary};
use crate::report::chart::bars::{Bars, Part, Row};
use crate::report::chart::figure::{Figure, Picture, Table};
use crate::report::chart::plot::Band;
use crate::report::chart::scale::Axis;
use crate::report::numbers::{grouped, significant, time};
use crate::report::words::fault_name;

const STEPS: [&str; 6] = ["detect", "plan anew", "deploy", "first result", "full rate", "not noticed"];
/// The last of them: what nobody detected passes by itself.
const UNNOTICED: usize = STEPS.len() - 1;

/// The faults that were fired, each with its number and its time: from the effect until it was healed or, if it was not,
/// the pipeline had recovered from it.
pub fn bands(summary: &Summary) -> Vec<Band> {
    let fired = summary.faults.iter().enumerate().filter_map(|(index, fault)| {
        let from = fault.effect_s.or(fault.fired_s)?;
        let to = fault.healed_s.or(fault.full_rate_s).or(fault.recovered_s).unwrap_or(from);
        Some(Band { from, to: to.max(from), number: index + 1, says: format!("{} {}", fault.kind, fault.target) })
    });
    fired.collect()
}

/// The way back from each fault.
pub fn recovery(evidence: Evidence<'_>) -> Option<Figure> {
    let summary = evidence.summary;
    if summary.faults.is_empty() {
        return None;
    }
    let rows: Vec<Row> = summary.faults.iter().enumerate().map(|(index, fault)| row(index, fault)).collect();
    let most = rows.iter().flat_map(|row| &row.parts).map(|part| part.to).fold(0.0, f64::max);
    let x = Axis::linear("seconds after the effect", most.max(0.1));
    let bars = Bars { x, kinds: STEPS.map(String::from).to_vec(), rows };
    let mut table = Table::new(&[
        "#",
        "fault",
        "#planned s",
        "#fired s",
        "#effect s",
        "detected",
        "new plan",
        "deployed",
        "first result",
        "full rate",
        "#results lost",
        "#sent again",
        "p99 before → during → after",
    ]);
    for (index, fault) in summary.faults.iter().enumerate() {
        table.rows.push(cells(index, fault));
    }
    // Nobody plans what programs of others do.
    let table = if summary.has_model() { table } else { table.without(&["new plan", "deployed", "sent again"]) };
    let says = if summary.has_model() {
        "How long each fault kept the pipeline from its full rate, and with what: what the dispatcher needed to notice it, \
                to plan anew, to have every stage loaded, to give the first result of that plan, and to come back to 0.9 of what \
                is to be expected."
    } else {
        "How long each fault was felt: until an attempt was known to have failed, until whoever noticed it had the first answer \
         afterwards, and until answers came at 0.9 of the rate before."
    }
    .to_owned();
    let picture = Some(Picture::Bars(bars)).filter(|_| most > 0.0);
    Some(Figure { id: "recovery", title: "Faults and the way back".into(), says, picture, table })
}

fn row(index: usize, fault: &FaultSummary) -> Row {
    let name = format!("{} {} {}", index + 1, fault.kind, fault.target);
    let Some(effect) = fault.effect_s.or(fault.fired_s) else {
        return Row { name, parts: Vec::new(), note: "not fired".into() };
    };
    let ends = [fault.detected_s, fault.replanned_s, fault.deployed_s, fault.recovered_s, fault.full_rate_s];
    let mut reached = 0.0_f64;
    let mut parts = Vec::new();
    for (kind, end) in ends.into_iter().enumerate() {
        // What came before, as a full rate that was never left, took no time.
        let Some(end) = end.map(|end| end - effect).filter(|end| *end > reached) else { continue };
        parts.push(Part { from: reached, to: end, kind: if fault.detected_s.is_none() { UNNOTICED } else { kind } });
        reached = end;
    }
    let note = if parts.is_empty() { "no outage".to_owned() } else { time(reached * 1e3) };
    Row { name, parts, note }
}

fn cells(index: usize, fault: &FaultSummary) -> Vec<String> {
    let none = || "–".to_owned();
    let at = |seconds: Option<f64>| seconds.map_or_else(none, |at| format!("{at:.3}"));
    let effect = fault.effect_s.or(fault.fired_s);
    let after = |seconds: Option<f64>| {
        seconds.zip(effect).map_or_else(none, |(at, effect)| format!("+{}", time((at - effect).max(0.0) * 1e3)))
    };
    let detected = match (&fault.failed, &fault.detected_by) {
        (Some(why), _) => format!("could not be fired: {why}"),
        (None, Some(by)) => format!("{by} {}", after(fault.detected_s)),
        (None, None) => "not noticed".to_owned(),
    };
    let p99 = [&fault.latency_before_ms, &fault.latency_during_ms, &fault.latency_after_ms];
    let p99 = p99.map(|latency| latency.map_or_else(none, |latency| time(latency.p99)));
    vec![
        (index + 1).to_string(),
        fault_name(fault),
        significant(fault.planned_s),
        at(fault.fired_s),
        at(fault.effect_s),
        detected,
        after(fault.replanned_s),
        after(fault.deployed_s),
        after(fault.recovered_s),
        after(fault.full_rate_s),
        fault.lost_results.map_or_else(none, significant),
        grouped(fault.replayed),
        p99.join(" → "),
    ]
}
