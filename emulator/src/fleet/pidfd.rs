//! A process as a descriptor: readable when it has ended.
//!
//! `unsafe` is here because no crate in use wraps `pidfd_open`.

use std::os::fd::{FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::unistd::Pid;

/// Opens `process`, which must be a child that has not been waited for.
pub(super) fn open(process: Pid) -> Result<OwnedFd, Errno> {
    // SAFETY: the call takes two numbers; what it returns is a descriptor that nobody else has.
    unsafe {
        let descriptor = Errno::result(libc::syscall(libc::SYS_pidfd_open, process.as_raw(), 0))?;
        Ok(OwnedFd::from_raw_fd(descriptor as i32))
    }
}
