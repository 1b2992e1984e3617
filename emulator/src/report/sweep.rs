//! A sweep, for people: tables, and a chart over each key that is a number.

mod printed;

use std::fmt::Write;
use std::fs;

use super::chart::figure::{Figure, Picture, Table, WIDTHS};
use super::chart::plot::{Line, Plot, Style, Whisker};
use super::chart::scale::Axis;
use super::comparison::{came_out, grid, overlay, values};
use super::numbers::{counted, significant};
use super::page::sheet;
use super::terminal::{Looks, Writer};
use super::xml::escaped;
use crate::compare::Metric;
use crate::record::outputs::OutputError;
use crate::sweep::usl::Fit;
use crate::sweep::{Curve, DRAWN, Swept};

pub use self::printed::printed;

const HEIGHT: f64 = 280.0;
/// Room beside the outermost points, as a share of what is between them.
const ASIDE: f64 = 0.04;

/// Writes `sweep.json`, `sweep.csv`, `report.html` and `charts/` into the sweep's folder.
///
/// # Errors
/// [`OutputError`] for the first file that can't be written.
pub fn write(swept: &Swept) -> Result<(), OutputError> {
    let put = |name: &str, content: &str| {
        let path = swept.folder.join(name);
        fs::write(&path, content).map_err(|source| OutputError::Write { path, source })
    };
    let charts = swept.folder.join("charts");
    fs::create_dir_all(&charts).map_err(|source| OutputError::Write { path: charts, source })?;
    put("sweep.json", &(serde_json::to_string_pretty(swept)? + "\n"))?;
    put("sweep.csv", &csv(swept))?;
    let figures = figures(swept);
    for figure in &figures {
        if let Some(picture) = &figure.picture {
            put(&format!("charts/{}.svg", figure.id), &picture.draw(WIDTHS[0]).alone(&figure.title))?;
        }
    }
    put("report.html", &page(swept, &figures))
}

/// In a terminal.
pub fn terminal(swept: &Swept, looks: Looks) -> String {
    let mut text = grid("What came out (least and most of the runs in brackets)", &values(&swept.points), looks);
    for curve in &swept.curves {
        // Writing to a string can't fail.
        let _ = writeln!(text, "\n{}", Writer { looks }.plain(&says(curve)));
    }
    if !swept.failed.is_empty() {
        let _ = writeln!(
            text,
            "\n  ! {} not as expected, first {}",
            counted(swept.failed.len() as u64, "run"),
            swept.failed[0].display()
        );
    }
    let note = if swept.interrupted { "interrupted: the same command goes on from here; so far" } else { "files" };
    text + &format!("\n{note} in {}/\n  report.html, charts/, sweep.csv, sweep.json, runs/", swept.folder.display())
}

/// A curve in words.
fn says(curve: &Curve) -> String {
    let with = if curve.with.is_empty() { String::new() } else { format!(" ({})", curve.with) };
    let head = format!("throughput over {}{with}: ", curve.over);
    let Some(Fit { law, intervals: [_, sigma, kappa], explained }) = &curve.fit else {
        return head + "no curve is fitted to fewer than three values";
    };
    let between = |(low, high): &(f64, f64)| format!("{} to {}", small(*low), small(*high));
    let peak = match law.peak() {
        Some(peak) if peak < 1e4 => format!("most at {} {}", significant(peak), curve.over),
        _ => "no size beyond which it falls".to_owned(),
    };
    format!(
        "{head}universal scalability law with λ {}/s, σ {} ({}), κ {} ({}), {} % of the variance; {peak}",
        significant(law.lambda),
        small(law.sigma),
        between(sigma),
        small(law.kappa),
        between(kappa),
        significant(explained * 100.0)
    )
}

fn small(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.095 { format!("{value:.2e}") } else { significant(value) }
}

fn csv(swept: &Swept) -> String {
    let quoted = |text: &str| {
        if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
    };
    let mut text = String::from("point,runs");
    for metric in Metric::ALL {
        let name = metric.name().replace(' ', "_");
        let unit = if metric == Metric::Throughput { "per_s" } else { "ms" };
        let _ = write!(text, ",{name}_{unit},{name}_least,{name}_most");
    }
    text.push('\n');
    for set in &swept.points.sets {
        let _ = write!(text, "{},{}", quoted(&set.name), set.runs);
        for metric in Metric::ALL {
            match set.values.iter().find(|value| value.metric == metric) {
                Some(value) => _ = write!(text, ",{},{},{}", value.value, value.range.0, value.range.1),
                None => text += ",,,",
            }
        }
        text.push('\n');
    }
    text
}

fn figures(swept: &Swept) -> Vec<Figure> {
    let ids = ["throughput", "latency-p50", "latency-p99"];
    let keys = swept.over.iter().filter(|key| swept.curves.iter().any(|curve| curve.over == **key));
    // A second key that is a number is in the table; one chart for each metric is what a person looks at.
    let mut figures: Vec<Figure> = keys
        .take(1)
        .flat_map(|key| DRAWN.into_iter().zip(ids).map(move |(metric, id)| (key, metric, id)))
        .filter_map(|(key, metric, id)| over(swept, key, metric, id))
        .collect();
    figures.extend(came_out(&swept.points));
    figures.extend(overlay(&swept.points).map(|figure| Figure { id: "percentiles", ..figure }));
    figures
}

