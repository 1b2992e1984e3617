//! Real netem in User-Mode Linux: a kernel as an ordinary process, with this machine's files as its own.
//! Many kernels lack `sch_netem`; this one has it, whatever the machine's own lacks.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::run::{Failed, cargo, read, root, target};

/// The kernel, from Debian's package user-mode-linux.
const KERNEL: &str = "linux.uml";
/// Its modules: a folder for each version.
const MODULES: &str = "/usr/lib/uml/modules";
/// What the netem carrier needs; modules that these need are found in `modules.dep`.
const NEEDED: [&str; 5] = ["veth.ko", "sch_netem.ko", "sch_htb.ko", "cls_u32.ko", "bridge.ko"];
/// Longer than all tests take on a slow machine.
const TEST_LIMIT: Duration = Duration::from_secs(600);

/// The tests that need real netem: links and media measured, and whole runs.
const TESTS: [&str; 3] = ["netem_in_uml", "carriers_agree", "netem_runs_in_uml"];

/// Runs the tests that need real netem, and fails if one fails.
pub fn all() -> Result<(), Failed> {
    // Models profiled there are slower: no run outside may take them for this machine's.
    let cache = root().join(target()).join("uml-cache");
    let environment = BTreeMap::from([("EMU_NETEM", OsStr::new("required")), ("EMU_CACHE", cache.as_os_str())]);
    for binary in test_binaries(&TESTS)? {
        let arguments = ["--test-threads=1", "--nocapture"].map(OsStr::new);
        report(&run(binary.as_os_str(), &arguments, &environment, TEST_LIMIT)?)?;
    }
    Ok(())
}

/// Runs any command, and fails if it fails.
pub fn command(words: &[OsString]) -> Result<(), Failed> {
    let Some((command, arguments)) = words.split_first() else { return all() };
    let arguments: Vec<&OsStr> = arguments.iter().map(OsString::as_os_str).collect();
    report(&run(command, &arguments, &BTreeMap::new(), TEST_LIMIT)?)
}

fn report(outcome: &Outcome) -> Result<(), Failed> {
    println!("{}", outcome.output);
    match outcome.status {
        0 => Ok(()),
        status => Err(Failed(format!("in User-Mode Linux: exit status {status}"))),
    }
}

/// What a command did inside.
#[derive(Debug)]
pub struct Outcome {
    /// Its exit status, as a shell gives it.
    pub status: i32,
    /// Its standard output and standard error.
    pub output: String,
}

/// Boots User-Mode Linux, loads what netem links need, runs one command as root in the current folder, and powers
/// off. The command sees this machine's files and may write them where the calling user may; `/proc`, `/sys`, control groups (version 2)
/// and `$TMPDIR` are the inner kernel's own.
pub fn run(
    command: &OsStr,
    arguments: &[&OsStr],
    environment: &BTreeMap<&str, &OsStr>,
    limit: Duration,
) -> Result<Outcome, Failed> {
    let scratch = Scratch::new()?;
    let init = scratch.0.join("init");
    fs::write(&init, init_script(&scratch.0, command, arguments, environment)?).map_err(failed(&init))?;
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755)).map_err(failed(&init))?;
    let console = scratch.0.join("console");
    let file = File::create(&console).map_err(failed(&console))?;
    let line = Command::new(KERNEL)
        .args(["rootfstype=hostfs", "root=/dev/root", "rootflags=/", "rw", "mem=1G", "con=null", "con0=fd:0,fd:1"])
        // Its control socket belongs with the rest, not in the user's home.
        .arg(format!("uml_dir={}", scratch.0.display()))
        .arg(format!("init={}", init.display()))
        .stdin(Stdio::null())
        .stdout(file.try_clone().map_err(failed(&console))?)
        .stderr(file)
        .process_group(0)
        .spawn();
    let booted = Booted(line.map_err(|error| Failed(format!("{KERNEL} (package user-mode-linux): {error}")))?);
    println!("\n$ {} {} (in User-Mode Linux)", command.display(), join(arguments));
    let ended = booted.wait(limit);
    let text = |name: &str| {
        fs::read(scratch.0.join(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    };
    match (ended, text("status").trim().parse()) {
        (Some(_), Ok(status)) => Ok(Outcome { status, output: text("output") }),
        (None, _) => Err(Failed(format!("not done after {limit:?}\n{}\n{}", text("output"), text("console")))),
        (Some(status), Err(_)) => {
            Err(Failed(format!("User-Mode Linux ended early ({status})\n{}\n{}", text("output"), text("console"))))
        }
    }
}

/// The first process inside: sets up, runs the command, notes its exit status, powers off.
fn init_script(
    scratch: &Path,
    command: &OsStr,
    arguments: &[&OsStr],
    environment: &BTreeMap<&str, &OsStr>,
) -> Result<String, Failed> {
    let mut script = String::from(
        "#!/bin/sh\n\
         export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root\n\
         mount -t proc proc /proc\n\
         mount -t sysfs sysfs /sys\n\
         mount -t cgroup2 cgroup2 /sys/fs/cgroup\n\
         ip link set lo up 2>/dev/null\n",
    );
    let place = quote(scratch.as_os_str());
    script += &format!("mkdir {place}/tmp && mount -t tmpfs tmpfs {place}/tmp && export TMPDIR={place}/tmp\n");
    for module in modules()? {
        script += &format!("insmod {}\n", quote(module.as_os_str()));
    }
    if let Ok(folder) = std::env::current_dir() {
        script += &format!("cd {}\n", quote(folder.as_os_str()));
    }
    for (name, value) in environment {
        script += &format!("export {name}={}\n", quote(value));
    }
    let words: Vec<String> = std::iter::once(&command).chain(arguments).map(|word| quote(word)).collect();
    script += &format!("{} </dev/null >{place}/output 2>&1\n", words.join(" "));
    script += &format!("echo $? >{place}/status\n");
    // Either of them, or the end of the first process, ends the kernel.
    script += "echo o >/proc/sysrq-trigger\nsleep 5\npoweroff -f\n";
    Ok(script)
}

/// The modules to load, each after those it needs.
fn modules() -> Result<Vec<PathBuf>, Failed> {
    let base = Path::new(MODULES);
    let versions = fs::read_dir(base).map_err(failed(base))?;
    let mut versions: Vec<PathBuf> = versions.filter_map(Result::ok).map(|entry| entry.path()).collect();
    versions.sort();
    let version = versions.pop().ok_or_else(|| Failed(format!("no modules in {MODULES}")))?;
    let list = version.join("modules.dep");
    let text = fs::read_to_string(&list).map_err(failed(&list))?;
    let mut modules: Vec<PathBuf> = Vec::new();
    for needed in NEEDED {
        // A line is `module: what it needs, last things first`. What has none is built in.
        let Some((module, needs)) = text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(module, _)| module.rsplit('/').next() == Some(needed))
        else {
            continue;
        };
        for name in needs.split_whitespace().rev().chain([module]) {
            let path = version.join(name);
            if !modules.contains(&path) {
                modules.push(path);
            }
        }
    }
    Ok(modules)
}

