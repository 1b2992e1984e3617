//! A running process of a node, and how it ended.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use super::cgroup::NodeGroup;
use super::lines::Channel;
use crate::record::event::ExitCause;

/// The exit code by which a shell tells that its command was ended by SIGKILL.
const SHELL_KILLED: i32 = 128 + Signal::SIGKILL as i32;

/// A running process.
pub(super) struct Process {
    pub pid: Pid,
    pub pidfd: OwnedFd,
    /// `None` once it is closed at the other end.
    pub channel: Option<Channel>,
    pub ending: Ending,
    pub pause: Pause,
    /// By how much its clock is ahead of everybody else's.
    pub ahead: Duration,
    kills_before: Option<u64>,
}

/// What has been done to end the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Nothing,
    Asked,
    Killed,
    /// Its memory is being taken away.
    Starved,
}

/// Whether the process is paused.
#[derive(Debug)]
pub(super) enum Pause {
    Runs,
    /// Frozen by its control group; the file has news until that is complete.
    Freezing(File),
    /// SIGSTOP was sent.
    Stopping,
    Complete,
}

impl Process {
    pub fn new(pid: Pid, pidfd: OwnedFd, channel: Channel, group: &NodeGroup, ahead: Duration) -> Process {
        let kills_before = kills(group);
        Process { pid, pidfd, channel: Some(channel), ending: Ending::Nothing, pause: Pause::Runs, ahead, kills_before }
    }

    /// Sends a signal to the process and whatever it started.
    pub fn signal(&self, signal: Signal) -> Result<(), Errno> {
        match kill(Pid::from_raw(-self.pid.as_raw()), signal) {
            // It has ended already, and will be found so.
            Err(Errno::ESRCH) => Ok(()),
            result => result,
        }
    }

    /// Whether a pause that was begun has just become complete.
    pub fn pause_completed(&mut self, group: &NodeGroup) -> bool {
        let complete = match &mut self.pause {
            Pause::Runs | Pause::Complete => false,
            Pause::Freezing(news) => {
                // There is no further news until this has been read.
                let _ = news.read(&mut [0; 256]);
                group.is_frozen().unwrap_or(false)
            }
            Pause::Stopping => {
                let flags = WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG;
                matches!(waitid(Id::Pid(self.pid), flags), Ok(WaitStatus::Stopped(..)))
            }
        };
        if complete {
            self.pause = Pause::Complete;
        }
        complete
    }

    /// How it ended, if it has; it is waited for with that.
    pub fn ended(&self, group: &NodeGroup) -> Option<ExitCause> {
        match waitid(Id::Pid(self.pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG) {
            Ok(WaitStatus::Exited(_, 0)) if self.ending == Ending::Asked => Some(ExitCause::Asked),
            // A shell whose command the kernel has ended.
            Ok(WaitStatus::Exited(_, SHELL_KILLED)) if kills(group) > self.kills_before => Some(match self.ending {
                Ending::Starved => ExitCause::Starved,
                _ => ExitCause::OutOfMemory,
            }),
            Ok(WaitStatus::Exited(_, code)) => Some(ExitCause::Code(code)),
            Ok(WaitStatus::Signaled(_, Signal::SIGKILL, _)) => Some(match self.ending {
                Ending::Killed => ExitCause::Planned,
                Ending::Starved if kills(group) > self.kills_before => ExitCause::Starved,
                _ if kills(group) > self.kills_before => ExitCause::OutOfMemory,
                Ending::Asked => ExitCause::Asked,
                Ending::Nothing | Ending::Starved => ExitCause::Signal(Signal::SIGKILL as i32),
            }),
            Ok(WaitStatus::Signaled(_, signal, _)) => Some(ExitCause::Signal(signal as i32)),
            _ => None,
        }
    }
}

/// How many processes the kernel has ended for want of memory: of the node if somebody counts, else of the host.
fn kills(group: &NodeGroup) -> Option<u64> {
    group.kills().or_else(|| {
        let text = fs::read_to_string("/proc/vmstat").ok()?;
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
    })
}

/// Whether a child is still running; one that isn't is waited for with that.
pub(super) fn lives(child: Pid) -> bool {
    matches!(waitid(Id::Pid(child), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG), Ok(WaitStatus::StillAlive))
}

/// Waits for the members of a process group whose leader has ended. Returns whether some are left.
pub(super) fn reap_group(group: Pid) -> bool {
    loop {
        match waitid(Id::PGid(group), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG) {
            Ok(WaitStatus::StillAlive) => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}
