//! A run's group in one hierarchy, locked for as long as a process of the run lives.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::CgroupError;

/// A locked group.
#[derive(Debug)]
pub(super) struct Folder {
    pub path: PathBuf,
    /// The lock lives as long as this descriptor, which children of the run's processes don't inherit.
    _lock: File,
}

impl Folder {
    /// Makes and locks the group `name` in `parent`.
    pub fn create(parent: &Path, name: &str) -> Result<Folder, CgroupError> {
        let path = parent.join(name);
        let made = || loop {
            fs::create_dir(&path)?;
            let lock = File::open(&path)?;
            lock.lock()?;
            // Between making and locking it looked stale, and a command that began just then removed it.
            match fs::metadata(&path) {
                Ok(still) if still.ino() == lock.metadata()?.ino() => return Ok(lock),
                _ => continue,
            }
        };
        match made() {
            Ok(lock) => Ok(Folder { path, _lock: lock }),
            Err(source) => Err(CgroupError::Make { path, source }),
        }
    }
}

/// Removes a group and all groups in it. A process that was just killed may keep its group busy for
/// a moment, which is waited for until `deadline`.
pub(super) fn remove_tree(path: &Path, deadline: Instant) -> Result<(), CgroupError> {
    let failed = |source| CgroupError::Remove { path: path.to_owned(), source };
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path(), deadline)?;
        }
    }
    loop {
        match fs::remove_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            // Version 1 has no notice of a group's becoming empty.
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(2));
            }
            result => return result.map_err(failed),
        }
    }
}
