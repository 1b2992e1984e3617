//! The processes: one per node, in its namespaces, within its limits, with its logs.
//!
//! A [`Fleet`] is one more thing to poll in the run's loop: when its descriptor is readable, or SIGCHLD has come,
//! [`Fleet::service`] hands over what nodes have said and what became of them. Everything for a node lies in its
//! folder: `config.json`, `stdout.log`, `stderr.log`, and `state/`, which is its own small file system while the run lasts.
//!
//! A node is paused by the freezer of control groups version 2, else by SIGSTOP.

pub mod cgroup;
mod clock;
mod error;
mod harm;
mod lines;
mod pidfd;
mod process;
mod start;
mod storage;
mod teardown;

pub use clock::try_clock;
pub use error::FleetError;
pub use lines::Garbled;
pub use start::Program;
pub use storage::StorageError;

use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use node::clock::Instant;
use node::config::{NodeConfig, RoleConfig};
use node::telemetry::{Command, Stamped};
use planner::units::ByteSize;

use crate::record::event::ExitCause;
use crate::sandbox::Sandbox;
use cgroup::{Limits, NodeGroup, RunGroup};
use process::{Pause, Process};
use start::Place;
use storage::Storage;

/// A node to be launched.
#[derive(Debug)]
pub struct Launch<'a> {
    /// What the node is told; `state` is filled in with its state folder.
    pub config: NodeConfig,
    /// What it may use.
    pub limits: Limits,
    /// Size of its state folder.
    pub storage: ByteSize,
    /// Whether its disk can be made slow and faulty.
    pub layered: bool,
    /// A file that lies in its state folder from the start, and what it is called there.
    pub stored: Option<(&'a Path, &'a str)>,
    /// Its network namespace.
    pub net: BorrowedFd<'a>,
    /// Its UTS namespace.
    pub uts: BorrowedFd<'a>,
}

/// What became of a node, or what it said.
#[derive(Debug)]
pub enum Heard {
    /// It said this.
    Said(Stamped),
    /// It said something that can't be understood.
    Garbled(Garbled),
    /// A pause is complete: no thread of it runs any more.
    Paused(Instant),
    /// Its process has ended, and all that it said before has been handed over.
    Exited(Instant, ExitCause),
}

/// The state folder's name in a node's folder, in which its process is started.
pub const STATE: &str = "state";

/// The processes of a run. Nodes are numbered from zero in the order of their launch.
pub struct Fleet<'a> {
    program: Program,
    folder: PathBuf,
    sandbox: &'a Sandbox,
    groups: &'a RunGroup,
    epoll: Epoll,
    nodes: Vec<Node>,
    /// Process groups of processes that have ended, which may have members left.
    orphaned: Vec<Pid>,
    /// Processes that ask for a node's last memory.
    guests: Vec<harm::Guest>,
}

struct Node {
    name: String,
    folder: PathBuf,
    place: Place,
    group: NodeGroup,
    state: Storage,
    incarnation: u32,
    /// Whether its processes wait to be told that they are within their limits.
    waits: bool,
    /// By how much the clock of its next process is ahead.
    ahead: Duration,
    process: Option<Process>,
}

