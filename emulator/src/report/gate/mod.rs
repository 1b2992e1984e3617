//! A gate, for people and for CI: in a terminal, in Markdown, as JUnit's XML, as annotations of GitHub.

pub mod github;
pub mod junit;

use std::fs;

use super::chart::figure::Table;
use super::comparison::{grid, percent};
use super::markdown;
use super::numbers::{counted, significant};
use super::terminal::{Looks, Writer};
use crate::gate::decide::{Finding, POWER, Told};
use crate::gate::{Gated, Measure};
use crate::record::outputs::OutputError;

/// Writes `gate.json` and `gate.md` into the gate's folder.
///
/// # Errors
/// [`OutputError`] for the first file that can't be written.
pub fn write(gated: &Gated) -> Result<(), OutputError> {
    let json = serde_json::to_string_pretty(gated)? + "\n";
    for (name, content) in [("gate.json", json), ("gate.md", markdown(gated))] {
        let path = gated.folder.join(name);
        fs::write(&path, content).map_err(|source| OutputError::Write { path, source })?;
    }
    Ok(())
}

/// In a terminal.
pub fn terminal(gated: &Gated, looks: Looks) -> String {
    let mut text = grid(&points_title(gated), &points(gated), looks);
    text += &grid(&findings_title(gated), &findings(gated), looks);
    let writer = Writer { looks };
    text += &format!("\n{}: {}\n", word(gated), writer.plain(&sentence(gated)));
    for note in notes(gated) {
        text += &format!("\n  ! {}", writer.plain(&note));
    }
    text + &format!("\nfiles in {}/\n  gate.json, gate.md, runs/", gated.folder.display())
}

/// As Markdown.
pub fn markdown(gated: &Gated) -> String {
    let mut text = format!(
        "# Gate: {}\n\n**{}**: {}\n",
        markdown::plain(&gated.scenario),
        word(gated),
        markdown::plain(&sentence(gated))
    );
    markdown::section(&mut text, &points_title(gated), &points(gated));
    markdown::section(&mut text, &findings_title(gated), &findings(gated));
    for note in notes(gated) {
        text += &format!("\n> {}\n", markdown::plain(&note));
    }
    text
}

/// The verdict in a word.
pub(super) fn word(gated: &Gated) -> &'static str {
    match gated.judgement.told {
        _ if gated.interrupted => "interrupted",
        Told::Slower => "slower",
        _ if gated.failed().next().is_some() => "not as expected",
        Told::Open => "can't tell",
        Told::Faster => "faster",
        Told::Held => "held",
    }
}

/// The verdict in a sentence.
pub(super) fn sentence(gated: &Gated) -> String {
    let judgement = &gated.judgement;
    let failed = gated.failed().count() as u64;
    if gated.interrupted {
        return "the same command goes on from here; what stands above is of the pairs so far".to_owned();
    }
    let tolerated = format!("{} % are tolerated", share(gated.limits.tolerance));
    match judgement.told {
        Told::Slower => {
            let level = (judgement.level.told == Told::Slower)
                .then(|| format!("{} changed by {}", of(gated.measure), percent(1.0 + judgement.level.change)));
            let shape = judgement.shape.as_ref().filter(|shape| shape.told == Told::Slower);
            let shape =
                shape.map(|shape| format!("it scales worse, by {} from {}", percent(1.0 + shape.change), along(gated)));
            let both: Vec<String> = level.into_iter().chain(shape).collect();
            format!("{}; {tolerated}", both.join(", and "))
        }
        _ if failed > 0 => {
            let runs = counted(failed, "run");
            format!(
                "{runs} of the new program broke an expectation or an invariant; that fails a gate whatever the throughput"
            )
        }
        Told::Open => format!(
            "a loss of {} % could have been overlooked, for {} {}; more with --repeat, or longer runs, or a quieter host",
            share(gated.limits.detect),
            counted(judgement.pairs as u64, "pair"),
            if judgement.level.between.is_none() { "are too few" } else { "with this noise are too few" },
        ),
        Told::Faster => format!(
            "{} changed by {}; what is stored as a baseline can be renewed",
            of(gated.measure),
            percent(1.0 + judgement.level.change)
        ),
        Told::Held => format!(
            "no loss beyond chance and tolerance; {tolerated}, and {} % would have been seen",
            share(gated.limits.detect)
        ),
    }
}

