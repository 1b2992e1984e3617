//! How much of what the links could carry was used.

use super::Evidence;
use crate::report::chart::bars::{Bars, Part, Row};
use crate::report::chart::figure::{Figure, Picture, Table};
use crate::report::chart::scale::Axis;
use crate::report::numbers::{grouped, significant};

/// Most rows of the picture.
const SHOWN: usize = 12;

/// Each direction by the share of its rate that was used.
pub fn links(evidence: Evidence<'_>) -> Option<Figure> {
    let Evidence { scenario, tally, .. } = evidence;
    let (began, ended) = tally.load_started.zip(tally.load_ended.or(Some(tally.last)))?;
    let seconds = ended.since(began).as_secs_f64().max(1e-3);
    let names = scenario.host_names();
    let rate = |from: &str, to: &str| {
        let mut shapes = scenario.network.directions();
        let (_, shape) = shapes.find(|(direction, _)| names[direction.from] == from && names[direction.to] == to)?;
        Some(shape.rate?.bits_per_second() as f64)
    };
    let mut used: Vec<_> = tally
        .traffic
        .iter()
        .map(|((from, to), counters)| {
            let rate = rate(from, to);
            let bits = counters.bytes as f64 * 8.0;
            (format!("{from} → {to}"), rate, bits / seconds, rate.map(|rate| bits / seconds / rate), counters)
        })
        .collect();
    if used.is_empty() {
        return None;
    }
    used.sort_by(|a, b| b.3.unwrap_or(0.0).total_cmp(&a.3.unwrap_or(0.0)).then(b.2.total_cmp(&a.2)));
    let mut table = Table::new(&[
        "direction",
        "#rate Mbit/s",
        "#used Mbit/s",
        "#share %",
        "#packets",
        "#lost",
        "#queue full",
        "#by AQM",
    ]);
    for (name, rate, bits, share, counters) in &used {
        table.rows.push(vec![
            name.clone(),
            rate.map_or_else(|| "–".to_owned(), |rate| significant(rate / 1e6)),
            significant(bits / 1e6),
            share.map_or_else(|| "–".to_owned(), |share| significant(share * 100.0)),
            grouped(counters.packets),
            grouped(counters.lost),
            grouped(counters.overflowed),
            grouped(counters.aqm_dropped),
        ]);
    }
    let rows = used.iter().filter_map(|(name, _, bits, share, _)| {
        let share = (*share)? * 100.0;
        let note = format!("{} % · {} Mbit/s", significant(share), significant(bits / 1e6));
        Some(Row { name: name.clone(), parts: vec![Part { from: 0.0, to: share, kind: 0 }], note })
    });
    let rows: Vec<Row> = rows.take(SHOWN).collect();
    let x = Axis::exactly("per cent of the direction's rate", 0.0, 100.0);
    let picture =
        if rows.is_empty() { None } else { Some(Picture::Bars(Bars { x, kinds: vec![String::new()], rows })) };
    let says = format!(
        "The busiest directions, by all bytes that were delivered from the network's start to the end (plans' segments too, if they \
         went over the network), over the {} s of load. All are in the table.",
        significant(seconds)
    );
    Some(Figure { id: "links", title: "Links".into(), says, picture, table })
}
