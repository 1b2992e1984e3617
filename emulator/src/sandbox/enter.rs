//! The way in: namespaces, then a fork.
//!
//! `unsafe` is here for `fork` and `signal`: the calls are made while the process has one thread, which is
//! checked, so that the child inherits no lock that nobody will release.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, getegid, geteuid, setpgid};

use super::error::{SandboxError, Step};
use super::signals::Signals;
use super::wait::{Attendance, wait};
use super::{Sandbox, SandboxWarning};

/// What the first process says when it is in place; otherwise it says the [`Step`] and the error number.
const IN_PLACE: u8 = 0;
/// Exit code of a run that panicked, as that of a Rust program.
const PANICKED: u8 = 101;
/// CAP_NET_ADMIN and CAP_SYS_ADMIN, linux/capability.h.
const NEEDED_CAPABILITIES: u64 = 1 << 12 | 1 << 21;

/// Runs `inside` as the first process of a new sandbox, waits for it and returns what it returned, or
/// 130 or 143 when this process was interrupted meanwhile.
///
/// Must be called before a second thread exists, once in a process: afterwards the caller can't start
/// threads any more (its children belong to a pid namespace that has ended).
///
/// # Errors
/// [`SandboxError::Refused`] with the reason and the fix when the host does not allow it.
pub fn run(inside: impl FnOnce(&Sandbox) -> u8) -> Result<u8, SandboxError> {
    run_attended(inside, Attendance::default())
}

/// The same for a run at which somebody sits.
///
/// # Errors
/// As [`run`].
pub fn run_attended(inside: impl FnOnce(&Sandbox) -> u8, attendance: Attendance) -> Result<u8, SandboxError> {
    if fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() > 1) {
        return Err(SandboxError::Threads);
    }
    let mut mask = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_BLOCK, None, Some(&mut mask)).map_err(taking_signals)?;
    let result = started(inside, attendance);
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&mask), None).map_err(taking_signals)?;
    result
}

fn started(inside: impl FnOnce(&Sandbox) -> u8, attendance: Attendance) -> Result<u8, SandboxError> {
    let signals = Signals::new().map_err(taking_signals)?;
    // A caller may have left SIGCHLD ignored, and then nobody could wait for a child.
    // SAFETY: no handler is installed.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }.map_err(taking_signals)?;
    let rootless = leave()?;
    let starting = |errno| SandboxError::System { step: Step::Start, errno };
    let (mut outside, report) = UnixStream::pair().map_err(|error| starting(errno_of(&error)))?;
    // What is still buffered would be printed twice.
    let _ = std::io::stdout().flush();
    // SAFETY: one thread, see above.
    match unsafe { fork() }.map_err(|errno| SandboxError::at(Step::Start, errno))? {
        ForkResult::Child => {
            drop((outside, signals, attendance));
            std::process::exit(first_process(report, rootless, inside).into())
        }
        ForkResult::Parent { child } => {
            drop(report);
            match hear(&mut outside) {
                Ok(()) => wait(child, &signals, attendance),
                Err((step, errno)) => {
                    let _ = waitpid(child, None);
                    Err(SandboxError::at(step, errno))
                }
            }
        }
    }
}

/// Whether this process may make a user namespace and be root in it, found out by a child that tries.
///
/// # Errors
/// [`SandboxError::Refused`] with the reason and the fix.
pub fn try_user_namespace() -> Result<(), SandboxError> {
    let starting = |errno| SandboxError::System { step: Step::Start, errno };
    let (mut outside, mut report) = UnixStream::pair().map_err(|error| starting(errno_of(&error)))?;
    // SAFETY: the child reads and writes files, and ends; nothing of that needs a lock that another thread of
    // the parent could have held but the allocator's, which the C library keeps usable in the child.
    match unsafe { fork() }.map_err(starting)? {
        ForkResult::Child => {
            if let Err((step, errno)) = own_user_namespace() {
                say(&mut report, step, errno);
            }
            // SAFETY: ends this process and nothing else: what the parent has buffered stays the parent's.
            unsafe { libc::_exit(0) }
        }
        ForkResult::Parent { child } => {
            drop(report);
            let heard = hear(&mut outside);
            let _ = waitpid(child, None);
            heard.map_err(|(step, errno)| SandboxError::at(step, errno))
        }
    }
}

