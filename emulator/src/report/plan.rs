//! A plan, for people and for programs.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};
use planner::plan::{Limit, Plan};
use planner::profile::ModelProfile;
use planner::strategy::StrategyKind;
use serde::Serialize;

use super::numbers::{significant, time};
use crate::scenario::Scenario;

/// What one strategy answered.
#[derive(Debug, Clone, Serialize)]
pub struct Answer {
    /// The strategy.
    pub strategy: StrategyKind,
    /// How long it took, in seconds.
    pub took_s: f64,
    /// The plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanView>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A plan with names instead of numbers.
#[derive(Debug, Clone, Serialize)]
pub struct PlanView {
    /// Requests per second.
    pub throughput_per_s: f64,
    /// The longest time that anything is busy for each request, in milliseconds.
    pub bottleneck_ms: f64,
    /// What that is.
    pub limit: String,
    /// End-to-end latency of a request that meets no other, in milliseconds.
    pub latency_ms: f64,
    /// Energy of one inference, in joules, at that throughput.
    pub joules: f64,
    /// How much could be won at most: 0.02 is 2 %. Nothing where no bound is known.
    pub gap: Option<f64>,
    /// Whether no plan is better.
    pub optimal: bool,
    /// The ways through the model.
    pub chains: Vec<ChainView>,
}

/// A way through the model.
#[derive(Debug, Clone, Serialize)]
pub struct ChainView {
    /// The part of the requests that takes it.
    pub share: f64,
    /// Its stages, in order.
    pub stages: Vec<StageView>,
}

/// A stage.
#[derive(Debug, Clone, Serialize)]
pub struct StageView {
    /// The node's name.
    pub node: String,
    /// The tensor that comes in.
    pub from: String,
    /// The tensor that goes out.
    pub to: String,
    /// Predicted memory, in bytes.
    pub memory_bytes: u64,
    /// The node's memory, in bytes.
    pub memory_limit_bytes: u64,
    /// Time that the input takes, in milliseconds.
    pub receive_ms: f64,
    /// Time that it computes, in milliseconds.
    pub compute_ms: f64,
}

impl PlanView {
    /// A plan of this scenario.
    pub fn new(scenario: &Scenario, profile: &ModelProfile, plan: &Plan) -> PlanView {
        let name = |node: usize| scenario.nodes.get(node).map_or_else(String::new, |node| node.name.clone());
        let millis = |time: std::time::Duration| time.as_secs_f64() * 1e3;
        let stage = |index: &usize| {
            let stage = &plan.stages[*index];
            let tensor = |cut: usize| profile.cuts[cut].name();
            StageView {
                node: name(stage.node),
                from: tensor(stage.segment.from),
                to: tensor(stage.segment.to),
                memory_bytes: stage.memory.bytes(),
                memory_limit_bytes: scenario.nodes[stage.node].memory.bytes(),
                receive_ms: millis(stage.receive),
                compute_ms: millis(stage.compute),
            }
        };
        let chains = plan
            .chains
            .iter()
            .map(|chain| ChainView { share: chain.share, stages: chain.stages.iter().map(stage).collect() });
        PlanView {
            throughput_per_s: plan.prediction.throughput_per_s(),
            bottleneck_ms: millis(plan.prediction.bottleneck),
            limit: match plan.prediction.limit {
                Limit::Path { from, to } => format!("the path {} -> {}", name(from), name(to)),
                Limit::Compute { node } => format!("computing on {}", name(node)),
                Limit::Air { .. } => "the airtime that all nodes share".to_owned(),
            },
            latency_ms: millis(plan.prediction.latency),
            joules: plan.prediction.joules,
            gap: plan.proof.map(|proof| proof.gap()),
            optimal: plan.proof.is_some_and(|proof| proof.optimal()),
            chains: chains.collect(),
        }
    }

    /// How good it is known to be, in words.
    pub fn proof(&self) -> String {
        match self.gap {
            Some(_) if self.optimal => "proven optimal".to_owned(),
            Some(gap) => format!("at most {} % could be won", significant(gap * 100.0)),
            None => "no bound is known".to_owned(),
        }
    }

    /// For people.
    pub fn text(&self, title: &str) -> String {
        let mut text = format!("{title}\n");
        let nodes: std::collections::BTreeSet<&str> =
            self.chains.iter().flat_map(|chain| &chain.stages).map(|stage| stage.node.as_str()).collect();
        let _ = writeln!(
            text,
            "  throughput  {}/s ({}; slowest: {})\n  latency     {} of a request that meets no other\n  energy      {} J for one inference\n  uses        {} nodes in {}",
            significant(self.throughput_per_s),
            self.proof(),
            self.limit,
            time(self.latency_ms),
            significant(self.joules),
            nodes.len(),
            if self.chains.len() == 1 { "one chain".to_owned() } else { format!("{} chains", self.chains.len()) },
        );
        for (number, chain) in self.chains.iter().enumerate() {
            let mut table = Table::new();
            table.load_style(presets::NOTHING);
            table.set_header(["#", "node", "from -> to", "memory", "receive", "compute"]);
            for (index, stage) in chain.stages.iter().enumerate() {
                let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
                table.add_row([
                    index.to_string(),
                    stage.node.clone(),
                    format!("{} -> {}", stage.from, stage.to),
                    format!("{:.0} of {:.0} MiB", mebibytes(stage.memory_bytes), mebibytes(stage.memory_limit_bytes)),
                    time(stage.receive_ms),
                    time(stage.compute_ms),
                ]);
            }
            for column in [0, 3, 4, 5] {
                if let Some(column) = table.column_mut(column) {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
            if self.chains.len() > 1 {
                let _ = writeln!(text, "\n  chain {number}, {} % of the requests", significant(chain.share * 100.0));
            }
            let _ = writeln!(text, "\n{table}");
        }
        text
    }
}

/// Strategies side by side.
pub fn comparison(answers: &[Answer]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["strategy", "throughput", "latency", "energy", "nodes", "of the best", "proof", "took"]);
    let throughput = |answer: &Answer| answer.plan.as_ref().map_or(0.0, |plan| plan.throughput_per_s);
    let best = answers.iter().map(throughput).fold(0.0, f64::max);
    for answer in answers {
        let took = time(answer.took_s * 1e3);
        let row = match (&answer.plan, &answer.error) {
            (Some(plan), _) => [
                answer.strategy.to_string(),
                format!("{}/s", significant(plan.throughput_per_s)),
                time(plan.latency_ms),
                format!("{} J", significant(plan.joules)),
                plan.chains.iter().map(|chain| chain.stages.len()).sum::<usize>().to_string(),
                format!("{:.0} %", plan.throughput_per_s / best * 100.0),
                // A heuristic knows no bound worth telling.
                if answer.strategy == StrategyKind::Optimal { plan.proof() } else { String::new() },
                took,
            ],
            (None, error) => {
                let mut row: [String; 8] = Default::default();
                (row[0], row[1], row[7]) = (answer.strategy.to_string(), "none".to_owned(), took);
                row[6] = error.clone().unwrap_or_default();
                row
            }
        };
        table.add_row(row);
    }
    for column in [1, 2, 3, 4, 5, 7] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{table}\n")
}
