//! Groups of runs that are gone.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::CgroupError;
use super::folder::remove_tree;
use node::memory::hierarchy::hierarchies;

/// How long processes of a run that was just killed are waited for.
const DYING: Duration = Duration::from_secs(2);

/// Removes the groups of runs of which no process lives any more, wherever they are. Every command begins with this.
/// Groups of other users are left to them. Returns how many were removed, and what could not be.
pub fn remove_stale() -> (usize, Vec<CgroupError>) {
    let (mut removed, mut errors) = (0, Vec::new());
    let deadline = Instant::now() + DYING;
    for hierarchy in hierarchies() {
        search(&hierarchy.mount, &mut |path| match remove_if_stale(path, deadline) {
            Ok(true) => removed += 1,
            Ok(false) => {}
            Err(CgroupError::Remove { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => {}
            Err(error) => errors.push(error),
        });
    }
    (removed, errors)
}

/// The name of the group of a run that process `pid` began, which was started at `start` (ticks since boot).
pub(super) fn name(pid: u32, start: u64) -> String {
    format!("emu-{pid}-{start}")
}

fn is_name(name: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.strip_prefix("emu-")
        .and_then(|rest| rest.split_once('-'))
        .is_some_and(|(pid, start)| number(pid) && number(start))
}

/// Calls `found` for every group of a run below `path`. Groups may vanish meanwhile: they are not ours.
fn search(path: &Path, found: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if entry.file_name().to_str().is_some_and(is_name) {
                found(&entry.path());
            } else {
                search(&entry.path(), found);
            }
        }
    }
}

fn remove_if_stale(path: &Path, deadline: Instant) -> Result<bool, CgroupError> {
    let Ok(folder) = File::open(path) else { return Ok(false) };
    match folder.try_lock() {
        Ok(()) => remove_tree(path, deadline).map(|()| true),
        Err(_) => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_a_run_gives_are_taken_for_runs() {
        assert!(is_name(&name(12, 3456)));
        assert!(!["emu-", "emu-12", "emu-12-", "emu-x-1", "emu-1-2-3", "other-1-2"].into_iter().any(is_name));
    }
}
