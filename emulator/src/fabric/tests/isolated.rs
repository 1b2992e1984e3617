//! Runs a test inside user, mount and network namespaces of its own, by starting the test binary again there: a user
//! namespace must be entered before any thread exists. As in a run, no root is needed.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

const INSIDE: &str = "EMU_TEST_INSIDE";

/// Runs `body` in isolation; what fails in there fails the calling test. Where user namespaces are refused, says so.
pub fn isolated(body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let test = thread::current().name().expect("a test's thread has its name").to_owned();
    let mut command = Command::new(std::env::current_exe().expect("a test has a binary"));
    command.args(["--exact", &test, "--nocapture"]).env(INSIDE, "1");
    let (user, group) = (geteuid(), getegid());
    let enter = move || -> io::Result<()> {
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET)?;
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
        fs::write("/proc/self/gid_map", format!("0 {group} 1"))
    };
    // SAFETY: the test's threads hold no lock that `enter` takes, but the allocator's, which libc makes usable in
    // the child.
    unsafe { command.pre_exec(enter) };
    match command.status() {
        Ok(status) => assert!(status.success(), "{test} failed inside its namespaces: {status}"),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            eprintln!("skipped {test}: no user namespace for this user ({error})");
        }
        Err(error) => panic!("{test} could not be isolated: {error}"),
    }
}
