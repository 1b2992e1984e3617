//! The host panel: processors and what waited for them, how late packets left, how much of the links was used, each over time.

use node::clock::Instant;

use super::Evidence;
use super::faults::bands;
use crate::fabric::lateness::Lateness;
use crate::record::sample::{HostSample, LinkUse};
use crate::report::chart::figure::{Figure, Picture, Table};
use crate::report::chart::plot::{Line, Plot, Style};
use crate::report::chart::scale::Axis;
use crate::report::numbers::significant;

const HEIGHT: f64 = 220.0;
const SECONDS: &str = "seconds since load began";
/// Most points of a line; of longer runs, every second, third, … sample is shown.
const POINTS: usize = 400;

/// The samples in order of time, each in the middle of its second.
fn samples<'a>(evidence: Evidence<'a>) -> Vec<(f64, &'a HostSample)> {
    let Some(began) = evidence.tally.load_started else { return Vec::new() };
    let mut all: Vec<&(Instant, HostSample)> = evidence.tally.samples.iter().collect();
    all.sort_by_key(|(at, _)| *at);
    let step = all.len().div_ceil(POINTS).max(1);
    let middle = |at: &Instant, sample: &HostSample| at.since(began).as_secs_f64() - sample.over.as_secs_f64() / 2.0;
    all.into_iter().step_by(step).map(|(at, sample)| (middle(at, sample), sample)).collect()
}

type Value<'a> = &'a dyn Fn(&HostSample) -> Option<f64>;

fn figure(
    evidence: Evidence<'_>,
    (id, title, says): (&'static str, &str, &str),
    y: impl FnOnce(f64, f64) -> Axis,
    lines: &[(&str, u8, Style, Value<'_>)],
) -> Option<Figure> {
    let samples = samples(evidence);
    let end = samples.last().map(|(at, sample)| at + sample.over.as_secs_f64() / 2.0)?;
    let lines: Vec<Line> = lines
        .iter()
        .map(|(name, colour, style, value)| Line {
            name: (*name).to_owned(),
            colour: *colour,
            style: *style,
            points: samples.iter().map(|(at, sample)| (*at, value(sample))).collect(),
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
    for (index, (at, _)) in samples.iter().enumerate() {
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
            ("busy %", 6, Style::Filled, &|sample| Some((sample.cpu.busy * 100.0).min(100.0))),
            ("this run %", 1, Style::Solid, &|sample| Some((sample.cpu.own * 100.0).min(100.0))),
            ("waiting %", 2, Style::Solid, &|sample| Some((sample.pressure?.cpu * 100.0).min(100.0))),
            ("waiting for the disk %", 4, Style::Dashed, &|sample| Some((sample.pressure?.io * 100.0).min(100.0))),
        ],
    )
}

/// How late packets left.
pub fn lateness(evidence: Evidence<'_>) -> Option<Figure> {
    fn quantile(sample: &HostSample, share: f64) -> Option<f64> {
        let lateness = Lateness::of(&sample.forwarder.as_ref()?.lateness);
        (lateness.total() > 0).then(|| lateness.quantile(share).as_secs_f64().max(1e-6) * 1e3)
    }
    let says = "How long after they should packets left the software carrier, in each second (within a factor of two).";
    figure(
        evidence,
        ("lateness", "Lateness of packets", says),
        |least, most| Axis::log("milliseconds", least, most),
        &[
            ("p50 ms", 1, Style::Solid, &|sample| quantile(sample, 0.5)),
            ("p99 ms", 4, Style::Solid, &|sample| quantile(sample, 0.99)),
            ("max ms", 6, Style::Dashed, &|sample| quantile(sample, 1.0)),
        ],
    )
}

/// How much of the links was used.
pub fn used(evidence: Evidence<'_>) -> Option<Figure> {
    fn share(sample: &HostSample, link: &LinkUse) -> Option<f64> {
        Some(100.0 * link.counters.bytes as f64 * 8.0 / sample.over.as_secs_f64().max(1e-3) / link.rate? as f64)
    }
    let shares =
        |sample: &HostSample| -> Vec<f64> { sample.links.iter().filter_map(|link| share(sample, link)).collect() };
    let says = "How much of its rate the busiest direction used in each second, and the mean of all that were used.";
    figure(
        evidence,
        ("used", "Use of the links", says),
        |_, _| Axis::exactly("per cent of the rate", 0.0, 100.0),
        &[
            ("busiest %", 1, Style::Filled, &|sample| {
                shares(sample).into_iter().reduce(f64::max).map(|most| most.min(100.0))
            }),
            ("mean %", 6, Style::Dashed, &|sample| {
                let shares = shares(sample);
                (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
            }),
        ],
    )
}
