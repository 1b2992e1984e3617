//! The host panel: processors and what waited for them, how late packets left, how much of the links was used, each over time.

use node::clock::Instant;

use super::Evidence;
use super::faults::bands;
use crate::fabric::lateness::Lateness;
use crate::record::tally::Second;
use crate::report::chart::figure::{Figure, Picture, Table};
use crate::report::chart::plot::{Line, Plot, Style};
use crate::report::chart::scale::Axis;
use crate::report::numbers::significant;

const HEIGHT: f64 = 220.0;
const SECONDS: &str = "seconds since load began";
/// Most points of a line; of longer runs, each is the largest value of two, three, … samples: a peak is what one looks for.
const POINTS: usize = 400;

/// The samples in order of time.
fn in_order(evidence: Evidence<'_>) -> Vec<&Second> {
    let mut all: Vec<&Second> = evidence.tally.host.seconds.iter().collect();
    all.sort_by_key(|second| second.at);
    all
}

type Value<'a> = &'a dyn Fn(&Second) -> Option<f64>;

fn figure(
    evidence: Evidence<'_>,
    (id, title, says): (&'static str, &str, &str),
    y: impl FnOnce(f64, f64) -> Axis,
    lines: &[(&str, u8, Style, Value<'_>)],
) -> Option<Figure> {
    let began = evidence.tally.load_started?;
    let seconds = in_order(evidence);
    let since = |at: Instant| at.since(began).as_secs_f64();
    let end = seconds.last().map(|last| since(last.at))?;
    let points: Vec<(f64, &[&Second])> = seconds
        .chunks(seconds.len().div_ceil(POINTS).max(1))
        .filter_map(|chunk| Some(((since(chunk.first()?.began()) + since(chunk.last()?.at)) / 2.0, chunk)))
        .collect();
    let lines: Vec<Line> = lines
        .iter()
        .map(|(name, colour, style, value)| Line {
            name: (*name).to_owned(),
            colour: *colour,
            style: *style,
            points: points
                .iter()
                .map(|(at, chunk)| (*at, chunk.iter().filter_map(|second| value(second)).reduce(f64::max)))
                .collect(),
        })
        .filter(|line| line.points.iter().any(|(_, value)| value.is_some()))
        .collect();
    let values = || lines.iter().flat_map(|line| &line.points).filter_map(|(_, value)| *value);
    let (least, most) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    if lines.is_empty() || most <= 0.0 {
        return None;
    }
    let mut columns = vec!["#at second".to_owned()];
    columns.extend(lines.iter().map(|line| format!("#{}", line.name)));
    let mut table = Table::new(&columns.iter().map(String::as_str).collect::<Vec<_>>());
    for (index, (at, _)) in points.iter().enumerate() {
        let cell = |line: &Line| line.points[index].1.map_or_else(|| "–".to_owned(), significant);
        table.rows.push([significant(*at)].into_iter().chain(lines.iter().map(cell)).collect());
    }
    let x = Axis::exactly(SECONDS, 0.0, end.max(0.1));
    let plot = Plot { x, y: y(least, most), lines, bands: bands(evidence.summary), whiskers: Vec::new() };
    Some(Figure { id, title: title.into(), says: says.into(), picture: Some(Picture::Plot(plot, HEIGHT)), table })
}

/// The processors, and what waited for them.
pub fn processors(evidence: Evidence<'_>) -> Option<Figure> {
    let says = "How much of the host's processors was used, by anything and by this run, and for what share of the time something waited \
                for one. A result is what the scenario says only as long as the host keeps up.";
    figure(
        evidence,
        ("host", "Host", says),
        |_, _| Axis::exactly("per cent", 0.0, 100.0),
        &[
            ("busy %", 6, Style::Filled, &|second| Some((second.cpu.busy * 100.0).min(100.0))),
            ("this run %", 1, Style::Solid, &|second| Some((second.cpu.own? * 100.0).min(100.0))),
            ("waiting %", 2, Style::Solid, &|second| Some((second.pressure?.cpu * 100.0).min(100.0))),
            ("waiting for the disk %", 4, Style::Dashed, &|second| Some((second.pressure?.io * 100.0).min(100.0))),
        ],
    )
}

/// How late packets left.
pub fn lateness(evidence: Evidence<'_>) -> Option<Figure> {
    fn quantile(second: &Second, share: f64) -> Option<f64> {
        let lateness = Lateness::of(second.lateness.as_deref()?);
        (lateness.total() > 0).then(|| lateness.quantile(share).as_secs_f64().max(1e-6) * 1e3)
    }
    let says = "How long after they should packets left the software carrier, in each second (within a factor of two).";
    figure(
        evidence,
        ("lateness", "Lateness of packets", says),
        |least, most| Axis::log("milliseconds", least, most),
        &[
            ("p50 ms", 1, Style::Solid, &|second| quantile(second, 0.5)),
            ("p99 ms", 4, Style::Solid, &|second| quantile(second, 0.99)),
            ("max ms", 6, Style::Dashed, &|second| quantile(second, 1.0)),
        ],
    )
}

/// How much of the links was used.
pub fn used(evidence: Evidence<'_>) -> Option<Figure> {
    let says = "How much of its rate the busiest direction used in each second, and the mean of all that were used.";
    figure(
        evidence,
        ("used", "Use of the links", says),
        |_, _| Axis::exactly("per cent of the rate", 0.0, 100.0),
        &[
            ("busiest %", 1, Style::Filled, &|second| Some((second.used?.busiest * 100.0).min(100.0))),
            ("mean %", 6, Style::Dashed, &|second| Some(second.used?.mean * 100.0)),
        ],
    )
}
