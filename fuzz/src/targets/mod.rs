//! The readers that are tried, each behind its public door.

mod codec;
mod frames;
mod heartbeats;
mod join;
mod journal;
mod latency;
mod messages;
mod onnx;
mod probe;
mod report;
mod scenario;
mod tables;

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Target;

/// All of them.
pub fn all() -> Vec<Box<dyn Target>> {
    vec![
        Box::new(frames::Frames),
        Box::new(messages::Messages),
        Box::new(heartbeats::Heartbeats::new()),
        Box::new(probe::Probe),
        Box::new(join::Join::new(join::End::Accepting)),
        Box::new(join::Join::new(join::End::Connecting)),
        Box::new(codec::Codecs),
        Box::new(journal::Journal::new()),
        Box::new(scenario::Scenarios),
        Box::new(tables::Table::traces()),
        Box::new(tables::Table::matrices()),
        Box::new(onnx::Models::new()),
        Box::new(report::Reports::new()),
        Box::new(latency::Latency::new()),
    ]
}

/// The project's own folder.
fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files in a folder of the project that end so.
fn files(folder: &str, end: &str) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(project().join(folder)).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(end));
    paths.sort();
    paths.iter().filter_map(|path| std::fs::read(path).ok()).collect()
}

/// A folder for the files of one target: not on a disk, if that can be had, since each input is some files.
fn scratch() -> TempDir {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    folder.expect("a temporary folder")
}
