//! A comparison of sets of runs, for people: in a terminal, in Markdown, as a page.

use super::chart::bars::{Bars, Part, Row};
use super::chart::figure::{Figure, Picture, Table};
use super::chart::plot::{Line, Plot, Style};
use super::chart::scale::Axis;
use super::markdown;
use super::numbers::{counted, significant, time};
use super::page::sheet;
use super::terminal::{Looks, Writer, indented};
use super::xml::escaped;
use crate::compare::{Change, Compared, Comparison, Metric, Told, Value};

/// In a terminal.
pub fn terminal(comparison: &Comparison, looks: Looks) -> String {
    let mut text = grid("What came out (least and most of the runs in brackets)", &values(comparison), looks);
    text += &grid(&changes_title(comparison), &changes(comparison), looks);
    for warning in &comparison.warnings {
        text += &format!("\n  ! {}", Writer { looks }.plain(warning));
    }
    text
}

/// A table under its title.
pub(super) fn grid(title: &str, table: &Table, looks: Looks) -> String {
    let writer = Writer { looks };
    let names: Vec<&str> = table.columns.iter().map(|(name, _)| name.as_str()).collect();
    let numbers: Vec<usize> = (0..names.len()).filter(|index| table.columns[*index].1).collect();
    let mut grid = writer.table(&names, &numbers);
    grid.add_rows(table.rows.iter().map(|row| row.iter().map(|cell| writer.plain(cell))));
    format!("\n{}\n{}\n", writer.title(&writer.plain(title)), indented(&grid))
}

/// As Markdown.
pub fn markdown(comparison: &Comparison) -> String {
    let mut text = String::from("# Comparison\n");
    markdown::section(&mut text, "What came out", &values(comparison));
    markdown::section(&mut text, &changes_title(comparison), &changes(comparison));
    for warning in &comparison.warnings {
        text += &format!("\n> {}\n", markdown::plain(warning));
    }
    text
}

/// As a page.
pub fn page(comparison: &Comparison) -> String {
    let names: Vec<&str> = comparison.sets.iter().map(|set| set.name.as_str()).collect();
    let title = names.join(" and ");
    let mut html = format!(
        "<header>\n<h1>{}</h1>\n<p class=\"lead\">Compared with the first of them.</p>\n</header>\n<main>\n",
        escaped(&title)
    );
    if !comparison.warnings.is_empty() {
        html += "<section class=\"note caution\">\n<h2>They may not be comparable</h2>\n<ul>\n";
        comparison.warnings.iter().for_each(|warning| html += &format!("<li>{}</li>\n", escaped(warning)));
        html += "</ul>\n</section>\n";
    }
    for figure in [forest(comparison), overlay(comparison), came_out(comparison)].iter().flatten() {
        sheet::section(&mut html, figure);
    }
    html += "</main>\n";
    sheet::document(&title, &html)
}

fn changes_title(comparison: &Comparison) -> String {
    let first = comparison.sets.first().map_or("", |set| set.name.as_str());
    format!("Against {first}, with {} % confidence", significant(comparison.confidence * 100.0))
}

fn said(metric: Metric, value: f64) -> String {
    if metric == Metric::Throughput { format!("{}/s", significant(value)) } else { time(value) }
}

pub(super) fn values(comparison: &Comparison) -> Table {
    let metrics: Vec<String> = Metric::ALL.iter().map(|metric| format!("#{}", metric.name())).collect();
    let columns: Vec<&str> = ["set", "#runs"].into_iter().chain(metrics.iter().map(String::as_str)).collect();
    let mut table = Table::new(&columns);
    for set in &comparison.sets {
        let cell = |metric: Metric| match set.values.iter().find(|value| value.metric == metric) {
            Some(Value { value, range: (low, high), .. }) if set.runs > 1 => {
                format!("{} [{} – {}]", said(metric, *value), said(metric, *low), said(metric, *high))
            }
            Some(value) => said(metric, value.value),
            None => "–".to_owned(),
        };
        let cells = [set.name.clone(), set.runs.to_string()].into_iter().chain(Metric::ALL.into_iter().map(cell));
        table.rows.push(cells.collect());
    }
    table
}

fn changes(comparison: &Comparison) -> Table {
    let mut table = Table::new(&["set", "metric", "#change", "between", "that is"]);
    for set in comparison.sets.iter().skip(1) {
        for change in &set.changes {
            let between = change
                .shift
                .interval
                .map_or_else(|| "–".to_owned(), |(low, high)| format!("{} and {}", percent(low), percent(high)));
            let Change { metric, shift, told } = change;
            table.rows.push(vec![
                set.name.clone(),
                metric.name().to_owned(),
                percent(shift.ratio),
                between,
                words(*told, comparison.sets[0].runs.min(set.runs)),
            ]);
        }
    }
    table
}

