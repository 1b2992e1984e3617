//! Runs, found in folders and read from what they left: the summary and the latency log.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::read::ZlibDecoder;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use crate::record::env::Env;
use crate::record::outputs::{ENV, LATENCY, SUMMARY};
use crate::record::summary::{Bound, Summary};

/// Digits of the histograms, as the latency logs have them.
const DIGITS: u8 = 3;

/// What a deflated histogram begins with: HdrHistogram's V2.
const DEFLATED: u32 = 0x1c84_9314;
/// Bytes in front of the buckets of one that was inflated.
const HEAD: usize = 40;
/// Most bytes of one that was inflated: nine for each bucket that three digits and 64 bits can have.
const LARGEST: u64 = 1 << 20;

/// A run's samples.
#[derive(Debug, Clone)]
pub struct Run {
    /// Where it is.
    pub folder: PathBuf,
    /// The scenario's name.
    pub scenario: String,
    /// Its seed.
    pub seed: u64,
    /// The model.
    pub model: String,
    /// Number of nodes.
    pub nodes: usize,
    /// What bore the links.
    pub carrier: String,
    /// Processor and kernel.
    pub host: String,
    /// How it ended.
    pub exit: u8,
    /// Results per second.
    pub throughput_per_s: f64,
    /// What they could have been at most.
    pub bound: Option<Bound>,
    /// The longest recovery from a fault that was detected.
    pub recovery_ms: Option<f64>,
    /// Latency from the scheduled instant, in nanoseconds.
    pub latency: Histogram<u64>,
}

/// Runs of the same thing.
#[derive(Debug, Clone)]
pub struct Set {
    /// What it is called: how the user named it.
    pub name: String,
    /// At least one.
    pub runs: Vec<Run>,
}

/// Why runs can't be read.
#[derive(Debug, thiserror::Error)]
pub enum RunsError {
    /// A pattern is no pattern.
    #[error("{pattern}: {source}")]
    Pattern {
        /// It.
        pattern: String,
        /// Why.
        source: glob::PatternError,
    },
    /// Nothing is there.
    #[error(
        "{0}: there is no run; name a run's folder, a folder of runs, or a pattern in quotes such as 'results/scaling/2026-11-*'"
    )]
    None(String),
    /// A file can't be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {reason}", path.display())]
    Decode {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// A histogram without samples that grows with what is added.
pub fn empty() -> Histogram<u64> {
    // Between one and five digits there is always one.
    Histogram::new(DIGITS).unwrap_or_else(|error| unreachable!("a histogram of {DIGITS} digits: {error}"))
}

/// The runs that `name` means: a run's folder, a folder with runs in it, or a pattern of either.
///
/// # Errors
/// See [`RunsError`].
pub fn set(name: &str) -> Result<Set, RunsError> {
    let pattern = |source| RunsError::Pattern { pattern: name.to_owned(), source };
    let mut runs = Vec::new();
    for found in glob::glob(name).map_err(pattern)? {
        let found = found.map_err(|error| RunsError::Read { path: error.path().to_owned(), source: error.into() })?;
        runs.extend(within(&found)?);
    }
    // `latest` is a run that is there under its own name, too.
    runs.sort_by(|a, b| a.folder.cmp(&b.folder));
    runs.dedup_by(|a, b| a.folder == b.folder);
    if runs.is_empty() {
        return Err(RunsError::None(name.to_owned()));
    }
    Ok(Set { name: name.trim_end_matches('/').to_owned(), runs })
}

/// The run that a folder is, or the runs in it, each once; none if there is no such folder.
///
/// # Errors
/// See [`RunsError`].
pub fn within(folder: &Path) -> Result<Vec<Run>, RunsError> {
    if folder.join(SUMMARY).is_file() {
        return Ok(vec![run(folder)?]);
    }
    let read = |source| RunsError::Read { path: folder.to_owned(), source };
    let mut folders = Vec::new();
    if folder.is_dir() {
        for entry in fs::read_dir(folder).map_err(read)? {
            let path = entry.map_err(read)?.path();
            let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if path.join(SUMMARY).is_file() && !hidden {
                folders.push(fs::canonicalize(&path).map_err(read)?);
            }
        }
    }
    folders.sort();
    folders.dedup();
    folders.iter().map(|folder| run(folder)).collect()
}

/// Reads a run's folder.
///
/// # Errors
/// See [`RunsError`].
pub fn run(folder: &Path) -> Result<Run, RunsError> {
    let summary: Summary = json(&folder.join(SUMMARY))?;
    let env = folder.join(ENV);
    let host = if env.exists() {
        let env: Env = json(&env)?;
        format!("{} cores of {}, Linux {}, TCP {}", env.cores, env.cpu, env.kernel, env.congestion_control)
    } else {
        "unknown".to_owned()
    };
    let back = summary.faults.iter().filter(|fault| fault.detected_s.is_some());
    let back = back.filter_map(|fault| Some((fault.recovered_s? - fault.effect_s.or(fault.fired_s)?) * 1e3));
    let recovery_ms = back.fold(None, |most: Option<f64>, took| Some(most.map_or(took, |most| most.max(took))));
    Ok(Run {
        latency: latency(&folder.join(LATENCY))?,
        folder: fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned()),
        scenario: summary.scenario,
        seed: summary.seed,
        model: summary.model,
        nodes: summary.nodes,
        carrier: summary.carrier.unwrap_or_else(|| "none".to_owned()),
        host,
        exit: summary.exit,
        throughput_per_s: summary.throughput_per_s,
        bound: summary.bound,
        recovery_ms: recovery_ms.filter(|took| *took > 0.0),
    })
}

