//! The way into a node of a run: a program in the node's namespaces.
//!
//! ```text
//! emu exec (outside: waits, passes signals on, returns the exit code)
//!  └─ supervisor (in the node's namespaces; passes signals on, ends whatever is left)
//!      └─ the program, in a process group of its own, which has the terminal if there is one
//! ```
//!
//! The supervisor holds the reading end of a pipe whose other end only `emu exec` has: when that is killed, the pipe ends, and
//! the supervisor kills everything below it. Orphans below it become its children, so none gets away. When the run ends, its pid
//! namespace takes all of this along.
//!
//! `unsafe` is here for `fork`, before which the process has one thread (the kernel lets no other into a user namespace), for
//! ignoring a signal, and for letting signals through in the child.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, PipeReader};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{SigHandler, SigSet, Signal, kill, killpg, signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Gid, Pid, Uid, fork, getpgrp, setpgid, setresgid, setresuid, tcgetpgrp, tcsetpgrp};

use crate::procfs::{self, Stat};

/// The namespaces in the order in which they are entered: the user namespace gives the right to enter the others, and the
/// mounts come last because `/proc` changes with them.
const KINDS: [(&str, CloneFlags); 5] = [
    ("user", CloneFlags::CLONE_NEWUSER),
    ("uts", CloneFlags::CLONE_NEWUTS),
    ("net", CloneFlags::CLONE_NEWNET),
    ("pid", CloneFlags::CLONE_NEWPID),
    ("mnt", CloneFlags::CLONE_NEWNS),
];
/// How long processes that were killed may take to go.
const DYING: Duration = Duration::from_secs(5);
/// As a shell tells it.
const NOT_FOUND: u8 = 127;
const NOT_RUN: u8 = 126;
const KILLED: u8 = 128 + 9;

/// A node can't be entered.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// It is somebody else's.
    #[error("entering the node's {kind} namespace: {errno}; only the user who started the run, and root, can enter it")]
    Refused {
        /// Which namespace.
        kind: &'static str,
        /// The system's answer.
        errno: Errno,
    },
    /// The node's process ended at this moment.
    #[error("the node's process has just ended; try again when the node is up")]
    Gone,
    /// A system call failed.
    #[error("{action}: {errno}")]
    System {
        /// What was being done.
        action: &'static str,
        /// The system's answer.
        errno: Errno,
    },
}

/// What is to run in a node.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The program and its arguments; at least the program.
    pub command: Vec<OsString>,
    /// Its working directory, as the node sees it.
    pub folder: PathBuf,
    /// What is added to this process's environment.
    pub variables: Vec<(&'static str, String)>,
}

/// Runs a program in the namespaces of a node's process and returns its exit code, or 128 and the number of the signal that
/// ended it. Afterwards this process is in those namespaces, too: it should end.
///
/// # Errors
/// See [`EnterError`].
pub fn enter(node: &Stat, visitor: &Visitor) -> Result<u8, EnterError> {
    let system = |action| move |errno| EnterError::System { action, errno };
    let doors = open(node)?;
    let signals = Signals::block().map_err(system("taking signals"))?;
    let terminal = Terminal::of_stdin();
    let (ours, theirs) = io::pipe().map_err(|error| system("making a pipe")(errno_of(&error)))?;
    for (kind, flag, door) in &doors {
        setns(door, *flag).map_err(|errno| EnterError::Refused { kind, errno })?;
        if *kind == "user" {
            // Root of the run, whoever one is outside. Its owner is that already.
            setresgid(Gid::from_raw(0), Gid::from_raw(0), Gid::from_raw(0))
                .map_err(system("becoming the run's group"))?;
            setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0))
                .map_err(system("becoming the run's user"))?;
        }
    }
    drop(doors);
    // SAFETY: one thread, or the user namespace could not have been entered; without one the child still only makes calls that
    // take no lock which another thread could hold, since nothing in this command starts threads.
    match unsafe { fork() }.map_err(system("starting a process"))? {
        ForkResult::Child => {
            drop((theirs, signals));
            std::process::exit(supervise(visitor, &ours, terminal.is_some()).into())
        }
        ForkResult::Parent { child } => {
            drop(ours);
            let code = attend(child, &signals);
            if let Some(terminal) = terminal {
                terminal.take_back();
            }
            code.map_err(system("waiting for it"))
        }
    }
}

/// The namespaces of a process that are not those of this one.
fn open(node: &Stat) -> Result<Vec<(&'static str, CloneFlags, File)>, EnterError> {
    let mut doors = Vec::new();
    for (kind, flag) in KINDS {
        let path = format!("/proc/{}/ns/{kind}", node.pid);
        let door = File::open(path).map_err(|error| match errno_of(&error) {
            Errno::ENOENT | Errno::ESRCH => EnterError::Gone,
            errno => EnterError::Refused { kind, errno },
        })?;
        let inode = |file: io::Result<std::fs::Metadata>| file.map(|metadata| metadata.ino()).ok();
        // Nobody may enter the user namespace that they are in.
        if inode(door.metadata()) != inode(std::fs::metadata(format!("/proc/self/ns/{kind}"))) {
            doors.push((kind, flag, door));
        }
    }
    // Somebody else could have its number by now.
    match Stat::of(node.pid) {
        Some(now) if now.started == node.started => Ok(doors),
        _ => Err(EnterError::Gone),
    }
}