/// Reports a step that failed.
fn say(report: &mut UnixStream, step: Step, errno: Errno) {
    let mut text = vec![step as u8];
    text.extend((errno as i32).to_le_bytes());
    let _ = report.write_all(&text);
}

/// Waits for a report: a step that failed, or else that the child is in place, or has ended.
fn hear(report: &mut UnixStream) -> Result<(), (Step, Errno)> {
    let mut said = Vec::new();
    let _ = report.read_to_end(&mut said);
    match said[..] {
        [IN_PLACE] | [] => Ok(()),
        [step, ref errno @ ..] => {
            let errno = Errno::from_raw(errno.try_into().map_or(0, i32::from_le_bytes));
            Err((Step::from_number(step).unwrap_or(Step::Start), errno))
        }
    }
}

/// Makes this process's children start in a new pid namespace, and puts it into a user namespace in which
/// it is root if it lacks the rights to do without. Returns whether it was put there.
fn leave() -> Result<bool, SandboxError> {
    let rootless = !(geteuid().is_root() && effective_capabilities() & NEEDED_CAPABILITIES == NEEDED_CAPABILITIES);
    if rootless {
        own_user_namespace().map_err(|(step, errno)| SandboxError::at(step, errno))?;
    }
    unshare(CloneFlags::CLONE_NEWPID).map_err(|errno| SandboxError::at(Step::Pid, errno))?;
    Ok(rootless)
}

/// Puts this process into a new user namespace and makes it root in there.
fn own_user_namespace() -> Result<(), (Step, Errno)> {
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|errno| (Step::User, errno))?;
    let map = |file: &str, text: String| fs::write(format!("/proc/self/{file}"), text);
    // Only who can't change groups any more may map one without being root outside.
    map("setgroups", "deny".to_owned())
        .and_then(|()| map("uid_map", format!("0 {user} 1")))
        .and_then(|()| map("gid_map", format!("0 {group} 1")))
        .map_err(|error| (Step::Map, errno_of(&error)))
}

/// What the first process of the sandbox does, from its start to its exit code.
fn first_process(mut report: UnixStream, rootless: bool, inside: impl FnOnce(&Sandbox) -> u8) -> u8 {
    let sandbox = match settle(rootless) {
        Ok(sandbox) => sandbox,
        Err((step, errno)) => {
            say(&mut report, step, errno);
            return 4;
        }
    };
    // From here on the kernel ends this process with the one outside. If that one is gone already, nobody
    // holds the other end, the report can't be written, and this process ends by itself.
    if set_pdeathsig(Signal::SIGKILL).is_err() || report.write_all(&[IN_PLACE]).is_err() {
        return 4;
    }
    drop(report);
    catch_unwind(AssertUnwindSafe(|| inside(&sandbox))).unwrap_or(PANICKED)
}

/// Makes the namespaces that need no new process, and what belongs into them.
fn settle(rootless: bool) -> Result<Sandbox, (Step, Errno)> {
    let at = |step| move |errno| (step, errno);
    // A terminal sends an interrupt to the whole foreground group: outside it, the signal comes once, passed on.
    setpgid(Pid::from_raw(0), Pid::from_raw(0)).map_err(at(Step::Start))?;
    // And a group in the background is stopped when it writes to a terminal with `tostop`, unless it ignores that.
    // SAFETY: no handler is installed.
    unsafe { signal(Signal::SIGTTOU, SigHandler::SigIgn) }.map_err(at(Step::Signals))?;
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS).map_err(at(Step::Rest))?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .map_err(at(Step::Private))?;
    let warnings = own_proc().err().map(SandboxWarning::HostProc).into_iter().collect();
    let signals = Signals::new().map_err(at(Step::Signals))?;
    Ok(Sandbox { rootless, warnings, signals })
}

/// Mounts a `/proc` that shows the sandbox's own processes.
fn own_proc() -> Result<(), Errno> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>)
}

fn effective_capabilities() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let hexadecimal = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    hexadecimal.and_then(|text| u64::from_str_radix(text.trim(), 16).ok()).unwrap_or(0)
}

fn errno_of(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

fn taking_signals(errno: Errno) -> SandboxError {
    SandboxError::System { step: Step::Signals, errno }
}
