//! Programs that are started, watched and stopped. They stay in this process's group, so that whoever ends the node ends them.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal, kill, raise};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use crate::clock::Instant;

/// Where programs are started, and what they are told of it.
#[derive(Debug, Clone)]
pub(super) struct Home {
    /// The node's name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Its state folder.
    pub state: PathBuf,
}

/// Where what a program says goes.
pub(super) enum Says {
    /// To the node's own logs.
    Own,
    /// To a file beside them.
    File(String),
}

/// A program that was started.
#[derive(Debug, Clone)]
pub(super) struct Running {
    /// `None` once it has ended: then its number may be another's.
    pid: Arc<Mutex<Option<Pid>>>,
}

impl Home {
    /// Starts a command line, which is not empty.
    pub fn spawn(&self, words: &[String], says: Says) -> io::Result<Child> {
        let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.state).stdin(Stdio::null());
        command.env("HOME", &self.state).env("EMU_NODE", &self.name).env("EMU_ADDRESS", &self.address);
        command.env("EMU_SOCKET", format!("@{}", super::lines::SOCKET));
        if let Says::File(name) = says {
            let file = OpenOptions::new().create(true).append(true).open(name)?;
            command.stdout(file.try_clone()?).stderr(file);
        }
        unblocked(|| command.spawn())
    }
}

/// Does something while this thread blocks no signals: a program inherits that, and could not be asked to end otherwise. This process
/// would be ended by a signal that comes just then, and its programs with it.
fn unblocked<T>(what: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let before = SigSet::thread_get_mask()?;
    SigSet::empty().thread_set_mask()?;
    let done = what();
    before.thread_set_mask()?;
    done
}

impl Running {
    /// Watches a program, and says with `ended` how it ended.
    pub fn watch(child: Child, ended: impl FnOnce(ExitStatus) + Send + 'static) -> io::Result<Running> {
        let pid = Arc::new(Mutex::new(Some(pid(&child))));
        let running = Running { pid: pid.clone() };
        let wait = move || {
            if let Ok(status) = reap(child, || *lock(&pid) = None) {
                ended(status);
            }
        };
        thread::Builder::new().name("program".into()).spawn(wait)?;
        Ok(running)
    }

    /// Sends a signal, if it has not ended.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = *lock(&self.pid) {
            // It may have ended just now.
            let _ = kill(pid, signal);
        }
    }
}

/// Runs a program to its end, or to a deadline: then it is killed, and `None` is returned.
pub(super) fn run(child: Child, timeout: Duration) -> io::Result<Option<ExitStatus>> {
    let pid = Arc::new(Mutex::new(Some(pid(&child))));
    let (over, done) = std::sync::mpsc::channel::<()>();
    let watched = pid.clone();
    let dog = thread::Builder::new().name("deadline".into()).spawn(move || {
        let late = done.recv_timeout(timeout).is_err_and(|end| end == std::sync::mpsc::RecvTimeoutError::Timeout);
        if late && let Some(pid) = *lock(&watched) {
            let _ = kill(pid, Signal::SIGKILL);
        }
        late
    })?;
    let status = reap(child, || *lock(&pid) = None);
    drop(over);
    let late = dog.join().unwrap_or_default();
    // What ended by itself in the same moment has ended by itself.
    status.map(|status| Some(status).filter(|status| !late || status.signal() != Some(Signal::SIGKILL as i32)))
}

/// Waits for the end; `ended` is called before the number of the process can be another's.
fn reap(mut child: Child, ended: impl FnOnce()) -> io::Result<ExitStatus> {
    while let Err(nix::errno::Errno::EINTR) = waitid(Id::Pid(pid(&child)), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
    {
    }
    ended();
    child.wait()
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id() as i32)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a program ended, in words.
pub(super) fn in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no exit code".to_owned(),
    }
}

/// Ends this process as a program ended, so that whoever watches the node sees what became of what it runs.
pub(super) fn end_like(status: ExitStatus) -> ! {
    if let Some(signal) = status.signal().and_then(|signal| Signal::try_from(signal).ok()) {
        let _ = SigSet::from_iter([signal]).thread_unblock();
        // Twice: the handler that this program has for a broken stack gives way at the first.
        let _ = raise(signal).and_then(|()| raise(signal));
    }
    std::process::exit(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
}

/// Waits a moment, but not beyond `until`. Returns whether that has come.
pub(super) fn nap(moment: Duration, until: Instant) -> bool {
    let left = until.since(Instant::now());
    thread::sleep(moment.min(left));
    left <= moment
}
