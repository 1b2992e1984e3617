//! The process that stays outside: it waits, passes interrupts on, and knows the exit code.

use std::io::{IsTerminal, stdin};
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpgrp, read, tcgetpgrp};

use super::error::{SandboxError, Step};
use super::signals::Signals;

/// Waits for the first process of the sandbox. The first SIGINT or SIGTERM is passed on, so that the run
/// tears down and writes what it has; the second ends it at once. Either way the exit code is 128 + the
/// first signal, as a shell shows it; but if the run is `attended`, its own exit code counts if it has one. Then, too, it gets
/// SIGUSR1 when the user presses Enter: it can't read the terminal itself, being none of its foreground.
pub(super) fn wait(first: Pid, signals: &Signals, attended: bool) -> Result<u8, SandboxError> {
    let failed = |errno| SandboxError::System { step: Step::Wait, errno };
    let mut interrupted: Option<Signal> = None;
    let mut keys = Keys { open: attended };
    loop {
        match keys.or_signal(signals).map_err(failed)? {
            Signal::SIGCHLD => match waitpid(first, Some(WaitPidFlag::WNOHANG)).map_err(failed)? {
                WaitStatus::Exited(_, code) => {
                    let interrupted = interrupted.filter(|_| !attended);
                    return Ok(interrupted.map_or(code as u8, |signal| 128 + signal as u8));
                }
                WaitStatus::Signaled(_, signal, _) => {
                    return interrupted.map(|signal| 128 + signal as u8).ok_or(SandboxError::Killed(signal));
                }
                _ => {}
            },
            Signal::SIGUSR1 => pass(first, Signal::SIGUSR1).map_err(failed)?,
            signal => {
                let sent = if interrupted.is_none() { signal } else { Signal::SIGKILL };
                interrupted.get_or_insert(signal);
                pass(first, sent).map_err(failed)?;
            }
        }
    }
}

fn pass(first: Pid, signal: Signal) -> Result<(), Errno> {
    match kill(first, signal) {
        // Not yet waited for, so its number can't belong to anybody else.
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Standard input, as long as it is of interest and something may come from it.
struct Keys {
    open: bool,
}

impl Keys {
    /// The next signal; a line on standard input counts as SIGUSR1.
    fn or_signal(&mut self, signals: &Signals) -> Result<Signal, Errno> {
        while self.open {
            if let Some(signal) = signals.next()? {
                return Ok(signal);
            }
            let stdin = stdin();
            // Who reads a terminal without being in its foreground is stopped.
            let foreground = !stdin.is_terminal() || tcgetpgrp(&stdin).is_ok_and(|group| group == getpgrp());
            let mut polled = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
            if foreground {
                polled.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
            }
            match poll(&mut polled, PollTimeout::from(1000u16)) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
            let ready = polled.get(1).and_then(PollFd::revents).is_some_and(|events| !events.is_empty());
            if ready {
                let mut line = [0; 256];
                match read(&stdin, &mut line) {
                    Ok(length) if line[..length].contains(&b'\n') => return Ok(Signal::SIGUSR1),
                    // Nobody is there who could press anything: an interrupt is what is left.
                    Ok(0) => self.open = false,
                    Ok(_) | Err(Errno::EINTR | Errno::EAGAIN) => {}
                    Err(_) => self.open = false,
                }
            }
        }
        signals.wait()
    }
}