fn words(told: Told, runs: usize) -> String {
    match told {
        Told::Better => "better".to_owned(),
        Told::Worse => "worse".to_owned(),
        Told::Open => "no change that these runs could tell from chance".to_owned(),
        Told::TooFew => {
            format!("open: {} can't tell it from chance, four and four are the fewest", counted(runs as u64, "run"))
        }
    }
}

/// A ratio as a change.
pub(super) fn percent(ratio: f64) -> String {
    let change = (ratio - 1.0) * 100.0;
    let sign = if change < 0.0 { "−" } else { "+" };
    format!("{sign}{} %", significant(change.abs()))
}

/// The intervals beside each other.
fn forest(comparison: &Comparison) -> Option<Figure> {
    let all = || comparison.sets.iter().skip(1).flat_map(|set| set.changes.iter().map(move |change| (set, change)));
    let change = |ratio: f64| (ratio - 1.0) * 100.0;
    let ends = |change: &Change| change.shift.interval.unwrap_or((change.shift.ratio, change.shift.ratio));
    let low = all().map(|(_, it)| change(ends(it).0)).fold(-1.0, f64::min);
    let high = all().map(|(_, it)| change(ends(it).1)).fold(1.0, f64::max);
    let kind = |told: Told| match told {
        Told::Better => 2,
        Told::Worse => 1,
        Told::Open => 0,
        Told::TooFew => 5,
    };
    let row = |(set, it): (&Compared, &Change)| Row {
        name: if comparison.sets.len() > 2 {
            format!("{}: {}", set.name, it.metric.name())
        } else {
            it.metric.name().to_owned()
        },
        parts: vec![Part { from: change(ends(it).0), to: change(ends(it).1), kind: kind(it.told) }],
        note: percent(it.shift.ratio),
    };
    let kinds = ["can't be told from chance", "worse", "better", "", "", "too few runs"].map(String::from).to_vec();
    let bars = Bars { x: Axis::exactly("change in %", low, high), kinds, rows: all().map(row).collect() };
    Some(Figure {
        id: "changes",
        title: changes_title(comparison),
        says: "Each bar is where the true change is with that confidence: from ranks alone, each run one sample (Hodges and Lehmann's \
               estimate, Mann and Whitney's exact interval)."
            .to_owned(),
        picture: Some(Picture::Bars(bars)).filter(|_| all().next().is_some()),
        table: changes(comparison),
    })
}

/// Latency by percentile, one line for each set.
pub(super) fn overlay(comparison: &Comparison) -> Option<Figure> {
    let samples = comparison.sets.iter().map(|set| set.latency.len()).max().filter(|samples| *samples > 0)?;
    let x = Axis::tail("share of the requests", samples);
    let steps = ((1.0 / (1.0 - x.to)).log10() * 20.0).ceil() as u32;
    let shares: Vec<f64> = (0..=steps).map(|step| (1.0 - 10f64.powf(-f64::from(step) / 20.0)).min(x.to)).collect();
    let line = |(index, set): (usize, &Compared)| Line {
        name: format!("{} ({})", set.name, counted(set.latency.len(), "request")),
        colour: (index % 6 + 1) as u8,
        style: if index == 0 { Style::Dashed } else { Style::Solid },
        points: shares.iter().map(|share| (*share, Some(set.latency.value_at_quantile(*share) as f64 / 1e6))).collect(),
    };
    let lines: Vec<Line> =
        comparison.sets.iter().enumerate().filter(|(_, set)| !set.latency.is_empty()).map(line).collect();
    let values = || lines.iter().flat_map(|line| &line.points).filter_map(|point| point.1);
    let (least, most) =
        values().fold((f64::INFINITY, 0.0_f64), |(least, most), value| (least.min(value), most.max(value)));
    let y =
        if most < 4.0 * least { Axis::linear("milliseconds", most) } else { Axis::log("milliseconds", least, most) };
    let mut table = Table::new(&["#share"]);
    table.columns.extend(comparison.sets.iter().map(|set| (format!("{} ms", set.name), true)));
    for (share, label) in x.ticks(9).into_iter().chain([(1.0, "100 %".to_owned())]) {
        let value = |set: &Compared| format!("{:.2}", set.latency.value_at_quantile(share) as f64 / 1e6);
        table.rows.push([label].into_iter().chain(comparison.sets.iter().map(value)).collect());
    }
    Some(Figure {
        id: "latency",
        title: "Latency by percentile".into(),
        says: "Of all requests of each set: the histograms of its runs added up.".into(),
        picture: Some(Picture::Plot(Plot { x, y, lines, bands: Vec::new(), whiskers: Vec::new() }, 280.0)),
        table,
    })
}

pub(super) fn came_out(comparison: &Comparison) -> Option<Figure> {
    Some(Figure {
        id: "values",
        title: "What came out".into(),
        says: "Throughput and recovery are the median of the runs, latency is of all their requests; the least and the most of any run in \
               brackets."
            .into(),
        picture: None,
        table: values(comparison),
    })
}
