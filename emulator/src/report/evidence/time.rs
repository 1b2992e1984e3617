//! Throughput and latency over time, with the faults shaded.

use std::time::Duration;

use super::Evidence;
use super::faults::bands;
use crate::record::series::{Bin, bins};
use crate::report::chart::figure::{Figure, Picture, Table};
use crate::report::chart::plot::{Line, Plot, Style};
use crate::report::chart::scale::Axis;
use crate::report::numbers::significant;

/// Most points of a line.
const POINTS: u64 = 240;
const HEIGHT: f64 = 260.0;
const SECONDS: &str = "seconds since load began";

/// The load in stretches that are wide enough for each to hold some results; and how wide they are, in seconds.
fn series(evidence: Evidence<'_>) -> Option<(Vec<Bin>, f64)> {
    let Evidence { tally, summary, .. } = evidence;
    let length = tally.last.since(tally.load_started?).as_secs_f64();
    let rate = summary.throughput_per_s.max(1e-3);
    let widths = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0];
    let enough = |width: &f64| length / width <= POINTS as f64 && (rate * width >= 4.0 || length / width < 30.0);
    let width = widths.into_iter().find(enough).unwrap_or(3600.0);
    let bins = bins(tally, Duration::from_secs_f64(width));
    if bins.is_empty() { None } else { Some((bins, width)) }
}

fn axis(bins: &[Bin], width: f64) -> Axis {
    Axis::exactly(SECONDS, 0.0, bins.len() as f64 * width)
}

/// A value for each stretch, in its middle.
fn points(bins: &[Bin], width: f64, value: impl Fn(&Bin) -> Option<f64>) -> Vec<(f64, Option<f64>)> {
    bins.iter().enumerate().map(|(index, bin)| ((index as f64 + 0.5) * width, value(bin))).collect()
}

/// What came in and went out in each stretch of time, and what the plan in force allowed.
pub fn throughput(evidence: Evidence<'_>) -> Option<Figure> {
    let (bins, width) = series(evidence)?;
    let end = bins.len() as f64 * width;
    let line = |name: &str, colour, style, value: &dyn Fn(&Bin) -> Option<f64>| Line {
        name: name.to_owned(),
        colour,
        style,
        points: points(&bins, width, value),
    };
    let mut lines = vec![
        line("results", 1, Style::Filled, &|bin| Some(bin.completed() as f64 / width)),
        line("offered", 6, Style::Dashed, &|bin| Some(bin.offered as f64 / width)),
    ];
    if bins.iter().any(|bin| bin.errored > 0) {
        lines.push(line("errors", 2, Style::Solid, &|bin| Some(bin.errored as f64 / width)));
    }
    let mut plans: Vec<(f64, Option<f64>)> = evidence
        .summary
        .plans
        .iter()
        .map(|plan| (plan.planned_s.max(0.0), Some(plan.predicted_throughput_per_s)))
        .collect();
    if let Some((_, last)) = plans.last().copied() {
        plans.push((end, last));
        lines.push(Line { name: "the plan's bound".into(), colour: 3, style: Style::Steps, points: plans });
    }
    // A plan that nothing asks that much of would make all else flat.
    let results = lines[..2].iter().flat_map(|line| &line.points).filter_map(|point| point.1).fold(0.0, f64::max);
    let bound = lines.iter().flat_map(|line| &line.points).filter_map(|point| point.1).fold(0.0, f64::max);
    let y = Axis::linear("requests per second", if bound > 2.5 * results { results * 1.25 } else { bound });
    let mut table = Table::new(&["#from second", "#offered", "#results", "#errors", "#p50 ms", "#p99 ms", "#max ms"]);
    for (index, bin) in bins.iter().enumerate() {
        let millis = |share| bin.percentile(share).map_or_else(|| "–".to_owned(), |millis| format!("{millis:.1}"));
        table.rows.push(vec![
            significant(index as f64 * width),
            bin.offered.to_string(),
            bin.completed().to_string(),
            bin.errored.to_string(),
            millis(0.5),
            millis(0.99),
            millis(1.0),
        ]);
    }
    Some(Figure {
        id: "throughput",
        title: "Throughput".into(),
        says: format!(
            "What was offered and what came back, in stretches of {} s.{}",
            significant(width),
            shaded(evidence)
        ),
        picture: Some(Picture::Plot(
            Plot { x: axis(&bins, width), y, lines, bands: bands(evidence.summary), whiskers: Vec::new() },
            HEIGHT,
        )),
        table,
    })
}

/// Latency of the results that came in each stretch.
pub fn latency(evidence: Evidence<'_>) -> Option<Figure> {
    let (bins, width) = series(evidence)?;
    let line = |name: &str, colour, style, share: f64| Line {
        name: name.to_owned(),
        colour,
        style,
        points: points(&bins, width, |bin| bin.percentile(share)),
    };
    let lines =
        vec![line("p50", 1, Style::Solid, 0.5), line("p99", 4, Style::Solid, 0.99), line("max", 6, Style::Dashed, 1.0)];
    let values = || lines.iter().flat_map(|line| &line.points).filter_map(|point| point.1);
    let (least, most) =
        values().fold((f64::INFINITY, 0.0_f64), |(least, most), value| (least.min(value), most.max(value)));
    if most <= 0.0 {
        return None;
    }
    let mut table = Table::new(&["#from second", "#results", "#p50 ms", "#p90 ms", "#p99 ms", "#max ms"]);
    for (index, bin) in bins.iter().enumerate() {
        let millis = |share| bin.percentile(share).map_or_else(|| "–".to_owned(), |millis| format!("{millis:.1}"));
        let from = significant(index as f64 * width);
        table.rows.push(vec![from, bin.completed().to_string(), millis(0.5), millis(0.9), millis(0.99), millis(1.0)]);
    }
    Some(Figure {
        id: "latency",
        title: "Latency".into(),
        says: format!(
            "From the instant at which a request was due until its result, by when the result came, in stretches of {} s.",
            significant(width)
        ),
        picture: Some(Picture::Plot(
            Plot {
                x: axis(&bins, width),
                y: Axis::log("milliseconds", least, most),
                lines,
                bands: bands(evidence.summary),
                whiskers: Vec::new(),
            },
            HEIGHT,
        )),
        table,
    })
}

fn shaded(evidence: Evidence<'_>) -> &'static str {
    if bands(evidence.summary).is_empty() {
        ""
    } else {
        " Faults are shaded, from their effect until they are healed or recovered from."
    }
}
