//! How a process is started: where, with what, and what it is given.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::unistd::Pid;

use super::clock::spawn_ahead;
use super::error::FleetError;
use super::lines::Channel;

/// How much sooner than the emulator the kernel takes a node when memory is out: the host's, or that of the node's group, in
/// which a copy of the emulator may be for a moment ([`super::Fleet::starve`]). The most there is (proc(5)).
const SOONER: i32 = 1000;
/// What a node gets of the emulator's environment, besides `RUST_…`.
const ENVIRONMENT: [&str; 3] = ["PATH", "TMPDIR", "LD_LIBRARY_PATH"];

/// The program that nodes run: it is given the arguments, then the path of its configuration, `--telemetry-fd` and a number.
#[derive(Debug, Clone)]
pub struct Program {
    /// Its path.
    pub path: PathBuf,
    /// What comes before the configuration.
    pub arguments: Vec<String>,
}

/// The namespaces of a node, as descriptors.
#[derive(Debug)]
pub(super) struct Place {
    pub net: OwnedFd,
    pub uts: OwnedFd,
}

impl Place {
    fn open() -> io::Result<Place> {
        // Not /proc/self: each thread may be somewhere else.
        let open = |kind: &str| File::open(format!("/proc/thread-self/ns/{kind}")).map(OwnedFd::from);
        Ok(Place { net: open("net")?, uts: open("uts")? })
    }

    fn enter(&self) -> Result<(), Errno> {
        setns(&self.net, CloneFlags::CLONE_NEWNET)?;
        setns(&self.uts, CloneFlags::CLONE_NEWUTS)
    }
}

/// Starts `program` for `node`, whose folder holds its `config.json`, with its clock `ahead`, and returns its number and telemetry.
///
/// The child inherits the namespaces of the calling thread, which is moved there and back: so nothing has to be done
/// between fork and exec, and the child can be made without copying the emulator's memory. Telemetry is its
/// standard input, for the same reason: any other descriptor would have to be opened to every process that
/// another thread starts at this moment. It has no parent-death signal: that would fire at the end of the
/// *thread* that started it, and the pid namespace ends it with the emulator anyway.
pub(super) fn start(
    program: &Program,
    node: &str,
    place: &Place,
    folder: &Path,
    incarnation: u32,
    ahead: Duration,
) -> Result<(Pid, Channel), FleetError> {
    let failed = |source| FleetError::Start { node: node.to_owned(), source };
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    ours.set_nonblocking(true).map_err(failed)?;
    let mut command = Command::new(&program.path);
    command
        .args(&program.arguments)
        .arg(folder.join("config.json"))
        .args(["--telemetry-fd", "0"])
        .current_dir(folder)
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| {
            name.to_str().is_some_and(|name| ENVIRONMENT.contains(&name) || name.starts_with("RUST_"))
        }))
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(log(&folder.join("stdout.log"), incarnation)?)
        .stderr(log(&folder.join("stderr.log"), incarnation)?)
        .process_group(0);

    let moving = |errno| FleetError::Namespace { node: node.to_owned(), errno };
    let home = Place::open().map_err(failed)?;
    let raised = Raised::raise();
    let entered = place.enter();
    let started = entered.map(|()| if ahead.is_zero() { command.spawn() } else { spawn_ahead(&mut command, ahead) });
    let back = home.enter();
    drop(raised);
    let child = started.map_err(moving)?.map_err(failed)?;
    // In another node's namespace the emulator could do nothing right any more.
    back.map_err(moving)?;
    Ok((Pid::from_raw(child.id() as i32), Channel::new(ours)))
}

/// A log, appended to; each process but the first has a line that tells where it begins.
fn log(path: &Path, incarnation: u32) -> Result<Stdio, FleetError> {
    let opened = fs::OpenOptions::new().create(true).append(true).open(path).and_then(|mut file| {
        if incarnation > 1 {
            writeln!(file, "--- process {incarnation} of this node ---")?;
        }
        Ok(file)
    });
    opened.map(Stdio::from).map_err(|source| FleetError::File { path: path.to_owned(), source })
}

/// This process's own readiness to be taken when the host is out of memory, raised for as long as this lives:
/// children inherit it. Raising and going back to what it was needs no right.
struct Raised(Option<String>);

impl Raised {
    const FILE: &str = "/proc/self/oom_score_adj";

    fn raise() -> Raised {
        let before = fs::read_to_string(Raised::FILE).ok();
        let raised =
            before.as_ref().and_then(|text| text.trim().parse::<i32>().ok()).map(|value| (value + SOONER).min(1000));
        // Where it is refused, nodes and emulator are equals when the *host* runs out of memory: nothing is lost by it
        // that a result could still tell.
        let done = raised.is_some_and(|value| fs::write(Raised::FILE, value.to_string()).is_ok());
        Raised(before.filter(|_| done))
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = fs::write(Raised::FILE, before);
        }
    }
}
