//! Plans from the lowest latency to the highest throughput, for people and for programs.

use comfy_table::{CellAlignment, Table, presets};
use planner::plan::Plan;
use planner::profile::ModelProfile;
use planner::strategy::Front;
use serde::Serialize;

use super::numbers::{significant, time};
use super::plan::PlanView;
use crate::scenario::Scenario;

/// All plans of which no other has both more throughput and less latency.
#[derive(Debug, Clone, Serialize)]
pub struct ParetoView {
    /// Whether every plan is proven to be one of them and none is missing.
    pub complete: bool,
    /// How long the search took, in seconds.
    pub took_s: f64,
    /// The plans: latency and throughput both grow. A plan's gap is that of its latency, at its throughput.
    pub plans: Vec<PlanView>,
}

impl ParetoView {
    /// A front of this scenario's plans.
    pub fn new(scenario: &Scenario, profile: &ModelProfile, front: &Front<Plan>, took_s: f64) -> ParetoView {
        let plans = front.points.iter().map(|plan| PlanView::new(scenario, profile, plan)).collect();
        ParetoView { complete: front.complete, took_s, plans }
    }

    /// For people.
    pub fn text(&self, model: &str) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["throughput", "latency", "stages", "slowest", "proof"]);
        for plan in &self.plans {
            table.add_row([
                format!("{}/s", significant(plan.throughput_per_s)),
                time(plan.latency_ms),
                plan.chains.iter().map(|chain| chain.stages.len()).sum::<usize>().to_string(),
                plan.limit.clone(),
                plan.proof(),
            ]);
        }
        for column in [0, 1, 2] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let complete = match (self.complete, self.plans.len()) {
            (true, 1) => "one plan has both the lowest latency and the highest throughput".to_owned(),
            (true, plans) => format!("{plans} plans are worth having: each has the lowest latency at its throughput"),
            (false, _) => "time ran out: more plans may be worth having (--time)".to_owned(),
        };
        format!("{model}: {complete}\n{table}\n")
    }
}
