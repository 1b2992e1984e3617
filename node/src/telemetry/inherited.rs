//! Taking over the descriptor that the parent process left open for telemetry. Only its number is passed,
//! so nothing but our word says that no one else here owns it; hence the `unsafe`.

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

/// Takes over descriptor `number`, which the parent process left open. Call it once, before the program
/// opens any file of its own.
///
/// # Errors
/// When no such descriptor is open, or it is standard output or standard error.
pub fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    if matches!(number, 1 | 2) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "an output stream can't carry telemetry"));
    }
    // SAFETY: borrowed for this one call, which fails if the descriptor is not open.
    fcntl(unsafe { BorrowedFd::borrow_raw(number) }, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    // SAFETY: it is open, and by this function's contract no one else in the process owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
