//! The process that stays outside: it waits, passes interrupts and keys on, and knows the exit code.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write, stdin};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpgrp, read, tcgetpgrp};

use super::error::{SandboxError, Step};
use super::signals::Signals;

/// How somebody sits at a run. Only the process outside may read from the terminal: the sandbox is none of its foreground.
#[derive(Debug, Default)]
pub enum Attendance {
    /// Not at all.
    #[default]
    None,
    /// It waits for the user, who knows what an interrupt means to it: its own exit code counts, and when Enter is pressed here it
    /// gets SIGUSR1.
    Kept(File),
    /// It is given the keys that are pressed.
    Keys(Keys),
}

/// Bytes that are passed on to the sandbox while it is waited for.
#[derive(Debug)]
pub struct Keys {
    /// From here.
    pub from: File,
    /// To there; it must not block.
    pub to: UnixStream,
}

/// Waits for the first process of the sandbox. The first SIGINT or SIGTERM is passed on, so that the run
/// tears down and writes what it has; the second ends it at once. Either way the exit code is 128 + the
/// first signal, as a shell shows it; but if the run was kept up, its own exit code counts if it has one.
pub(super) fn wait(first: Pid, signals: &Signals, mut attendance: Attendance) -> Result<u8, SandboxError> {
    let failed = |errno| SandboxError::System { step: Step::Wait, errno };
    let kept = matches!(attendance, Attendance::Kept(_));
    let mut interrupted: Option<Signal> = None;
    loop {
        match attendance.next_signal(signals).map_err(failed)? {
            Signal::SIGCHLD => match waitpid(first, Some(WaitPidFlag::WNOHANG)).map_err(failed)? {
                WaitStatus::Exited(_, code) => {
                    let interrupted = interrupted.filter(|_| !kept);
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

impl Attendance {
    /// Waits for the next signal, and heeds what is pressed meanwhile.
    fn next_signal(&mut self, signals: &Signals) -> Result<Signal, Errno> {
        loop {
            if let Some(signal) = signals.next()? {
                return Ok(signal);
            }
            let heard = match self {
                Attendance::None => return signals.wait(),
                Attendance::Kept(input) => line(input, signals)?,
                Attendance::Keys(keys) => keys.pass(signals)?,
            };
            match heard {
                Heard::Signal(signal) => return Ok(signal),
                Heard::Nothing => {}
                // Nobody is there who could press anything: signals are what is left.
                Heard::End => *self = Attendance::None,
            }
        }
    }
}

/// What came of a moment's waiting.
enum Heard {
    Signal(Signal),
    Nothing,
    End,
}

/// What is typed, read without ever waiting for it: another process may read the same terminal or pipe, and be faster.
///
/// # Errors
/// When standard input is closed.
pub fn typed() -> io::Result<File> {
    let own = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open("/proc/self/fd/0");
    // A socket can't be opened anew; nobody shares one.
    own.or_else(|_| Ok(File::from(stdin().as_fd().try_clone_to_owned()?)))
}

/// Waits a moment for a line.
fn line(input: &File, signals: &Signals) -> Result<Heard, Errno> {
    // Who reads a terminal without being in its foreground is stopped.
    let foreground = !input.is_terminal() || tcgetpgrp(input).is_ok_and(|group| group == getpgrp());
    let mut polled = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    if foreground {
        polled.push(PollFd::new(input.as_fd(), PollFlags::POLLIN));
    }
    if !poll_for(&mut polled, PollTimeout::from(1000u16))? {
        return Ok(Heard::Nothing);
    }
    let mut line = [0; 256];
    Ok(match read(input, &mut line) {
        Ok(length) if line[..length].contains(&b'\n') => Heard::Signal(Signal::SIGUSR1),
        Ok(0) => Heard::End,
        Ok(_) | Err(Errno::EINTR | Errno::EAGAIN) => Heard::Nothing,
        Err(_) => Heard::End,
    })
}

impl Keys {
    /// Passes on what is pressed.
    fn pass(&mut self, signals: &Signals) -> Result<Heard, Errno> {
        let mut polled = [signals.as_fd(), self.from.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        if !poll_for(&mut polled, PollTimeout::NONE)? {
            return Ok(Heard::Nothing);
        }
        let mut bytes = [0; 64];
        Ok(match self.from.read(&mut bytes) {
            Ok(0) => Heard::End,
            Ok(count) => {
                // Who doesn't listen misses them.
                let _ = self.to.write(&bytes[..count]);
                Heard::Nothing
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {
                Heard::Nothing
            }
            Err(_) => Heard::End,
        })
    }
}

/// Waits for signals or what is polled behind them. Returns whether the latter has come, or has gone away.
fn poll_for(polled: &mut [PollFd<'_>], timeout: PollTimeout) -> Result<bool, Errno> {
    match poll(polled, timeout) {
        Ok(_) => Ok(polled.get(1).and_then(PollFd::revents).is_some_and(|events| !events.is_empty())),
        Err(Errno::EINTR) => Ok(false),
        Err(error) => Err(error),
    }
}