/// Outside: passes signals on until the supervisor has ended.
fn attend(supervisor: Pid, signals: &Signals) -> Result<u8, Errno> {
    loop {
        match signals.next(None)? {
            Some(Signal::SIGCHLD) => match waitpid(supervisor, Some(WaitPidFlag::WNOHANG))? {
                WaitStatus::Exited(_, code) => return Ok(code as u8),
                WaitStatus::Signaled(..) => {
                    eprintln!("the run has ended, and with it all that ran in it");
                    return Ok(KILLED);
                }
                _ => {}
            },
            Some(signal) => _ = kill(supervisor, signal),
            None => {}
        }
    }
}

/// Inside: starts the program, passes signals on, and leaves nothing behind.
fn supervise(visitor: &Visitor, outside: &PipeReader, terminal: bool) -> u8 {
    let run = || -> Result<u8, Errno> {
        // Whoever stops `emu exec` stops the looking after, too, and with that the run's end.
        let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
        let signals = Signals::block()?;
        set_child_subreaper(true)?;
        let [program, arguments @ ..] = &visitor.command[..] else { return Ok(NOT_FOUND) };
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&visitor.folder).process_group(0);
        if !terminal && io::stdin().is_terminal() {
            // Who reads it from the background is stopped, let go on, and stopped again.
            command.stdin(Stdio::null());
        }
        command.envs(visitor.variables.iter().map(|(name, value)| (*name, value.as_str())));
        // The supervisor's blocked signals would be inherited, and the program deaf to them.
        // SAFETY: between fork and exec this makes one system call, and allocates nothing.
        unsafe { command.pre_exec(|| SigSet::empty().thread_set_mask().map_err(io::Error::from)) };
        let child = match command.spawn() {
            Ok(child) => Pid::from_raw(child.id() as i32),
            Err(error) => {
                eprintln!("error: {} can't be run in the node: {error}", program.to_string_lossy());
                return Ok(if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_RUN });
            }
        };
        if terminal {
            give_terminal(child);
        }
        let code = accompany(child, &signals, outside);
        let _ = killpg(child, Signal::SIGKILL);
        clear();
        code
    };
    run().unwrap_or_else(|errno| {
        eprintln!("error: the program in the node can't be looked after: {errno}");
        NOT_RUN
    })
}

/// Until the program has ended, or nobody outside waits for it any more.
fn accompany(child: Pid, signals: &Signals, outside: &PipeReader) -> Result<u8, Errno> {
    loop {
        match signals.next(Some(outside))? {
            None => return Ok(KILLED),
            Some(Signal::SIGCHLD) => loop {
                match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED)) {
                    Ok(WaitStatus::Exited(pid, code)) if pid == child => return Ok(code as u8),
                    Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => return Ok(128 + signal as u8),
                    // Nobody could let it go on: the shell outside does not know it. Also, it may have asked for the terminal
                    // before it had it.
                    Ok(WaitStatus::Stopped(pid, _)) => {
                        _ = killpg(pid, Signal::SIGCONT).or_else(|_| kill(pid, Signal::SIGCONT))
                    }
                    Ok(WaitStatus::StillAlive) | Err(_) => break,
                    Ok(_) => {}
                }
            },
            Some(signal) => _ = killpg(child, signal),
        }
    }
}

/// Ends whatever the program has started and left.
fn clear() {
    let own = std::process::id() as i32;
    let patience = Instant::now() + DYING;
    while Instant::now() < patience {
        // By the host's numbers it would be others that are killed.
        if procfs::is_ours() {
            for process in procfs::descendants(&procfs::all(), own) {
                let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
            }
        }
        match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::ECHILD) => return,
            Ok(WaitStatus::StillAlive) => std::thread::sleep(Duration::from_millis(1)),
            _ => {}
        }
    }
}

/// Makes the program's process group that which the terminal's keys reach.
fn give_terminal(group: Pid) {
    // Who is not in the foreground is stopped when it does this, unless it ignores that.
    // SAFETY: no handler is installed.
    let _ = unsafe { signal(Signal::SIGTTOU, SigHandler::SigIgn) };
    let _ = tcsetpgrp(io::stdin(), group);
}

/// The terminal on standard input, if this process is in its foreground.
struct Terminal(Termios);

impl Terminal {
    fn of_stdin() -> Option<Terminal> {
        let stdin = io::stdin();
        let ours = stdin.is_terminal() && tcgetpgrp(&stdin).is_ok_and(|group| group == getpgrp());
        ours.then(|| tcgetattr(&stdin).ok()).flatten().map(Terminal)
    }

    /// As it was before.
    fn take_back(&self) {
        give_terminal(getpgrp());
        let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.0);
    }
}

/// Signals that are passed on, and SIGCHLD.
struct Signals(SignalFd);

impl Signals {
    fn block() -> Result<Signals, Errno> {
        use Signal::*;
        let set: SigSet = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD].into_iter().collect();
        set.thread_block()?;
        // A parent may have left it ignored, and then nobody could wait for a child.
        // SAFETY: no handler is installed.
        unsafe { signal(SIGCHLD, SigHandler::SigDfl) }?;
        Ok(Signals(SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?))
    }

    /// Waits for the next one; `None` when the pipe has ended instead.
    fn next(&self, pipe: Option<&PipeReader>) -> Result<Option<Signal>, Errno> {
        loop {
            match self.0.read_signal() {
                Ok(Some(info)) => return Signal::try_from(info.ssi_signo as i32).map(Some),
                Ok(None) | Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
            let mut polled = vec![PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            polled.extend(pipe.map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
            match poll(&mut polled, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
            let ended = polled.get(1).and_then(PollFd::revents).is_some_and(|events| !events.is_empty());
            if ended {
                return Ok(None);
            }
        }
    }
}

fn errno_of(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}
