//! The record of a run that is over.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::env::Env;
use super::log::LogError;
use super::outputs;
use super::tally::Tally;
use crate::scenario::Scenario;

/// Why a folder can't be read as a run's.
#[derive(Debug, thiserror::Error)]
pub enum ReopenError {
    /// A file is not there or can't be read.
    #[error("{}: {source}; is this the folder of a run?", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {source}", path.display())]
    Decode {
        /// Which.
        path: PathBuf,
        /// Where it is wrong.
        source: serde_json::Error,
    },
    /// A scenario that can't have been resolved.
    #[error("{}: {reason}; the file was damaged or changed", path.display())]
    Unsound {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The event log.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// What a run's folder holds.
#[derive(Debug, Clone)]
pub struct Reopened {
    /// The scenario as it was resolved, with the faults by hand behind its own.
    pub scenario: Scenario,
    /// Everything that happened.
    pub tally: Tally,
    /// What it ran on; a run that was killed did not come to writing it.
    pub env: Option<Env>,
}

/// Reads the folder of a run.
///
/// # Errors
/// When a file is missing or not what it should be.
pub fn reopen(folder: &Path) -> Result<Reopened, ReopenError> {
    let path = folder.join(outputs::RESOLVED);
    let mut scenario: Scenario = json(&path)?;
    if let Some(reason) = scenario.unsound() {
        return Err(ReopenError::Unsound { path, reason });
    }
    let tally = Tally::read(&folder.join(outputs::EVENTS), &scenario)?;
    tally.add_injected(&mut scenario);
    if let Some(reason) = scenario.unsound() {
        return Err(ReopenError::Unsound { path: folder.join(outputs::EVENTS), reason });
    }
    let env = folder.join(outputs::ENV);
    let env = if env.exists() { Some(json(&env)?) } else { None };
    Ok(Reopened { scenario, tally, env })
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T, ReopenError> {
    let text = fs::read(path).map_err(|source| ReopenError::Read { path: path.to_owned(), source })?;
    serde_json::from_slice(&text).map_err(|source| ReopenError::Decode { path: path.to_owned(), source })
}
