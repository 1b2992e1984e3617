//! Where a request's time goes.

use super::Evidence;
use crate::record::passage::{StepKind, passage as way};
use crate::report::chart::bars::{Bars, Part, Row};
use crate::report::chart::figure::{Figure, Picture, Table};
use crate::report::chart::scale::Axis;
use crate::report::numbers::{grouped, time};

const KINDS: [&str; 5] = ["held by the client", "receive", "queue", "compute", "send"];

/// The mean request, from the instant at which it was due until the client has its result.
pub fn passage(evidence: Evidence<'_>) -> Option<Figure> {
    let passage = way(evidence.scenario, evidence.tally)?;
    let kind = |kind: StepKind| match kind {
        StepKind::Wait => 0,
        StepKind::Receive => 1,
        StepKind::Queue => 2,
        StepKind::Compute => 3,
        StepKind::Send => 4,
    };
    let mut table = Table::new(&["node", "step", "#mean ms", "#p99 ms"]);
    let mut rows: Vec<Row> = Vec::new();
    let mut reached = 0.0;
    for step in &passage.steps {
        let mean = step.mean.as_secs_f64() * 1e3;
        let part = Part { from: reached, to: reached + mean, kind: kind(step.kind) };
        reached += mean;
        match rows.last_mut() {
            Some(row) if row.name == step.node => row.parts.push(part),
            _ => rows.push(Row { name: step.node.clone(), parts: vec![part], note: String::new() }),
        }
        let millis = |time: std::time::Duration| format!("{:.2}", time.as_secs_f64() * 1e3);
        table.rows.push(vec![
            step.node.clone(),
            KINDS[kind(step.kind)].to_owned(),
            millis(step.mean),
            millis(step.p99),
        ]);
    }
    for row in &mut rows {
        let took = row.parts.last().map_or(0.0, |part| part.to) - row.parts.first().map_or(0.0, |part| part.from);
        row.note = time(took);
    }
    Some(Figure {
        id: "passage",
        title: "Where a request's time goes".into(),
        says: format!(
            "The mean of {} requests that went undisturbed through plan {}, chain {}, node by node. To receive is to wait for the \
             last byte, on the way or behind others; the dispatcher's includes the wait for its turn.",
            grouped(passage.requests as u64),
            passage.epoch,
            passage.chain
        ),
        picture: Some(Picture::Bars(Bars {
            x: Axis::linear("milliseconds since the request was due", reached),
            kinds: KINDS.map(String::from).to_vec(),
            rows,
        })),
        table,
    })
}
