//! A node that runs programs of others: starts one, says when it serves, measures while load is offered, and has a check made
//! afterwards. It takes part in nothing itself.
//!
//! The program's fate is the node's: when it ends by itself, this process ends in the same way, by the same exit code or signal. So limits,
//! faults and the record treat the node as any other. What a program says is in the node's own logs; what `load`, `check`, `ready` and probes that are
//! commands say is in files of these names beside them.

mod child;
pub mod config;
mod http;
mod lines;
mod ping;
mod prober;
mod ready;

use std::io;
use std::process::ExitStatus;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use self::child::{Home, Running, Says};
pub use self::config::ForeignConfig;
use self::lines::Numbers;
use self::prober::Prober;
use self::ready::Watched;
use crate::clock::Instant;
use crate::config::NodeConfig;
use crate::program::ProgramError;
use crate::telemetry::{Command, Event, Telemetry};

/// How often it is looked whether what is waited for is over.
const LOOK: Duration = Duration::from_millis(10);
/// How long a program may take to end when it is asked to, before it is killed. The testbed waits a second longer for the node.
const FAREWELL: Duration = Duration::from_secs(2);
/// Bytes of the end of a log that are told.
const LAST: usize = 2000;

/// What the node's one loop hears.
enum Word {
    Told(Command),
    Serves,
    /// The program that runs for as long as the node is up.
    Ended(ExitStatus),
    LoadEnded(ExitStatus),
    /// How the check ended; `None`: not in time.
    Checked(io::Result<Option<ExitStatus>>),
}

/// Runs the node until it is asked to end, or its program ends: then it ends like that, and doesn't return.
///
/// # Errors
/// When a program can't be started, or the system refuses what is needed for it.
pub fn run(
    node: &NodeConfig,
    config: &ForeignConfig,
    telemetry: Telemetry,
    commands: Receiver<Command>,
) -> Result<(), ProgramError> {
    let home = Home { name: node.name.clone(), address: node.address.to_string(), state: node.state.clone() };
    let numbers = Numbers { stride: config.stride, own: config.own };
    if telemetry.is_connected() {
        // What is started before this process is within its limits would never be.
        loop {
            match commands.recv() {
                Ok(Command::Settled) => break,
                Ok(Command::Exit) | Err(_) => return Ok(()),
                Ok(_) => {}
            }
        }
    }
    lines::listen(numbers, telemetry.clone()).map_err(refused("a socket"))?;
    let (sender, words) = channel();
    forward(commands, sender.clone())?;
    let prober = Prober::new(home.clone(), numbers, config.seed, telemetry.clone());
    let mut host = Host { config, home, telemetry, sender, prober, program: None, load: None, drain: None };
    host.begin()?;
    host.serve(&words)
}

/// The node at work.
struct Host<'a> {
    config: &'a ForeignConfig,
    home: Home,
    telemetry: Telemetry,
    sender: Sender<Word>,
    prober: Prober,
    program: Option<Running>,
    load: Option<Running>,
    /// Until when attempts without an outcome are waited for; `None`: not now.
    drain: Option<Instant>,
}

