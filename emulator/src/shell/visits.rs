//! Who was in a run's nodes: the run says so in its warnings, for what a visitor does may change its figures.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use node::clock::Instant;
use serde::{Deserialize, Serialize};

const VISITS: &str = "visits.jsonl";

/// A program that was run in a node by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    /// When.
    pub at: Instant,
    /// In which node.
    pub node: String,
    /// The command line.
    pub command: Vec<String>,
}

/// Writes a visit into the folder of a run.
///
/// # Errors
/// The system's.
pub fn note(folder: &Path, visit: &Visit) -> io::Result<()> {
    let mut line = serde_json::to_vec(visit)?;
    line.push(b'\n');
    // In one piece, so that visits at the same time don't mix.
    fs::OpenOptions::new().create(true).append(true).open(folder.join(VISITS))?.write_all(&line)
}

/// The visits of a run, as far as they can be read.
pub fn read(folder: &Path) -> Vec<Visit> {
    let text = fs::read_to_string(folder.join(VISITS)).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
