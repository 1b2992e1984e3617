//! The plan with which load began, on its cluster.

use super::Evidence;
use crate::record::summary::PlanSummary;
use crate::report::chart::figure::{Figure, Picture, Table};
use crate::report::numbers::{mebibytes, significant, time};
use crate::report::plan_svg::map;
use crate::report::words::tensor;

/// Who sends what to whom, and who was hit by a fault.
pub fn cluster(evidence: Evidence<'_>) -> Option<Figure> {
    let Evidence { scenario, tally, summary, .. } = evidence;
    let plan = summary.plan.as_ref()?;
    let seen = tally.plans.get(&plan.epoch)?;
    // What a stage's input takes, the plan says itself.
    let busy = |_, to: usize, _| {
        let stage = seen.plan.stages.iter().find(|stage| stage.node == to)?;
        Some(time(stage.receive.as_secs_f64() * 1e3))
    };
    let mut map = map(scenario, &seen.plan, busy);
    let hit: Vec<&String> =
        tally.faults.values().filter_map(|fault| fault.fired.as_ref()).flat_map(|fired| &fired.2).collect();
    for node in &mut map.nodes {
        node.hit = hit.contains(&&node.name);
    }
    let marked = if hit.is_empty() { "" } else { " A cross marks what a fault hit, itself or a link of it." };
    let says = format!(
        "{}, planned for {} requests/s; slowest: {}. Arrows are paths with their rates and the time of one transfer; numbers are \
         stages, dashed nodes idle workers.{marked}",
        chains(plan),
        significant(plan.predicted_throughput_per_s),
        plan.limit
    );
    Some(Figure {
        id: "cluster",
        title: "The plan on the cluster".into(),
        says,
        picture: Some(Picture::Map(map)),
        table: stages(plan),
    })
}

fn chains(plan: &PlanSummary) -> String {
    let stages = plan.stages.len();
    let of = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    match plan.chains.len() {
        0 | 1 => of(stages, "stage"),
        chains => format!("{} in {}", of(stages, "stage"), of(chains, "chain")),
    }
}

fn stages(plan: &PlanSummary) -> Table {
    let mut table =
        Table::new(&["#stage", "node", "from", "to", "memory", "#resident MiB", "#receive", "#compute", "#measured"]);
    for stage in &plan.stages {
        table.rows.push(vec![
            stage.stage.to_string(),
            stage.node.clone(),
            tensor(&stage.from, 40),
            tensor(&stage.to, 40),
            format!("{} of {} MiB", mebibytes(stage.memory_bytes), mebibytes(stage.memory_limit_bytes)),
            stage.resident_bytes.map_or_else(|| "–".to_owned(), mebibytes),
            time(stage.receive_ms),
            time(stage.compute_ms),
            stage.measured_compute_ms.map_or_else(|| "–".to_owned(), time),
        ]);
    }
    table
}