impl<'a> Fleet<'a> {
    /// A fleet without nodes, whose nodes' folders are made in `folder` (absolute, so that nodes find theirs).
    pub fn new(
        program: Program,
        folder: &Path,
        sandbox: &'a Sandbox,
        groups: &'a RunGroup,
    ) -> Result<Fleet<'a>, FleetError> {
        let folder =
            std::path::absolute(folder).map_err(|source| FleetError::File { path: folder.to_owned(), source })?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(FleetError::Wait)?;
        Ok(Fleet {
            program,
            folder,
            sandbox,
            groups,
            epoll,
            nodes: Vec::new(),
            orphaned: Vec::new(),
            guests: Vec::new(),
        })
    }

    /// Makes the node's folder, limits and state, starts its process, and returns the node's number.
    pub fn launch(&mut self, launch: Launch<'_>) -> Result<usize, FleetError> {
        let name = launch.config.name.clone();
        let folder = self.folder.join(&name);
        let config = NodeConfig { state: folder.join(STATE), ..launch.config };
        let file = |path: &Path, source| FleetError::File { path: path.to_owned(), source };
        let limits = |source| FleetError::Limits { node: name.clone(), source };
        let start = |source| FleetError::Start { node: name.clone(), source };
        fs::create_dir_all(&folder).map_err(|source| file(&folder, source))?;
        let state = Storage::mount(self.sandbox, &config.state, launch.storage, launch.layered);
        let state = state.map_err(|source| FleetError::State { node: name.clone(), source })?;
        if let Some((from, name)) = launch.stored {
            let to = state.files().join(name);
            fs::copy(from, &to).map_err(|source| file(&to, source))?;
        }
        let path = folder.join("config.json");
        let text = serde_json::to_vec_pretty(&config).map_err(|error| file(&path, error.into()))?;
        fs::write(&path, text).map_err(|source| file(&path, source))?;
        let place = Place {
            net: launch.net.try_clone_to_owned().map_err(start)?,
            uts: launch.uts.try_clone_to_owned().map_err(start)?,
        };
        let group = self.groups.node(&name, &launch.limits).map_err(limits)?;
        self.nodes.push(Node {
            name,
            folder,
            place,
            group,
            state,
            incarnation: 0,
            waits: matches!(config.role, RoleConfig::Foreign(_)),
            ahead: Duration::ZERO,
            process: None,
        });
        let number = self.nodes.len() - 1;
        self.restart(number)?;
        Ok(number)
    }

    /// Starts a process on a node whose last one has ended.
    pub fn restart(&mut self, number: usize) -> Result<(), FleetError> {
        let node = &mut self.nodes[number];
        if node.process.is_some() {
            return Err(FleetError::Running { node: node.name.clone() });
        }
        node.group.feed().map_err(|source| FleetError::Limits { node: node.name.clone(), source })?;
        node.incarnation += 1;
        let (pid, channel) = {
            let Node { name, place, folder, .. } = &*node;
            start::start(&self.program, name, place, folder, node.incarnation, node.ahead)?
        };
        let watched = pidfd::open(pid).map_err(FleetError::Wait).and_then(|pidfd| {
            let process = Process::new(pid, pidfd, channel, &node.group, node.ahead);
            watch(&self.epoll, &process.pidfd, number, EpollFlags::EPOLLIN)?;
            if let Some(channel) = &process.channel {
                watch(&self.epoll, channel, number, EpollFlags::EPOLLIN)?;
            }
            Ok(process)
        });
        let process = watched.inspect_err(|_| _ = nix::sys::signal::kill(pid, Signal::SIGKILL))?;
        // What the process has taken in the moment before this counts as the emulator's: its program, and little more.
        let joined = node.group.join(pid);
        node.process = Some(process);
        joined.map_err(|source| FleetError::Limits { node: node.name.clone(), source })?;
        if node.waits { self.send(number, &Command::Settled) } else { Ok(()) }
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The process id of a node inside the sandbox; `None` if it has no process.
    pub fn pid(&self, number: usize) -> Option<i32> {
        self.nodes[number].process.as_ref().map(|process| process.pid.as_raw())
    }

    /// In how many periods a node's control group held it back so far, and for how long; `None` if nobody counts.
    pub fn throttled(&self, number: usize) -> Option<(u64, Duration)> {
        self.nodes[number].group.throttled()
    }

    /// How many processes have not ended.
    pub fn running(&self) -> usize {
        self.nodes.iter().filter(|node| node.process.is_some()).count()
    }

    /// Tells a node something.
    pub fn send(&mut self, number: usize, command: &Command) -> Result<(), FleetError> {
        let node = &mut self.nodes[number];
        let channel = node.process.as_mut().and_then(|process| process.channel.as_mut());
        let Some(channel) = channel else { return Err(FleetError::NotRunning { node: node.name.clone() }) };
        channel.send(command).map_err(|source| FleetError::Command { node: node.name.clone(), source })
    }

    /// Hands over what has happened since the last call, without waiting: to be called when this is readable or SIGCHLD has come.
    pub fn service(&mut self, mut hear: impl FnMut(usize, Heard)) -> Result<(), FleetError> {
        let mut events = [EpollEvent::empty(); 64];
        let count = match self.epoll.wait(&mut events, EpollTimeout::ZERO) {
            Err(Errno::EINTR) => 0,
            count => count.map_err(FleetError::Wait)?,
        };
        let mut numbers: Vec<usize> = events[..count].iter().map(|event| event.data() as usize).collect();
        // A stop by signal has no descriptor of its own.
        numbers.extend(self.nodes.iter().enumerate().filter(|(_, node)| node.is_stopping()).map(|(number, _)| number));
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers {
            let ended = self.nodes[number].service(|heard| hear(number, heard));
            self.orphaned.extend(ended);
        }
        self.orphaned.retain(|group| process::reap_group(*group));
        self.call_guests();
        Ok(())
    }

    fn wait(&self, timeout: Duration) -> Result<(), FleetError> {
        let timeout = EpollTimeout::try_from(timeout).unwrap_or(EpollTimeout::MAX);
        match self.epoll.wait(&mut [EpollEvent::empty()], timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(FleetError::Wait(errno)),
        }
    }

    fn running_node(&mut self, number: usize) -> Result<(&str, &mut Process), FleetError> {
        let node = &mut self.nodes[number];
        let process = node.process.as_mut();
        process.map(|process| (node.name.as_str(), process)).ok_or(FleetError::NotRunning { node: node.name.clone() })
    }
}

impl Node {
    fn is_stopping(&self) -> bool {
        self.process.as_ref().is_some_and(|process| matches!(process.pause, Pause::Stopping))
    }

    /// Hands over what has happened. Returns the process's group if the process has ended.
    fn service(&mut self, mut hear: impl FnMut(Heard)) -> Option<Pid> {
        let process = self.process.as_mut()?;
        if process.pause_completed(&self.group) {
            hear(Heard::Paused(Instant::now()));
        }
        // Asked before its last words are read: what it said before it ended is there by then.
        let ended = process.ended(&self.group);
        let now = Instant::now();
        while let Some(channel) = &mut process.channel {
            let mut said = false;
            let more = channel.read(|event| {
                said = true;
                let said = |said: Stamped| Heard::Said(said.set_back(process.ahead));
                hear(event.map_or_else(Heard::Garbled, said));
            });
            if !more {
                process.channel = None;
            }
            // All of it if there will be no more; otherwise the next node has its turn.
            if ended.is_none() || !said {
                break;
            }
        }
        let cause = ended?;
        let group = process.pid;
        // A device that is off runs nothing: what the process started ends with it.
        let _ = process.signal(Signal::SIGKILL);
        if !matches!(process.pause, Pause::Runs) {
            let _ = self.group.freeze(false);
        }
        self.process = None;
        hear(Heard::Exited(now, cause));
        Some(group)
    }
}

impl AsFd for Fleet<'_> {
    /// Readable when [`Fleet::service`] has something to hand over.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

fn watch(epoll: &Epoll, what: &impl AsFd, number: usize, flags: EpollFlags) -> Result<(), FleetError> {
    epoll.add(what, EpollEvent::new(flags, number as u64)).map_err(FleetError::Wait)
}