/// A latency log, summed up.
fn latency(path: &Path) -> Result<Histogram<u64>, RunsError> {
    let wrong = |reason: String| RunsError::Decode { path: path.to_owned(), reason };
    let text = fs::read(path).map_err(|source| RunsError::Read { path: path.to_owned(), source })?;
    let mut all = empty();
    let mut deserializer = Deserializer::new();
    for entry in IntervalLogIterator::new(&text) {
        let entry = entry.map_err(|error| wrong(format!("no HdrHistogram interval log: {error:?}")))?;
        if let LogEntry::Interval(interval) = entry {
            let bytes =
                BASE64_STANDARD.decode(interval.encoded_histogram()).map_err(|error| wrong(error.to_string()))?;
            let bytes = inflated(&bytes).map_err(|reason| wrong(format!("a histogram of it {reason}")))?;
            let histogram: Histogram<u64> =
                deserializer.deserialize(&mut &bytes[..]).map_err(|error| wrong(error.to_string()))?;
            all.add(&histogram).map_err(|error| wrong(error.to_string()))?;
        }
    }
    Ok(all)
}

/// The histogram that was deflated, if it is what its head says: the lengths there are of what follows, and it has no more
/// digits than those of this program. (The reader that is asked next believes a head, and would take gigabytes for a false one.)
fn inflated(bytes: &[u8]) -> Result<Vec<u8>, &'static str> {
    let word = |bytes: &[u8], at: usize| {
        bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map(u32::from_be_bytes).ok_or("is too short")
    };
    if word(bytes, 0)? != DEFLATED || word(bytes, 4)? as usize != bytes.len() - 8 {
        return Err("is none that was deflated, or was cut short");
    }
    let mut plain = Vec::new();
    let read = ZlibDecoder::new(&bytes[8..]).take(LARGEST + 1).read_to_end(&mut plain);
    if read.map_err(|_| "is damaged")? as u64 > LARGEST {
        return Err("is larger than any of this program");
    }
    let (length, digits) = (word(&plain, 4)?, word(&plain, 12)?);
    if plain.len() < HEAD || length as usize != plain.len() - HEAD || digits > u32::from(DIGITS) {
        return Err("is not what its head says");
    }
    Ok(plain)
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, RunsError> {
    let text = fs::read(path).map_err(|source| RunsError::Read { path: path.to_owned(), source })?;
    serde_json::from_slice(&text)
        .map_err(|error| RunsError::Decode { path: path.to_owned(), reason: error.to_string() })
}
