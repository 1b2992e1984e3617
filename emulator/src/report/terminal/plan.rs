//! What was to run where, as the closing text of a run tells it.

use super::writer::{Ink, Writer, indented};
use crate::record::outputs::SUMMARY;
use crate::record::summary::{CutName, PlanChange, PlanSummary, Summary};
use crate::report::numbers::{counted, mebibytes, significant, time};
use crate::report::words::tensor;

/// The plan with which load began, the others that were in force, and what was learned meanwhile.
pub fn told(writer: &Writer, plan: &PlanSummary, summary: &Summary) -> String {
    let title = writer.title(&counted(plan.stages.len() as u64, "stage"));
    let note = format!(" planned for {}/s, slowest: {}", significant(plan.predicted_throughput_per_s), plan.limit);
    let header = ["#", "node", "from → to", "memory", "receive", "compute", "measured"];
    let shown = header.len() - usize::from(writer.narrow());
    let mut table = writer.table(&header[..shown], &[0, 3, 4, 5, 6]);
    let longest = if writer.narrow() { 11 } else { 20 };
    let tensor = |cut: &CutName| tensor(cut, longest);
    for stage in &plan.stages {
        let row = [
            stage.stage.to_string(),
            stage.node.clone(),
            writer.plain(&format!("{} → {}", tensor(&stage.from), tensor(&stage.to))),
            format!("{} of {} MiB", mebibytes(stage.memory_bytes), mebibytes(stage.memory_limit_bytes)),
            time(stage.receive_ms),
            time(stage.compute_ms),
            stage.measured_compute_ms.map_or_else(|| writer.plain("–"), time),
        ];
        table.add_row(row.into_iter().take(shown));
    }
    let mut text = format!("{title}{}\n{}\n", writer.plain(&note), indented(&table));
    if plan.chains.len() > 1 {
        for (number, chain) in plan.chains.iter().enumerate() {
            let stages: Vec<String> = chain.stages.iter().map(ToString::to_string).collect();
            let line =
                format!("stages {} · {} % of the requests", stages.join(" → "), significant(chain.share * 100.0));
            text += &writer.wrapped(&format!("  chain {number}: "), Ink::Dim, &line);
        }
    }
    let others = summary.plans.iter().filter(|other| other.epoch != plan.epoch);
    let others: Vec<(&str, String)> =
        others.map(|other| (if other.epoch < plan.epoch { "  before " } else { "  then " }, change(other))).collect();
    for lines in [others, learned(summary)] {
        let (few, more) = writer.few(&lines, SUMMARY);
        few.iter().for_each(|(lead, line)| text += &writer.wrapped(lead, Ink::Dim, line));
        text += &more;
    }
    text
}

/// A plan that came into force before or after.
fn change(change: &PlanChange) -> String {
    let PlanChange { reason, nodes, .. } = change;
    let ready = change.deployed_s.map_or_else(|| "never deployed".to_owned(), |at| format!("flowing at {at:.2} s"));
    let loaded = if change.loaded.is_empty() { "nothing".to_owned() } else { change.loaded.join(", ") };
    let prepared = change.prepared.join(", ");
    let prepared = if prepared.is_empty() { prepared } else { format!(" · was prepared: {prepared}") };
    format!("{reason}: {} · {ready} · loaded: {loaded}{prepared}", nodes.join(" → "))
}

/// What the dispatcher learned of nodes that the scenario doesn't say, or says otherwise.
fn learned(summary: &Summary) -> Vec<(&'static str, String)> {
    let slow = summary.slow.iter().map(|slow| {
        let (node, factor) = (&slow.node, significant(slow.factor));
        (slow.at_s, format!("{node} computes {factor} times slower than it should"))
    });
    let refused = summary.refused.iter().map(|refused| {
        (refused.at_s, format!("{} refused its stage of plan {}: {}", refused.node, refused.epoch, refused.reason))
    });
    let mut learned: Vec<(f64, String)> = slow.chain(refused).collect();
    learned.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    learned.into_iter().map(|(at, what)| ("  learned ", format!("{what}, at {at:.2} s"))).collect()
}