/// What else should be known.
pub(super) fn notes(gated: &Gated) -> Vec<String> {
    let failed = gated.failed().count() as u64;
    let first = gated.failed().next();
    let first = first
        .map(|run| format!("{} of the new program not as expected, first {}", counted(failed, "run"), run.display()));
    first.into_iter().chain(gated.warnings.iter().cloned()).collect()
}

fn points_title(gated: &Gated) -> String {
    match gated.measure {
        Measure::Throughput => "Results per second: medians, and each pair's change (told, not judged)".to_owned(),
        Measure::Share => {
            "Share of what the plan allows: medians, and each pair's change (told, not judged)".to_owned()
        }
    }
}

pub(super) fn points(gated: &Gated) -> Table {
    let mut table = Table::new(&["point", "#pairs", "#before", "#after", "#change", "#least", "#most"]);
    let value = |value: f64| match gated.measure {
        Measure::Throughput => significant(value),
        Measure::Share => format!("{} %", significant(value * 100.0)),
    };
    for point in &gated.points {
        let mut cells = vec![point.name.clone(), point.pairs.to_string()];
        if point.pairs > 0 {
            let (low, high) = point.range;
            cells.extend([value(point.old), value(point.new)]);
            cells.extend([point.change, low, high].map(|change| percent(1.0 + change)));
        }
        cells.resize(table.columns.len(), "–".to_owned());
        table.rows.push(cells);
    }
    table
}

fn findings_title(gated: &Gated) -> String {
    format!(
        "All {} together; noise of a pair {} %",
        counted(gated.judgement.pairs as u64, "pair"),
        significant(gated.judgement.noise * 100.0)
    )
}

pub(super) fn findings(gated: &Gated) -> Table {
    let detected = format!("#detected {:.0} times of 10", POWER * 10.0);
    let mut table = Table::new(&["asked", "#change", "between", "#p", "#at most", &detected, "that is"]);
    let mut row = |name: String, finding: &Finding| {
        let between = |(low, high): (f64, f64)| format!("{} and {}", percent(1.0 + low), percent(1.0 + high));
        table.rows.push(vec![
            name,
            percent(1.0 + finding.change),
            finding.between.map_or_else(|| "–".to_owned(), between),
            probability(finding.p),
            probability(finding.alpha),
            finding.detectable.map_or_else(|| "nothing".to_owned(), |loss| percent(1.0 - loss)),
            match finding.told {
                Told::Slower => "slower",
                Told::Faster => "faster",
                Told::Held => "held",
                Told::Open => "open",
            }
            .to_owned(),
        ]);
    };
    row("level: at all points".to_owned(), &gated.judgement.level);
    if let Some(shape) = &gated.judgement.shape {
        row(format!("shape: from {}", along(gated)), shape);
    }
    table
}

/// The ends of the curve in words.
fn along(gated: &Gated) -> String {
    let say =
        |ends: &crate::gate::Ends| format!("{} {} to {}", ends.over, significant(ends.from), significant(ends.to));
    gated.ends.as_ref().map_or_else(String::new, say)
}

fn of(measure: Measure) -> &'static str {
    match measure {
        Measure::Throughput => "throughput",
        Measure::Share => "the share of what is possible",
    }
}

fn share(share: f64) -> String {
    significant(share * 100.0)
}

fn probability(p: f64) -> String {
    match p {
        p if p < 1e-4 => "< 0.0001".to_owned(),
        p if p < 0.01 => format!("{p:.4}"),
        p => format!("{p:.2}"),
    }
}
