//! SEIFER's study as a picture: a panel for each model, the bottleneck latency over the number of nodes.

use std::fmt::Write;

use planner::paper::{Row, Rules};

use super::numbers::significant;

/// Size of a panel with its labels, and of what is drawn in it.
const PANEL: (f64, f64) = (264.0, 216.0);
const PLOT: (f64, f64) = (204.0, 140.0);
/// From a panel's corner to that of its plot.
const INSET: (f64, f64) = (46.0, 34.0);
const COLUMNS: usize = 4;
const TOP: f64 = 76.0;
const MARGIN: f64 = 16.0;

const INK: &str = "#1f2328";
const PALE: &str = "#59636e";
const GRID: &str = "#d1d9e0";
/// Strategies with their colours (Okabe and Ito, darkened for text), names and dashes.
const SERIES: [(&str, &str, &str, &str); 6] = [
    ("random", "#a8487f", "random", "2 3"),
    ("heft", "#8a6d00", "heft", "1 2"),
    ("compute", "#b5520c", "compute", "4 2 1 2"),
    ("greedy", "#007a5a", "joint greedy", "6 3"),
    ("kpath", "#0072b2", "k-path matching", ""),
    ("optimal", "#1f2328", "proven optimum", ""),
];

/// A picture of all models of a study under one set of rules, each with the least memory with which it can be placed at all.
pub fn svg(rows: &[Row], rules: Rules, nodes: &[usize]) -> String {
    let rows: Vec<&Row> = rows.iter().filter(|row| row.rules == rules).collect();
    let mut models: Vec<&str> = rows.iter().map(|row| row.model).collect();
    models.dedup();
    let columns = models.len().clamp(1, COLUMNS);
    let width = (2.0 * MARGIN + columns as f64 * PANEL.0).max(760.0);
    let height = TOP + models.len().div_ceil(columns) as f64 * PANEL.1 + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif\" font-size=\"11\">\n\
         <title>Mean bottleneck latency over the number of nodes</title>\n\
         <rect x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\" fill=\"#ffffff\" stroke=\"{GRID}\"/>\n",
        width - 1.0,
        height - 1.0
    );
    let heading = format!("Mean bottleneck latency in seconds over the number of nodes, rules: {}", rules.name());
    text(&mut svg, (MARGIN + 8.0, 30.0), "font-size=\"15\" font-weight=\"600\"", INK, &heading);
    legend(&mut svg, rows.iter().any(|row| row.published_s.is_some()));
    for (index, model) in models.iter().enumerate() {
        let corner =
            (MARGIN + (index % columns) as f64 * PANEL.0 + INSET.0, TOP + (index / columns) as f64 * PANEL.1 + INSET.1);
        let placed = |row: &&&Row| row.model == *model && row.strategy.name() == "optimal" && row.found > 0;
        let Some(capacity) = rows.iter().filter(placed).map(|row| row.capacity_mib).min() else {
            text(&mut svg, (corner.0, corner.1 - 10.0), "font-weight=\"600\"", INK, model);
            text(&mut svg, (corner.0, corner.1 + 20.0), "", PALE, "fits nowhere");
            continue;
        };
        let title = format!("{model}, {capacity} MiB");
        text(&mut svg, (corner.0, corner.1 - 10.0), "font-size=\"12\" font-weight=\"600\"", INK, &title);
        let shown: Vec<&Row> =
            rows.iter().copied().filter(|row| row.model == *model && row.capacity_mib == capacity).collect();
        panel(&mut svg, corner, &shown, nodes);
    }
    svg.push_str("</svg>\n");
    svg
}

/// The lines' names, above all panels.
fn legend(svg: &mut String, published: bool) {
    let mut x = MARGIN + 8.0;
    for (_, colour, name, dashes) in SERIES.iter().rev() {
        let _ = writeln!(
            svg,
            "<path d=\"M{x} 50 h22\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dashes}\"/>"
        );
        text(svg, (x + 28.0, 54.0), "", PALE, name);
        x += 44.0 + 6.4 * name.len() as f64;
    }
    if published {
        let _ = writeln!(svg, "<circle cx=\"{}\" cy=\"50\" r=\"4.5\" fill=\"none\" stroke=\"{PALE}\"/>", x + 6.0);
        text(svg, (x + 16.0, 54.0), "", PALE, "published");
    }
}

/// The rows of one model and capacity, with a logarithmic axis.
fn panel(svg: &mut String, (left, top): (f64, f64), rows: &[&Row], nodes: &[usize]) {
    let values = || rows.iter().flat_map(|row| [row.mean_s, row.published_s]).flatten().filter(|value| *value > 0.0);
    let (low, high) = values().fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    if high == 0.0 {
        text(svg, (left, top + 20.0), "", PALE, "fits on one node: nothing is sent");
        return;
    }
    // Whole powers of ten, so that panels can be compared.
    let (low, high) = (low.log10().floor(), high.log10().ceil().max(low.log10().floor() + 1.0));
    let y = |seconds: f64| top + PLOT.1 * (high - seconds.log10()) / (high - low);
    let x = |place: usize| left + PLOT.0 * (place as f64 + 0.5) / nodes.len().max(1) as f64;
    for power in low as i32..=high as i32 {
        let at = y(10f64.powi(power));
        let _ = writeln!(svg, "<path d=\"M{left:.1} {at:.1} h{}\" stroke=\"{GRID}\"/>", PLOT.0);
        let label = if power < -2 { format!("1e{power}") } else { significant(10f64.powi(power)) };
        text(svg, (left - 6.0, at + 4.0), "text-anchor=\"end\"", PALE, &label);
    }
    for (place, count) in nodes.iter().enumerate() {
        text(svg, (x(place), top + PLOT.1 + 16.0), "text-anchor=\"middle\"", PALE, &count.to_string());
    }
    for (strategy, colour, _, dashes) in SERIES {
        let at = |count: &usize| rows.iter().rev().find(|row| row.strategy.name() == strategy && row.nodes == *count);
        let mut line = String::new();
        for (place, row) in nodes.iter().enumerate().filter_map(|(place, count)| Some((place, at(count)?))) {
            match row.mean_s.filter(|mean| *mean > 0.0) {
                Some(mean) => {
                    let move_or_line = if line.is_empty() { 'M' } else { 'L' };
                    let _ = write!(line, "{move_or_line}{:.1} {:.1}", x(place), y(mean));
                    let _ = writeln!(
                        svg,
                        "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.2\" fill=\"{colour}\"/>",
                        x(place),
                        y(mean)
                    );
                }
                // A gap, not a line across what has no plan.
                None => flush(svg, &mut line, colour, dashes),
            }
            if let Some(published) = row.published_s.filter(|published| *published > 0.0) {
                let _ = writeln!(
                    svg,
                    "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4.5\" fill=\"none\" stroke=\"{colour}\"/>",
                    x(place),
                    y(published)
                );
            }
        }
        flush(svg, &mut line, colour, dashes);
    }
}

fn flush(svg: &mut String, line: &mut String, colour: &str, dashes: &str) {
    if line.contains('L') {
        let _ = writeln!(
            svg,
            "<path d=\"{line}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\" stroke-dasharray=\"{dashes}\"/>"
        );
    }
    line.clear();
}

fn text(svg: &mut String, (x, y): (f64, f64), style: &str, colour: &str, words: &str) {
    // Names of models and rules: nothing in them needs to be escaped.
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{colour}\" {style}>{words}</text>");
}