impl Host<'_> {
    fn begin(&mut self) -> Result<(), ProgramError> {
        let watched = Watched::from_here(self.config.ready.clone());
        self.program = match &self.config.run {
            Some(words) => Some(self.start(words, Says::Own, Word::Ended)?),
            None => None,
        };
        let (home, sender) = (self.home.clone(), self.sender.clone());
        let wait = move || {
            watched.wait(&home);
            let _ = sender.send(Word::Serves);
        };
        thread::Builder::new().name("ready".into()).spawn(wait).map_err(refused("a thread"))?;
        Ok(())
    }

    fn start(
        &self,
        words: &[String],
        says: Says,
        word: impl FnOnce(ExitStatus) -> Word + Send + 'static,
    ) -> Result<Running, ProgramError> {
        let program = words.first().cloned().unwrap_or_default();
        let child = self.home.spawn(words, says).map_err(|source| ProgramError::Foreign { program, source })?;
        let sender = self.sender.clone();
        Running::watch(child, move |status| _ = sender.send(word(status))).map_err(refused("a thread"))
    }

    fn serve(&mut self, words: &Receiver<Word>) -> Result<(), ProgramError> {
        loop {
            let word = match self.drain {
                None => words.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(_) => words.recv_timeout(LOOK),
            };
            match word {
                Ok(Word::Serves) => self.telemetry.tell(Event::Ready),
                Ok(Word::Told(Command::Start)) => self.offer()?,
                Ok(Word::Told(Command::Finish { wait })) => {
                    self.prober.close();
                    self.load.iter().for_each(|load| load.signal(Signal::SIGTERM));
                    self.drain = Some(Instant::now() + wait);
                }
                // Who runs a program can't make it compute more slowly.
                Ok(Word::Told(Command::Slow { .. } | Command::Settled)) => {}
                Ok(Word::Ended(status)) => {
                    tracing::error!("the program ended by itself: {}", child::in_words(status));
                    self.telemetry.flush();
                    child::end_like(status);
                }
                Ok(Word::LoadEnded(status)) => self.load_ended(status),
                Ok(Word::Checked(ended)) => {
                    self.checked(ended);
                    self.drained();
                }
                Ok(Word::Told(Command::Exit)) | Err(RecvTimeoutError::Disconnected) => {
                    self.end(words);
                    return Ok(());
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.look()?;
        }
    }

    /// Load is offered from here on.
    fn offer(&mut self) -> Result<(), ProgramError> {
        if let Some(words) = &self.config.load {
            self.load = Some(self.start(words, Says::File("load.log".to_owned()), Word::LoadEnded)?);
        }
        self.prober.start(&self.config.probes).map_err(refused("probes"))
    }

    fn load_ended(&mut self, status: ExitStatus) {
        self.load = None;
        // One that was asked to end may end as it likes.
        if self.drain.is_none() && !status.success() {
            let how = child::in_words(status);
            self.telemetry.tell(Event::Checked { passed: false, said: format!("load: {how}{}", last("load.log")) });
        }
    }

    /// While the end is waited for: whether all is over that must be before the check.
    fn look(&mut self) -> Result<(), ProgramError> {
        let Some(until) = self.drain else { return Ok(()) };
        let late = Instant::now() >= until;
        if late {
            self.load.iter().for_each(|load| load.signal(Signal::SIGKILL));
        }
        if !late && (self.load.is_some() || self.prober.outstanding() > 0) {
            return Ok(());
        }
        self.drain = None;
        let Some(words) = &self.config.check else {
            self.drained();
            return Ok(());
        };
        let program = words.first().cloned().unwrap_or_default();
        let child = self.home.spawn(words, Says::File("check.log".to_owned()));
        let child = child.map_err(|source| ProgramError::Foreign { program, source })?;
        let (sender, patience) = (self.sender.clone(), self.config.patience);
        let check = move || _ = sender.send(Word::Checked(child::run(child, patience)));
        thread::Builder::new().name("check".into()).spawn(check).map_err(refused("a thread"))?;
        Ok(())
    }

    fn checked(&self, ended: io::Result<Option<ExitStatus>>) {
        let passed = matches!(&ended, Ok(Some(status)) if status.success());
        let how = match ended {
            Ok(Some(status)) => child::in_words(status),
            Ok(None) => "not done in time".to_owned(),
            Err(error) => error.to_string(),
        };
        self.telemetry.tell(Event::Checked { passed, said: format!("{how}{}", last("check.log")) });
    }

    fn drained(&self) {
        self.telemetry.tell(Event::Drained { outstanding: self.prober.outstanding() });
    }

    /// Asks everything to end; what does not is killed.
    fn end(&mut self, words: &Receiver<Word>) {
        self.prober.close();
        let until = Instant::now() + FAREWELL;
        let mut left: Vec<Running> = self.load.take().into_iter().chain(self.program.take()).collect();
        left.iter().for_each(|running| running.signal(Signal::SIGTERM));
        let mut waits = left.len();
        while waits > 0 {
            match words.recv_timeout(until.since(Instant::now())) {
                Ok(Word::Ended(_) | Word::LoadEnded(_)) => waits -= 1,
                Ok(_) => {}
                Err(_) => {
                    left.drain(..).for_each(|running| running.signal(Signal::SIGKILL));
                    tracing::warn!("what was asked to end did not within {} s, and is killed", FAREWELL.as_secs());
                    return;
                }
            }
        }
    }
}

fn forward(commands: Receiver<Command>, words: Sender<Word>) -> Result<(), ProgramError> {
    let forward = move || {
        for command in commands {
            if words.send(Word::Told(command)).is_err() {
                return;
            }
        }
        let _ = words.send(Word::Told(Command::Exit));
    };
    thread::Builder::new().name("told".into()).spawn(forward).map_err(refused("a thread"))?;
    Ok(())
}

fn refused(what: &'static str) -> impl Fn(io::Error) -> ProgramError {
    move |source| ProgramError::System { what, source }
}

/// The last lines of a log, behind a colon; nothing if there are none.
fn last(name: &str) -> String {
    let text = std::fs::read(name).unwrap_or_default();
    let text = String::from_utf8_lossy(&text[text.len().saturating_sub(LAST)..]).trim().to_owned();
    if text.is_empty() { text } else { format!(": {text}") }
}
