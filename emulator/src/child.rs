//! `emu run` or `emu simulate` as a child process: each run has a process of its own, as if a user had started it.
//!
//! `unsafe` is here for `pre_exec`.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::{Pid, getppid};

use crate::exit::Exit;
use crate::record::summary::Summary;

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; of one that was killed by a signal, as a shell tells it.
    pub code: u8,
    /// Its summary, if it came to one.
    pub summary: Option<Summary>,
}

/// Why a run could not be started or followed.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// This program can't find itself.
    #[error("this program's own file can't be found: {0}")]
    Program(#[source] io::Error),
    /// What it says can't be kept.
    #[error("can't write {path}: {source}")]
    Log {
        /// Where to.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It can't be started or waited for.
    #[error("a run can't be started: {0}")]
    Start(#[source] io::Error),
    /// Signals can't be waited for.
    #[error("the system refused to wait for signals: {0}")]
    Signals(#[source] io::Error),
}

/// Starts runs one after the other, and passes on to the present one what interrupts this process.
#[derive(Debug, Clone)]
pub struct Runner {
    program: PathBuf,
    /// `run` or `simulate`.
    command: &'static str,
    /// Arguments of every run.
    arguments: Vec<String>,
    present: Arc<AtomicI32>,
    interrupted: Arc<AtomicI32>,
}

impl Runner {
    /// A runner of `command`, `run` or `simulate`, whose runs all have these arguments. From here on this process does not end by SIGINT or SIGTERM, but
    /// [`Runner::interrupted`] tells of them.
    ///
    /// # Errors
    /// See [`ChildError`].
    pub fn new(command: &'static str, arguments: Vec<String>) -> Result<Runner, ChildError> {
        let program = std::env::current_exe().map_err(ChildError::Program)?;
        let (present, interrupted) = (Arc::new(AtomicI32::new(0)), Arc::new(AtomicI32::new(0)));
        let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
        signals.thread_block().map_err(|errno| ChildError::Signals(errno.into()))?;
        let runner = Runner { program, command, arguments, present, interrupted };
        let (present, interrupted) = (runner.present.clone(), runner.interrupted.clone());
        let pass_on = move || {
            while let Ok(signal) = signals.wait() {
                interrupted.store(signal as i32, Ordering::SeqCst);
                let pid = present.load(Ordering::SeqCst);
                if pid != 0 {
                    // One that has ended meanwhile needs no signal.
                    let _ = kill(Pid::from_raw(pid), signal);
                }
            }
        };
        thread::Builder::new().name("signals".to_owned()).spawn(pass_on).map_err(ChildError::Signals)?;
        Ok(runner)
    }

    /// The same with another program in place of this one.
    pub fn of(&self, program: &Path) -> Runner {
        Runner { program: program.to_owned(), ..self.clone() }
    }

    /// The program that is started.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// What interrupted this process, if anything did.
    pub fn interrupted(&self) -> Option<Exit> {
        match self.interrupted.load(Ordering::SeqCst) {
            0 => None,
            signal if signal == Signal::SIGTERM as i32 => Some(Exit::Terminated),
            _ => Some(Exit::Interrupted),
        }
    }

    /// Runs a scenario to its end. Its results go to `results`, what it says for people to `log`.
    ///
    /// # Errors
    /// See [`ChildError`].
    pub fn run(&self, scenario: &Path, seed: Option<u64>, results: &Path, log: &Path) -> Result<Ended, ChildError> {
        self.run_with(scenario, &[], seed, results, log)
    }

    /// The same with further arguments.
    ///
    /// # Errors
    /// See [`ChildError`].
    pub fn run_with(
        &self,
        scenario: &Path,
        arguments: &[String],
        seed: Option<u64>,
        results: &Path,
        log: &Path,
    ) -> Result<Ended, ChildError> {
        let log = File::create(log).map_err(|source| ChildError::Log { path: log.to_owned(), source })?;
        let mut command = Command::new(&self.program);
        command
            .arg(self.command)
            .arg(scenario)
            .args(&self.arguments)
            .args(arguments)
            .arg("--json")
            .arg("--results")
            .arg(results);
        command.args(seed.map(|seed| format!("--seed={seed}")));
        // In a group of its own, it hears of an interrupt from this process only, and once.
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).process_group(0);
        let parent = Pid::this();
        // Who is killed leaves no run going on, beside which the next would measure.
        // SAFETY: between fork and exec these are two system calls, and nothing is allocated.
        unsafe {
            command.pre_exec(move || {
                set_pdeathsig(Signal::SIGTERM)?;
                if getppid() == parent { Ok(()) } else { Err(Errno::ESRCH.into()) }
            })
        };
        let mut child = command.spawn().map_err(ChildError::Start)?;
        self.present.store(child.id() as i32, Ordering::SeqCst);
        let signal = self.interrupted.load(Ordering::SeqCst);
        if signal != 0 {
            // It came before there was anybody to pass it on to.
            let _ = kill(Pid::from_raw(child.id() as i32), Signal::try_from(signal).unwrap_or(Signal::SIGTERM));
        }
        let mut said = Vec::new();
        let read = child.stdout.take().map_or(Ok(0), |mut stdout| stdout.read_to_end(&mut said));
        self.present.store(0, Ordering::SeqCst);
        let status = child.wait().map_err(ChildError::Start)?;
        read.map_err(ChildError::Start)?;
        let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or_default();
        Ok(Ended { code: u8::try_from(code).unwrap_or(u8::MAX), summary: serde_json::from_slice(&said).ok() })
    }
}

/// The folder of the run that landed in a folder of results; `None` if none did.
///
/// # Errors
/// When the folder of results can't be read.
pub fn landed(results: &Path) -> io::Result<Option<PathBuf>> {
    let latest = |scenario: fs::DirEntry| fs::canonicalize(scenario.path().join("latest")).ok();
    Ok(fs::read_dir(results)?.flatten().find_map(latest))
}
