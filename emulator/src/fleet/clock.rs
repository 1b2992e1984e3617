//! A process whose clock is ahead: it begins in a time namespace of its own (time_namespaces(7)), in which CLOCK_MONOTONIC and
//! CLOCK_BOOTTIME are set forward. CLOCK_REALTIME is the host's everywhere.
//!
//! A thread that has made such a namespace can't take its children out of it again while it has siblings. So the process is
//! started by a thread that lives for this only.
//!
//! `unsafe` is here for `pre_exec`, without which the process would not be forked.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};

/// CLONE_NEWTIME of linux/sched.h, which no crate in use has.
const NEW_TIME: CloneFlags = CloneFlags::from_bits_retain(0x80);

/// Starts a process in the namespaces of this thread, but for its clock.
///
/// # Errors
/// When the kernel has no time namespaces, or the process can't be started.
pub(super) fn spawn_ahead(command: &mut Command, ahead: Duration) -> io::Result<Child> {
    // SAFETY: the closure does nothing. That there is one makes std fork: a child that shares the memory of its parent until
    // it has its program, as by posix_spawn, stays in the parent's time namespace on kernels before 6.3.
    unsafe { command.pre_exec(|| Ok(())) };
    elsewhere(move || {
        set(ahead)?;
        command.spawn()
    })
}

/// Whether this kernel has what it takes.
///
/// # Errors
/// The kernel's answer.
pub fn try_clock() -> io::Result<()> {
    elsewhere(|| set(Duration::from_secs(1)))
}

/// Lets the clocks of this thread's future children be ahead.
fn set(ahead: Duration) -> io::Result<()> {
    unshare(NEW_TIME)?;
    // There is no such file among those of a thread, but each thread has a folder with it.
    let link = fs::read_link("/proc/thread-self")?;
    let thread = link.file_name().ok_or(io::ErrorKind::NotFound)?.to_string_lossy().into_owned();
    let (seconds, nanos) = (ahead.as_secs(), ahead.subsec_nanos());
    let offsets = format!("monotonic {seconds} {nanos}\nboottime {seconds} {nanos}\n");
    fs::write(format!("/proc/{thread}/timens_offsets"), offsets)
}

/// On a thread that lives for this only.
fn elsewhere<T: Send>(act: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("clock".to_owned()).spawn_scoped(scope, act)?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that was to start it has panicked")))
    })
}
