//! What faults do to processes.

use std::time::Duration;

use nix::sys::epoll::EpollFlags;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use node::clock::Instant;

use super::process::{self, Ending, Pause, Process};
use super::{Fleet, FleetError, Node, watch};

/// Time between two attempts to take a node's last memory.
const HUNGER: Duration = Duration::from_millis(50);

/// A process that asks for a node's last memory.
pub(super) struct Guest {
    node: usize,
    pid: Pid,
    came: Instant,
    gone: bool,
}

impl Fleet<'_> {
    /// Ends a node's process with SIGKILL, as a fault: [`Heard::Exited`](super::Heard::Exited) follows, with [`Planned`](crate::record::event::ExitCause::Planned).
    pub fn kill(&mut self, number: usize) -> Result<(), FleetError> {
        let (node, process) = self.running_node(number)?;
        process.ending = Ending::Killed;
        process.signal(Signal::SIGKILL).map_err(|errno| FleetError::Signal { node: node.to_owned(), errno })
    }

    /// Takes a node's memory away until the kernel ends its process, as a fault: [`Heard::Exited`](super::Heard::Exited) follows sooner or
    /// later, with [`Starved`](crate::record::event::ExitCause::Starved). The next process has the node's memory again.
    pub fn starve(&mut self, number: usize) -> Result<(), FleetError> {
        self.running_node(number)?;
        let Node { name, group, process: Some(process), .. } = &mut self.nodes[number] else { return Ok(()) };
        let pid = match group.starve() {
            None => return Err(FleetError::Unlimited { node: name.clone(), what: "memory" }),
            Some(result) => result.map_err(|source| FleetError::Limits { node: name.clone(), source })?,
        };
        process.ending = Ending::Starved;
        self.guests.push(Guest { node: number, pid, came: Instant::now(), gone: false });
        Ok(())
    }

    /// Waits for guests that have gone, and calls the next one where a process still lives on what it has.
    pub(super) fn call_guests(&mut self) {
        let mut again = Vec::new();
        self.guests.retain_mut(|guest| {
            guest.gone = guest.gone || !process::lives(guest.pid);
            let starving = |process: &Process| process.ending == Ending::Starved;
            if !self.nodes[guest.node].process.as_ref().is_some_and(starving) {
                return !guest.gone;
            }
            if guest.gone && Instant::now().since(guest.came) >= HUNGER {
                again.push(guest.node);
                return false;
            }
            true
        });
        for node in again {
            if let Err(error) = self.starve(node) {
                tracing::warn!(%error, "a node keeps its memory");
            }
        }
    }

    /// Leaves a node so many cores, or what its own limit leaves it if that is less.
    pub fn throttle(&mut self, number: usize, cores: Option<f64>) -> Result<(), FleetError> {
        let Node { name, group, .. } = &self.nodes[number];
        match group.throttle(cores) {
            None => Err(FleetError::Unlimited { node: name.clone(), what: "CPU" }),
            Some(result) => result.map_err(|source| FleetError::Limits { node: name.clone(), source }),
        }
    }

    /// Lets the clocks of the processes that a node starts from now on be ahead by so much. What they tell of instants is set back.
    pub fn advance(&mut self, number: usize, ahead: Duration) {
        self.nodes[number].ahead = ahead;
    }

    /// Pauses a node: [`Heard::Paused`](super::Heard::Paused) follows when it stands still. A second pause changes nothing.
    pub fn pause(&mut self, number: usize) -> Result<(), FleetError> {
        self.running_node(number)?;
        let Node { name, group, process: Some(process), .. } = &mut self.nodes[number] else { return Ok(()) };
        if !matches!(process.pause, Pause::Runs) {
            return Ok(());
        }
        let limits = |source| FleetError::Limits { node: name.clone(), source };
        match group.freeze(true) {
            Some(result) => {
                result.map_err(limits)?;
                let news = group.news().map_err(limits)?;
                watch(&self.epoll, &news, number, EpollFlags::EPOLLPRI)?;
                process.pause = Pause::Freezing(news);
            }
            None => {
                let stopped = process.signal(Signal::SIGSTOP);
                stopped.map_err(|errno| FleetError::Signal { node: name.clone(), errno })?;
                process.pause = Pause::Stopping;
            }
        }
        Ok(())
    }

    /// Lets a paused node go on; nothing happens to one that is not paused.
    pub fn resume(&mut self, number: usize) -> Result<(), FleetError> {
        self.running_node(number)?;
        let Node { name, group, process: Some(process), .. } = &mut self.nodes[number] else { return Ok(()) };
        if matches!(process.pause, Pause::Runs) {
            return Ok(());
        }
        process.pause = Pause::Runs;
        match group.freeze(false) {
            Some(result) => result.map_err(|source| FleetError::Limits { node: name.clone(), source }),
            None => process.signal(Signal::SIGCONT).map_err(|errno| FleetError::Signal { node: name.clone(), errno }),
        }
    }
}
