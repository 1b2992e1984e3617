//! A test harness without threads, in which every test has a process of its own, and a test can start this program
//! again in another role. It speaks as much of libtest's command line as `cargo test` and nextest need.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A name and what it runs.
pub type Named = (&'static str, fn());

/// Marks processes of one test program started by a test, on their command line.
const MARK: &str = "--mark=";
/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Runs what the command line asks for: a role, or tests.
pub fn main(tests: &[Named], roles: &[Named]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((_, role)) = roles.iter().find(|(name, _)| arguments.first().is_some_and(|first| first == name)) {
        role();
        return ExitCode::SUCCESS;
    }
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    let filter = arguments.iter().find(|argument| !argument.starts_with("--") && *argument != "terse");
    let exact = flag("--exact");
    let chosen = tests.iter().filter(|(name, _)| {
        !flag("--ignored")
            && filter.is_none_or(|filter| if exact { name == filter } else { name.contains(filter.as_str()) })
    });
    if flag("--list") {
        chosen.for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    if let (true, Some(filter)) = (exact, filter) {
        if let Some((_, test)) = tests.iter().find(|(name, _)| name == filter) {
            test();
        }
        return ExitCode::SUCCESS;
    }
    let mut failed = 0;
    for (name, _) in chosen {
        let passed =
            Command::new("/proc/self/exe").args([name, "--exact"]).status().is_ok_and(|status| status.success());
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += u8::from(!passed);
    }
    ExitCode::from(failed)
}

/// This program in another role, started by a test; it is killed at the latest when this is dropped.
pub struct Actor {
    pub child: Child,
    out: BufReader<ChildStdout>,
    mark: String,
}

impl Actor {
    /// Starts `role`; `change` can change the command.
    pub fn start(role: &str, change: impl FnOnce(&mut Command)) -> Actor {
        let mark = format!("{MARK}{}-{role}-{:x}", std::process::id(), node::clock::Instant::now().0);
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args([role, &mark]).stdout(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().expect("this program starts");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        Actor { child, out, mark }
    }

    /// The next line that it prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("a signal");
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    /// Waits for its end, and returns the exit code, if a signal did not end it.
    pub fn code(&mut self) -> Option<i32> {
        self.child.wait().expect("an end").code()
    }

    /// Processes that it started, itself included, wherever they are now.
    pub fn processes(&self) -> Vec<Pid> {
        processes().filter(|pid| marked(*pid, &self.mark)).collect()
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The mark that this process was started with, for those that it starts.
pub fn mark() -> String {
    std::env::args().find(|argument| argument.starts_with(MARK)).unwrap_or_default()
}

/// Waits until `done`, which it asks again and again.
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// All processes of this machine.
pub fn processes() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw))
}

fn marked(pid: Pid, mark: &str) -> bool {
    // A process that has ended but was not waited for has no command line any more.
    fs::read(format!("/proc/{pid}/cmdline"))
        .is_ok_and(|line| line.split(|byte| *byte == 0).any(|part| part == mark.as_bytes()))
}

/// The namespaces that a process is in, such as `net:[4026531840]`.
pub fn namespaces(pid: &str) -> BTreeSet<PathBuf> {
    let kinds = ["net", "pid", "mnt", "uts", "user"];
    kinds.iter().filter_map(|kind| fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok()).collect()
}

/// The namespaces of all processes. One that has ended runs in none, even if nobody has waited for it yet.
pub fn all_namespaces() -> BTreeSet<PathBuf> {
    let ended = |pid: &Pid| fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "));
    processes().filter(|pid| !ended(pid)).flat_map(|pid| namespaces(&pid.to_string())).collect()
}
