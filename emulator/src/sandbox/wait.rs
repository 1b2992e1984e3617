//! The process that stays outside: it waits, passes interrupts on, and knows the exit code.

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::error::{SandboxError, Step};
use super::signals::Signals;

/// Waits for the first process of the sandbox. The first SIGINT or SIGTERM is passed on, so that the run
/// tears down and writes what it has; the second ends it at once. Either way the exit code is 128 + the
/// first signal, as a shell shows it.
pub(super) fn wait(first: Pid, signals: &Signals) -> Result<u8, SandboxError> {
    let failed = |errno| SandboxError::System { step: Step::Wait, errno };
    let mut interrupted: Option<Signal> = None;
    loop {
        match signals.wait().map_err(failed)? {
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