/// A metric over a key: the middle of the runs, their least and most, and for throughput the law and what was possible at most.
fn over(swept: &Swept, key: &str, metric: Metric, id: &'static str) -> Option<Figure> {
    let curves: Vec<&Curve> = swept.curves.iter().filter(|curve| curve.over == key).collect();
    let unit = if metric == Metric::Throughput { "requests per second" } else { "milliseconds" };
    let (mut lines, mut whiskers) = (Vec::new(), Vec::new());
    let mut table = Table::new(&["#value", "with", "#runs", "#value of the set", "#least", "#most"]);
    table.columns[0].0 = key.to_owned();
    table.columns[3].0 = unit.to_owned();
    for (number, curve) in curves.iter().enumerate() {
        let value = |index: usize| swept.points.sets[index].values.iter().find(|value| value.metric == metric);
        let points = |of: &dyn Fn(&crate::compare::Value) -> f64| {
            let mut points: Vec<_> =
                curve.points.iter().map(|(index, place)| (*place, value(*index).map(of))).collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            points
        };
        let colour = (number % 6 + 1) as u8;
        let name = |what: &str| if curve.with.is_empty() { what.to_owned() } else { format!("{what}, {}", curve.with) };
        let line = |what: &str, style, points| Line { name: name(what), colour, style, points };
        let law = curve.fit.as_ref().filter(|_| metric == Metric::Throughput);
        let style = if law.is_some() { Style::Points } else { Style::Solid };
        lines.push(line(metric.name(), style, points(&|value| value.value)));
        whiskers.extend(curve.points.iter().filter_map(|(index, place)| {
            let (from, to) = value(*index)?.range;
            (swept.points.sets[*index].runs > 1).then_some(Whisker { place: *place, from, to, colour })
        }));
        if let Some(fit) = law {
            let ends = curve
                .points
                .iter()
                .fold((f64::INFINITY, 0.0_f64), |(low, high), (_, at)| (low.min(*at), high.max(*at)));
            let place = |step: u32| ends.0 + (ends.1 - ends.0) * f64::from(step) / 60.0;
            let points = (0..=60).map(|step| (place(step), Some(fit.law.throughput(place(step))))).collect();
            // As many curves as lines: each in the colour of its points, unless there is but one.
            let colour = if curves.len() == 1 { 2 } else { colour };
            lines.push(Line { colour, ..line("universal scalability law", Style::Solid, points) });
        }
        if metric == Metric::Throughput && curve.points.iter().any(|(index, _)| swept.bounds[*index].is_some()) {
            let mut bounds: Vec<_> = curve.points.iter().map(|(index, place)| (*place, swept.bounds[*index])).collect();
            bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
            lines.push(Line { colour: 6, ..line("bound", Style::Dashed, bounds) });
        }
        for (index, place) in &curve.points {
            let Some(value) = value(*index) else { continue };
            table.rows.push(vec![
                significant(*place),
                curve.with.clone(),
                swept.points.sets[*index].runs.to_string(),
                significant(value.value),
                significant(value.range.0),
                significant(value.range.1),
            ]);
        }
    }
    let all = || lines.iter().flat_map(|line: &Line| &line.points);
    let most = all().filter_map(|point| point.1).chain(whiskers.iter().map(|whisker| whisker.to)).fold(0.0, f64::max);
    let (from, to) =
        all().fold((f64::INFINITY, 0.0_f64), |(low, high), (place, _)| (low.min(*place), high.max(*place)));
    if most <= 0.0 {
        return None;
    }
    let aside = (to - from) * ASIDE;
    let says = match metric {
        Metric::Throughput => {
            curves.iter().map(|curve| says(curve)).collect::<Vec<_>>().join(". ")
                + ". Bars go from the least to the most of the runs."
        }
        _ => format!("{} of all requests of the runs with each value.", metric.name()),
    };
    Some(Figure {
        id,
        title: format!("{} over {key}", capital(metric.name())),
        says,
        picture: Some(Picture::Plot(
            Plot {
                x: Axis::exactly(key, from - aside, to + aside),
                y: Axis::linear(unit, most),
                lines,
                bands: Vec::new(),
                whiskers,
            },
            HEIGHT,
        )),
        table,
    })
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn page(swept: &Swept, figures: &[Figure]) -> String {
    let mut html = format!(
        "<header>\n<h1>{} over {}</h1>\n<p class=\"lead\">{} at {}.</p>\n</header>\n<main>\n",
        escaped(&swept.scenario),
        escaped(&swept.over.join(" and ")),
        counted(swept.points.sets.iter().map(|set| set.runs as u64).sum(), "run"),
        counted(swept.points.sets.len() as u64, "point")
    );
    for figure in figures {
        sheet::section(&mut html, figure);
    }
    html += "</main>\n";
    sheet::document(&format!("{} over {}", swept.scenario, swept.over.join(" and ")), &html)
}
