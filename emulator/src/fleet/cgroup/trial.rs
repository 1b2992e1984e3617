//! Can this group be used, with a process in it? Found out with one.
//!
//! `unsafe` is here for a fork whose child does nothing but write, and end: both are safe to do after a fork
//! from a process with threads.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

use super::CgroupError;
use super::folder::{Folder, remove_tree};
use super::run::Offer;

/// What a hierarchy gave, and what the first refusal was.
pub(super) struct Offered {
    pub offer: Option<Offer>,
    pub refusal: Option<CgroupError>,
}

/// Time for a process that has ended to leave its group.
const LEAVING: Duration = Duration::from_secs(1);

/// Makes a group in `folder`, applies `limits` to it and puts a process into it that ends at once.
/// Removes `folder` if any of that is refused.
pub(super) fn in_folder(
    folder: Folder,
    limits: impl FnOnce(&Path) -> Result<(), CgroupError>,
) -> Result<Folder, CgroupError> {
    or_remove(folder, |folder| attempt(folder, limits))
}

/// The same, but `folder` stays.
pub(super) fn attempt(folder: &Path, limits: impl FnOnce(&Path) -> Result<(), CgroupError>) -> Result<(), CgroupError> {
    let path = folder.join("trial");
    fs::create_dir(&path).map_err(|source| CgroupError::Make { path: path.clone(), source })?;
    limits(&path)?;
    join(&path)?;
    remove_tree(&path, Instant::now() + LEAVING)
}

/// Does `work` in `folder`, and removes `folder` if that fails.
pub(super) fn or_remove(
    folder: Folder,
    work: impl FnOnce(&Path) -> Result<(), CgroupError>,
) -> Result<Folder, CgroupError> {
    match work(&folder.path) {
        Ok(()) => Ok(folder),
        Err(error) => {
            // What can't be removed now is unlocked when this returns, so the next command removes it.
            let _ = remove_tree(&folder.path, Instant::now() + LEAVING);
            Err(error)
        }
    }
}

fn join(group: &Path) -> Result<(), CgroupError> {
    let failed = |source| CgroupError::Join { path: group.to_owned(), source };
    let procs = OpenOptions::new().write(true).open(group.join("cgroup.procs")).map_err(failed)?;
    // SAFETY: the child makes two system calls, on memory that exists already.
    match unsafe { fork() }.map_err(|errno| failed(errno.into()))? {
        ForkResult::Child => unsafe {
            // Zero is whoever writes it.
            let written = libc::write(procs.as_raw_fd(), c"0".as_ptr().cast(), 1);
            libc::_exit(if written == 1 { 0 } else { *libc::__errno_location() })
        },
        ForkResult::Parent { child } => match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, 0)) => Ok(()),
            Ok(WaitStatus::Exited(_, errno)) => Err(failed(io::Error::from_raw_os_error(errno))),
            Ok(_) => Err(failed(io::ErrorKind::Interrupted.into())),
            Err(errno) => Err(failed(errno.into())),
        },
    }
}
