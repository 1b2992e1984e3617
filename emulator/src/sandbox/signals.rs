//! Signals as a descriptor to poll. The first process of a pid namespace gets no signal that it has no handler
//! for, and a handler may do next to nothing; a blocked signal that is read from a descriptor has neither limit.

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// SIGINT, SIGTERM, SIGUSR1 (the user pressed Enter) and SIGCHLD of this process, blocked in the thread that made it and in all threads
/// started from there later. Processes started with [`std::process::Command`] inherit what is blocked.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    pub(super) fn set() -> SigSet {
        [Signal::SIGINT, Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGCHLD].into_iter().collect()
    }

    /// Blocks the signals and opens the descriptor.
    pub fn new() -> Result<Signals, Errno> {
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&Signals::set()), None)?;
        Ok(Signals(SignalFd::with_flags(&Signals::set(), SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?))
    }

    /// The next signal that has arrived, if any. SIGCHLD stands for any number of children.
    pub fn next(&self) -> Result<Option<Signal>, Errno> {
        match self.0.read_signal() {
            Ok(None) | Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Ok(Some(info)) => Signal::try_from(info.ssi_signo as i32).map(Some),
            Err(error) => Err(error),
        }
    }

    /// Waits for the next signal.
    pub fn wait(&self) -> Result<Signal, Errno> {
        loop {
            if let Some(signal) = self.next()? {
                return Ok(signal);
            }
            match poll(&mut [PollFd::new(self.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// SIGINT and SIGTERM wait for as long as this lives.
pub struct Held(Option<SigSet>);

impl Held {
    /// Lets them wait in this thread. Where that is refused, they come as ever.
    pub fn hold() -> Held {
        let (mut before, set) = (SigSet::empty(), [Signal::SIGINT, Signal::SIGTERM].into_iter().collect());
        Held(sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), Some(&mut before)).is_ok().then_some(before))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(before), None);
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
