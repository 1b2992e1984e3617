//! A run as figures: each a picture with the numbers behind it, all computed from the record. [`super::page`] and
//! [`super::markdown`] put them into the reports that people read.

mod faults;
mod host;
mod links;
mod measured;
mod passage;
mod plan;
mod spectrum;
mod time;

use super::chart::figure::Figure;
use super::fidelity::NO_DOUBT;
use super::numbers::{counted, grouped, mebibytes, significant, time};
use super::words::share;
use crate::record::env::Env;
use crate::record::summary::Summary;
use crate::record::tally::Tally;
use crate::scenario::Scenario;

/// What a report is made from.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// The scenario, as it was resolved.
    pub scenario: &'a Scenario,
    /// The record.
    pub tally: &'a Tally,
    /// What came out.
    pub summary: &'a Summary,
    /// What it ran on.
    pub env: &'a Env,
}

/// All figures, in the order in which they are to be read; those that the record has nothing for are left out.
pub fn figures(evidence: Evidence<'_>) -> Vec<Figure> {
    let figures = [
        time::throughput(evidence),
        time::latency(evidence),
        spectrum::spectrum(evidence),
        faults::recovery(evidence),
        measured::measured(evidence),
        plan::cluster(evidence),
        passage::passage(evidence),
        links::links(evidence),
        host::processors(evidence),
        host::lateness(evidence),
        host::used(evidence),
    ];
    figures.into_iter().flatten().collect()
}

/// The figures that matter most: what, how much, and what to make of it.
pub fn headline(evidence: Evidence<'_>) -> Vec<(String, String, String)> {
    let summary = evidence.summary;
    let mut headline = Vec::new();
    let mut say = |name: &str, value: String, more: String| headline.push((name.to_owned(), value, more));
    say(
        "throughput",
        format!("{}/s", significant(summary.throughput_per_s)),
        summary.bound.as_ref().map_or_else(String::new, share),
    );
    if let Some(latency) = &summary.latency_ms {
        let of = format!("p99 {} · p99.9 {} · max {}", time(latency.p99), time(latency.p999), time(latency.max));
        say("median latency", time(latency.p50), of);
    }
    let requests = &summary.requests;
    let checked = if !summary.has_model() {
        String::new()
    } else if requests.checked > 0 {
        format!(" · {} wrong", grouped(requests.wrong))
    } else {
        " · outputs not checked".into()
    };
    let more = format!(
        "of {} offered · {} lost · {} duplicated{checked}",
        grouped(requests.offered),
        grouped(requests.lost),
        grouped(requests.duplicated)
    );
    say("requests completed", grouped(requests.completed), more);
    if let Some(fidelity) = &summary.fidelity {
        let more = fidelity.doubts.first().map_or(NO_DOUBT, |doubt| &doubt.what);
        say("emulation", fidelity.verdict.word().to_owned(), more.to_owned());
    }
    if !summary.faults.is_empty() {
        let back = summary.faults.iter().filter_map(|fault| {
            let recovered = fault.recovered_s.filter(|_| fault.detected_s.is_some())?;
            Some(recovered - fault.effect_s.or(fault.fired_s)?)
        });
        let longest =
            back.fold(None, |longest: Option<f64>, took| Some(longest.map_or(took, |longest| longest.max(took))));
        let value = longest.map_or_else(|| "–".to_owned(), |took| time(took.max(0.0) * 1e3));
        say(
            "longest recovery",
            value,
            format!(
                "to the first {} · {}",
                if summary.has_model() { "result of a new plan" } else { "answer afterwards" },
                counted(summary.faults.len() as u64, "fault")
            ),
        );
    }
    headline
}

/// What the run ran on.
pub fn surroundings(evidence: Evidence<'_>) -> Vec<(String, String)> {
    let Evidence { summary, env, .. } = evidence;
    let mut all = vec![
        ("emu", env.version.clone()),
        ("started", env.started.to_string()),
        ("kernel", env.kernel.clone()),
        ("TCP's congestion control", env.congestion_control.clone()),
        ("processor", format!("{}, {} × {}", env.architecture, env.cores, env.cpu)),
        ("memory", env.memory.to_string()),
        ("links", env.carrier.clone().unwrap_or_else(|| "none".to_owned())),
    ];
    if let Some(peak) = summary.peak_memory_bytes {
        all.push(("emu's own memory, at most", format!("{} MiB", mebibytes(peak))));
    }
    for phase in &summary.phases {
        all.push(("phase", format!("{}: {}", phase.name, time(phase.took_s * 1e3))));
    }
    all.into_iter().map(|(what, value)| (what.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture;
    use crate::report::summarise;

    #[test]
    fn every_figure_has_a_picture_in_both_widths_and_numbers_in_every_cell() {
        let run = fixture::crashes();
        let tally = run.tally();
        let summary = summarise(&run.scenario, &tally);
        let env = Env::gather(jiff::Timestamp::from_second(1_800_000_000).unwrap(), 7, Vec::new());
        let figures = figures(Evidence { scenario: &run.scenario, tally: &tally, summary: &summary, env: &env });
        let ids: Vec<&str> = figures.iter().map(|figure| figure.id).collect();
        assert_eq!(
            ids,
            [
                "throughput",
                "latency",
                "spectrum",
                "recovery",
                "cluster",
                "passage",
                "links",
                "host",
                "lateness",
                "used"
            ]
        );
        for figure in &figures {
            assert!(!figure.table.rows.is_empty(), "{}", figure.id);
            assert!(figure.table.rows.iter().all(|row| row.len() == figure.table.columns.len()), "{}", figure.id);
            for width in [860.0, 350.0] {
                // The fixture's links have no rates to be used.
                let Some(picture) = &figure.picture else { continue };
                let drawn = picture.draw(width).inline("", &figure.title);
                assert!(drawn.contains("<path"), "{}", figure.id);
                assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{}: {drawn}", figure.id);
            }
        }
    }
}
