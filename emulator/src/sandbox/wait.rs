//! The process that stays outside: it waits, passes interrupts on, and knows the exit code.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::error::{SandboxError, Step};
use super::signals::Signals;

/// Bytes that are passed on to the sandbox while it is waited for.
#[derive(Debug)]
pub struct Keys {
    /// From here.
    pub from: File,
    /// To there; it must not block.
    pub to: UnixStream,
}

impl Keys {
    /// Passes on what has come. Returns whether more can come.
    fn pass(&mut self) -> bool {
        let mut bytes = [0; 64];
        match self.from.read(&mut bytes) {
            Ok(0) => false,
            Ok(count) => {
                // Who doesn't listen misses them.
                let _ = self.to.write(&bytes[..count]);
                true
            }
            Err(error) => matches!(error.kind(), std::io::ErrorKind::Interrupted | std::io::ErrorKind::WouldBlock),
        }
    }
}

/// Waits for the next signal, and passes keys on meanwhile.
fn next_signal(signals: &Signals, keys: &mut Option<Keys>) -> Result<Signal, Errno> {
    while let Some(passed) = keys {
        if let Some(signal) = signals.next()? {
            return Ok(signal);
        }
        let mut polled = [signals.as_fd(), passed.from.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match poll(&mut polled, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
        // Also when the terminal has gone away.
        let came = polled[1].any().unwrap_or(true);
        if came && !passed.pass() {
            *keys = None;
        }
    }
    signals.wait()
}

/// Waits for the first process of the sandbox. The first SIGINT or SIGTERM is passed on, so that the run
/// tears down and writes what it has; the second ends it at once. Either way the exit code is 128 + the
/// first signal, as a shell shows it.
pub(super) fn wait(first: Pid, signals: &Signals, mut keys: Option<Keys>) -> Result<u8, SandboxError> {
    let failed = |errno| SandboxError::System { step: Step::Wait, errno };
    let mut interrupted: Option<Signal> = None;
    loop {
        match next_signal(signals, &mut keys).map_err(failed)? {
            Signal::SIGCHLD => match waitpid(first, Some(WaitPidFlag::WNOHANG)).map_err(failed)? {
                WaitStatus::Exited(_, code) => {
                    return Ok(interrupted.map_or(code as u8, |signal| 128 + signal as u8));
                }
                WaitStatus::Signaled(_, signal, _) => {
                    return interrupted.map(|signal| 128 + signal as u8).ok_or(SandboxError::Killed(signal));
                }
                _ => {}
            },
            signal => {
                let sent = if interrupted.is_none() { signal } else { Signal::SIGKILL };
                interrupted.get_or_insert(signal);
                match kill(first, sent) {
                    // Not yet waited for, so its number can't belong to anybody else.
                    Ok(()) | Err(Errno::ESRCH) => {}
                    Err(errno) => return Err(failed(errno)),
                }
            }
        }
    }
}