/// Builds tests and returns the paths of their binaries. The whole workspace is built, as everywhere else: a part of it
/// alone would have other features, and so be compiled again.
fn test_binaries(tests: &[&str]) -> Result<Vec<PathBuf>, Failed> {
    let mut command = cargo(&["test", "--release", "--workspace", "--no-run", "--message-format=json"]);
    tests.iter().for_each(|test| _ = command.args(["--test", test]));
    let text = read(&mut command)?;
    let messages: Vec<serde_json::Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let binary = |test: &&str| {
        let mut built = messages.iter().filter(|message| message["target"]["name"] == *test);
        let path = built.find_map(|message| message["executable"].as_str().map(PathBuf::from));
        path.ok_or_else(|| Failed(format!("cargo names no binary for the test {test}")))
    };
    tests.iter().map(binary).collect()
}

/// A folder that is removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Scratch, Failed> {
        // Runs may go side by side, and an interrupted one may have left its folder.
        let names = (0..).map(|number| format!("emu-uml-{}-{number}", std::process::id()));
        for folder in names.map(|name| std::env::temp_dir().join(name)) {
            match fs::create_dir(&folder) {
                Ok(()) => return Ok(Scratch(folder)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(&folder)(error)),
            }
        }
        Err(Failed("no name is free for a temporary folder".to_owned()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("xtask: {} stays behind: {error}", self.0.display());
        }
    }
}

/// The kernel's processes, a process group of their own; gone when this is dropped.
struct Booted(Child);

impl Booted {
    /// Waits for the kernel to power off; `None` if it takes longer than `limit`.
    fn wait(mut self, limit: Duration) -> Option<ExitStatus> {
        let begun = Instant::now();
        while begun.elapsed() < limit {
            if let Ok(Some(status)) = self.0.try_wait() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(50));
        }
        None
    }
}

impl Drop for Booted {
    fn drop(&mut self) {
        // The kernel runs each inner process as one of its own children: they are in its group.
        let _ = killpg(Pid::from_raw(self.0.id() as i32), Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

/// One word of a shell command.
fn quote(word: &OsStr) -> String {
    format!("'{}'", word.to_string_lossy().replace('\'', r"'\''"))
}

fn join(words: &[&OsStr]) -> String {
    words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> Failed {
    let path = path.display().to_string();
    move |error| Failed(format!("{path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Option<Result<Outcome, Failed>> {
        if !Path::new(MODULES).exists() {
            eprintln!("skipped: needs Debian's package user-mode-linux");
            return None;
        }
        let words = ["-c", script].map(OsStr::new);
        Some(run(OsStr::new("sh"), &words, &BTreeMap::from([("WORD", OsStr::new("it's"))]), limit))
    }

    #[test]
    fn a_commands_output_and_status_come_back() {
        let Some(outcome) =
            shell("echo \"$WORD $(id -u)\"; tc qdisc add dev lo root netem delay 1ms; exit 7", TEST_LIMIT)
        else {
            return;
        };
        let outcome = outcome.unwrap();
        assert_eq!((outcome.status, outcome.output.trim()), (7, "it's 0"));
    }

    #[test]
    fn a_command_that_never_ends_is_cut_off() {
        let Some(outcome) = shell("echo begun; sleep 1000", Duration::from_secs(15)) else { return };
        let Failed(reason) = outcome.unwrap_err();
        assert!(reason.starts_with("not done after 15s\nbegun"), "{reason}");
    }
}
