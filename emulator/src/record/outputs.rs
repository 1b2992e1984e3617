//! The files that are computed from the record, written beside it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::env::Env;
use super::latency::{self, Kind, LatencyError};
use super::series;
use super::summary::Summary;
use super::tally::Tally;
use crate::scenario::Scenario;

/// The event log.
pub const EVENTS: &str = "events.jsonl";
/// The summary.
pub const SUMMARY: &str = "summary.json";
/// What happened in each second.
pub const THROUGHPUT: &str = "throughput.csv";
/// Latency from the scheduled instant.
pub const LATENCY: &str = "latency.hlog";
/// Latency from the instant of sending.
pub const LATENCY_UNCORRECTED: &str = "latency-uncorrected.hlog";
/// What the run ran on.
pub const ENV: &str = "env.json";
/// The scenario as the user gave it.
pub const SCENARIO: &str = "scenario.toml";
/// The scenario as it was resolved.
pub const RESOLVED: &str = "resolved.json";
/// What the model's parts cost: its profile, as the run planned with it.
pub const PROFILE: &str = "profile.json";
/// The folder of the files that the scenario names.
pub const FILES: &str = "files";

/// Why a file can't be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The disk refuses.
    #[error("can't write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The summary can't be put into JSON.
    #[error("can't write the summary as JSON: {0}")]
    Encode(#[from] serde_json::Error),
    /// A latency log can't be made.
    #[error(transparent)]
    Latency(#[from] LatencyError),
}

/// The wall-clock time at which load began: the record itself only has the monotonic clock.
pub fn began(env: &Env, tally: &Tally) -> SystemTime {
    let set_up = tally.load_started.unwrap_or_default().since(tally.run_started.unwrap_or_default());
    SystemTime::from(env.started) + set_up
}

/// Writes the summary, both latency logs and the series into a run's folder; files that are there are
/// replaced. For `began` see [`began`].
///
/// # Errors
/// The first that occurs; see [`OutputError`].
pub fn write(
    folder: &Path,
    scenario: &Scenario,
    tally: &Tally,
    summary: &Summary,
    began: SystemTime,
) -> Result<(), OutputError> {
    let mut json = serde_json::to_string_pretty(summary)?;
    json.push('\n');
    put(folder, SUMMARY, json.as_bytes())?;
    put(folder, THROUGHPUT, series::csv(tally).as_bytes())?;
    for (file, kind) in [(LATENCY, Kind::Corrected), (LATENCY_UNCORRECTED, Kind::Uncorrected)] {
        let mut log = Vec::new();
        latency::write(&mut log, scenario, tally, kind, began)?;
        put(folder, file, &log)?;
    }
    Ok(())
}

/// The wall-clock time at which load began.
pub fn load_began(tally: &Tally, env: &Env) -> SystemTime {
    let until_load = tally.load_started.zip(tally.run_started).map(|(load, run)| load.since(run)).unwrap_or_default();
    SystemTime::from(env.started) + until_load
}

fn put(folder: &Path, file: &str, content: &[u8]) -> Result<(), OutputError> {
    let path = folder.join(file);
    fs::write(&path, content).map_err(|source| OutputError::Write { path, source })
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn a_run_has_its_files_and_a_second_report_is_the_same() {
        let run = fixture::crashes();
        let folder = tempfile::tempdir().unwrap();
        let mut env = Env::gather(jiff::Timestamp::from_second(1_800_000_000).unwrap(), 7, Vec::new());
        env.carrier = Some("software".into());
        let files = || {
            let tally = run.tally();
            let summary = crate::report::summarise(&run.scenario, &tally);
            write(folder.path(), &run.scenario, &tally, &summary, began(&env, &tally)).unwrap();
            [SUMMARY, THROUGHPUT, LATENCY, LATENCY_UNCORRECTED].map(|file| fs::read(folder.path().join(file)).unwrap())
        };
        let first = files();
        assert_eq!(first, files());
        let summary: serde_json::Value = serde_json::from_slice(&first[0]).unwrap();
        assert_eq!((&summary["schema_version"], &summary["requests"]["lost"]), (&1.into(), &0.into()));
        let log = String::from_utf8(first[2].clone()).unwrap();
        // Load began two seconds after the run.
        assert!(log.contains("#[StartTime: 1800000002.000 (seconds since epoch)]"), "{log}");
    }
}
