//! `emu ls`

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::exit::Exit;
use crate::record::summary::Summary;
use crate::report::columns::columns;
use crate::shell::runs::{self, Run, State};

/// Arguments of `emu ls`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  emu ls
  emu ls --json | jq -r '.[] | select(.state == \"alive\") | .folder'")]
pub struct LsArgs {
    /// Folder of results.
    #[arg(long, value_name = "FOLDER", default_value = "results")]
    results: PathBuf,
    /// Prints the runs as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// A run in the list.
#[derive(Debug, Serialize)]
struct Line {
    run: String,
    scenario: String,
    started: String,
    folder: PathBuf,
    state: &'static str,
    exit: Option<u8>,
    throughput_per_s: Option<f64>,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    completed: Option<u64>,
    offered: Option<u64>,
}

/// Lists the runs, newest first.
pub fn run(arguments: &LsArgs) -> Exit {
    let lines: Vec<Line> = runs::all(&arguments.results).into_iter().map(line).collect();
    if arguments.json {
        super::print_json(&lines);
        return Exit::Success;
    }
    if lines.is_empty() {
        eprintln!("there is no run in {}", arguments.results.display());
        return Exit::Success;
    }
    let header = ["RUN", "STARTED (UTC)", "STATE", "EXIT", "RESULTS/S", "P50 MS", "P99 MS", "DONE"];
    let figure = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1}"));
    let cells = |line: &Line| {
        let done = line.completed.zip(line.offered);
        vec![
            line.run.clone(),
            line.started.clone(),
            line.state.to_owned(),
            line.exit.map_or("-".to_owned(), |exit| exit.to_string()),
            figure(line.throughput_per_s),
            figure(line.p50_ms),
            figure(line.p99_ms),
            done.map_or("-".to_owned(), |(completed, offered)| format!("{completed} of {offered}")),
        ]
    };
    let rows: Vec<Vec<String>> = lines.iter().map(cells).collect();
    super::print_text(&columns(&header, &rows, &[3, 4, 5, 6, 7]));
    Exit::Success
}

fn line(run: Run) -> Line {
    let summary = run.summary();
    // A run that failed before its load has a summary without figures worth a column.
    let of = |figure: fn(&Summary) -> Option<f64>| summary.as_ref().and_then(figure);
    Line {
        run: run.title(),
        scenario: run.scenario.clone(),
        started: started(&run.name),
        state: match (&run.state, &summary) {
            (State::Alive(_), _) => "alive",
            (State::Killed, _) => "killed",
            (State::Ended, Some(summary)) if summary.exit == Exit::Success.code() => "ok",
            (State::Ended, Some(_)) => "failed",
            (State::Ended, None) => "unreadable",
        },
        exit: summary.as_ref().map(|summary| summary.exit),
        throughput_per_s: of(|summary| summary.latency_ms.as_ref().map(|_| summary.throughput_per_s)),
        p50_ms: of(|summary| summary.latency_ms.as_ref().map(|latency| latency.p50)),
        p99_ms: of(|summary| summary.latency_ms.as_ref().map(|latency| latency.p99)),
        completed: summary.as_ref().map(|summary| summary.requests.completed),
        offered: summary.as_ref().map(|summary| summary.requests.offered),
        folder: run.folder,
    }
}

/// When a run of this name began: `2026-01-01T10-20-30Z-abcdef` is `2026-01-01 10:20:30`.
fn started(name: &str) -> String {
    match name.split_once('T') {
        Some((date, rest)) if rest.len() >= 8 && rest.is_ascii() => format!("{date} {}", rest[..8].replace('-', ":")),
        _ => "-".to_owned(),
    }
}
