//! SEIFER's study as tables: for people, and for programs.

use std::collections::BTreeMap;
use std::fmt::Write;

use planner::paper::{Contender, Grid, Row, Rules};

use super::numbers::significant;

/// How far from the published figure a row may be to count as reproduced.
const NEAR: f64 = 0.05;

/// All rows as CSV, times in seconds.
pub fn csv(rows: &[Row]) -> String {
    let mut text =
        "rules,model,capacity_mib,nodes,strategy,classes,clusters,found,impossible,mean_s,error_s,stages,to_optimum,\
                    worst_to_optimum,below_bound,published_ratio,proven,slowest_s,published_s,to_published\n"
            .to_owned();
    let count = |count: Option<u64>| count.map_or_else(String::new, |count| count.to_string());
    let number = |number: Option<f64>| number.map_or_else(String::new, |number| format!("{number:.6}"));
    for row in rows {
        let fields = [
            row.rules.name().to_owned(),
            row.model.to_owned(),
            row.capacity_mib.to_string(),
            row.nodes.to_string(),
            row.strategy.name().to_owned(),
            count(row.classes.map(|classes| classes as u64)),
            row.clusters.to_string(),
            row.found.to_string(),
            row.impossible.to_string(),
            number(row.mean_s),
            number(row.error_s),
            number(row.stages),
            number(row.to_optimum),
            number(row.worst_to_optimum),
            row.below_bound.to_string(),
            number(row.published_ratio),
            count(row.proven),
            number(Some(row.slowest_s)),
            number(row.published_s),
            number(row.to_published()),
        ];
        let _ = writeln!(text, "{}", fields.join(","));
    }
    text
}

/// One line for each strategy and rules.
#[derive(Default)]
struct Total {
    clusters: u64,
    found: u64,
    impossible: u64,
    ratios: f64,
    worst: f64,
    proven: u64,
    slowest: f64,
}

fn totals(rows: &[Row]) -> BTreeMap<(Rules, &'static str), Total> {
    let mut totals: BTreeMap<(Rules, &'static str), Total> = BTreeMap::new();
    for row in rows {
        let total = totals.entry((row.rules, row.strategy.name())).or_default();
        total.clusters += row.clusters;
        total.found += row.found;
        total.impossible += row.impossible;
        total.ratios += row.to_optimum.unwrap_or_default() * row.found as f64;
        total.worst = total.worst.max(row.worst_to_optimum.unwrap_or_default());
        total.proven += row.proven.unwrap_or_default();
        total.slowest = total.slowest.max(row.slowest_s);
    }
    totals
}

/// What a study says, in a screenful of Markdown.
pub fn summary(rows: &[Row]) -> String {
    let mut text =
        "| rules | strategy | plans found | bottleneck / optimum, mean | worst | proven | slowest search |\n\
                    |---|---|---|---|---|---|---|\n"
            .to_owned();
    for ((rules, strategy), total) in totals(rows) {
        let proven = match strategy {
            "optimal" => format!("{} of {}", total.proven, total.clusters),
            _ => String::new(),
        };
        let mean = total.ratios / total.found.max(1) as f64;
        let _ = writeln!(
            text,
            "| {} | {strategy} | {} of {} | {mean:.3} | {} | {proven} | {:.0} ms |",
            rules.name(),
            total.found,
            total.clusters,
            significant(total.worst),
            total.slowest * 1e3
        );
    }
    let below: u64 = rows.iter().map(|row| row.below_bound).sum();
    let _ = writeln!(text, "\nPlans better than what is proven to be the best: {below}.");
    for strategy in ["kpath", "greedy", "random"] {
        let ratios: Vec<f64> =
            rows.iter().filter(|row| row.strategy.name() == strategy).filter_map(Row::to_published).collect();
        if ratios.is_empty() {
            continue;
        }
        let near = ratios.iter().filter(|ratio| (*ratio - 1.0).abs() <= NEAR).count();
        let (low, high) = ratios.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), r| (low.min(*r), high.max(*r)));
        let _ = writeln!(
            text,
            "Published {strategy}: {near} of {} means within {:.0} %, ours / theirs {low:.2} to {high:.2}.",
            ratios.len(),
            NEAR * 100.0
        );
    }
    text
}

/// Everything worth reading, as Markdown.
pub fn markdown(grid: &Grid, rows: &[Row]) -> String {
    let mut text = format!(
        "# SEIFER's study, repeated\n\n{} models, {} seeded clusters of each kind. Times are mean bottleneck latencies in seconds \
         over the clusters on which a plan was found. `docs/paper.md` tells the rules and what the figures mean.\n\n{}",
        grid.models.len(),
        grid.clusters,
        summary(rows)
    );
    for rules in &grid.rules {
        let _ = write!(
            text,
            "\n## Rules: {}\n\n![mean bottleneck latency]({}.svg)\n\nThe optimum in seconds, the others as multiples of it \
             (k-path with the most classes).\n\n\
             | model | MiB | nodes | stages | optimal, s | k-path | greedy | compute | heft | random | plans found |\n\
             |---|---|---|---|---|---|---|---|---|---|---|\n",
            rules.name(),
            rules.name()
        );
        for optimal in rows.iter().filter(|row| row.rules == *rules && row.strategy == Contender::Optimal) {
            line(&mut text, optimal, rows);
        }
    }
    published(&mut text, rows);
    text
}

fn cell(number: Option<f64>) -> String {
    number.map_or_else(|| "–".to_owned(), |number| format!("{number:.3}"))
}

/// One kind of clusters.
fn line(text: &mut String, optimal: &Row, rows: &[Row]) {
    let kind = |row: &Row| (row.rules, row.model, row.capacity_mib, row.nodes);
    let same: Vec<&Row> = rows.iter().filter(|row| kind(row) == kind(optimal)).collect();
    let of = |name: &str| same.iter().rev().find(|row| row.strategy.name() == name);
    let ratio = |name| cell(of(name).and_then(|row| row.to_optimum));
    let found: Vec<String> = ["optimal", "kpath", "greedy", "compute", "heft", "random"]
        .iter()
        .map(|name| of(name).map_or_else(String::new, |row| row.found.to_string()))
        .collect();
    let _ = writeln!(
        text,
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
        optimal.model,
        optimal.capacity_mib,
        optimal.nodes,
        optimal.stages.map_or_else(String::new, |stages| format!("{stages:.1}")),
        cell(optimal.mean_s),
        ratio("kpath"),
        ratio("greedy"),
        ratio("compute"),
        ratio("heft"),
        ratio("random"),
        found.join(", ")
    );
}

/// Published means beside ours.
fn published(text: &mut String, rows: &[Row]) {
    let known: Vec<&Row> = rows.iter().filter(|row| row.published_s.is_some()).collect();
    if known.is_empty() {
        return;
    }
    text.push_str(
        "\n## Published and ours\n\n| strategy | model | MiB | nodes | classes | published, s | ours, s | standard error | ours / published | plans found | \
         their ratio, ours |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in known {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} of {} | {} |",
            row.strategy.name(),
            row.model,
            row.capacity_mib,
            row.nodes,
            row.classes.map_or_else(String::new, |classes| classes.to_string()),
            cell(row.published_s),
            cell(row.mean_s),
            cell(row.error_s),
            cell(row.to_published()),
            row.found,
            row.clusters,
            cell(row.published_ratio)
        );
    }
}
