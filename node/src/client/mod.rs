//! The client: offers load and measures from the instant at which each request was *scheduled*.
//!
//! Under an open load a request is scheduled at its instant whether or not the connection can take it; under
//! a closed one, the instant an answer arrives. The **desk** ([`desk`]) holds what was offered and has no
//! answer. One thread connects and writes ([`connection`]); one reads and never waits for the writer, so
//! that full pipes both ways can't block each other; one keeps the load's schedule ([`load`]).
//! After a broken connection, everything without an answer is sent again, in order, before anything new. So a request
//! survives its dispatcher as well: whoever answers on the dispatcher's address next is sent it again. A client
//! draws a number for its **session**, by which the dispatcher knows it over all its connections, and acknowledges each
//! answer, so that the dispatcher may forget it.
//! Latencies are computed by whoever reads the events.

mod connection;
mod desk;
mod input;
mod load;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;

pub use self::connection::KEEPALIVE;
use self::desk::Desk;
pub use self::load::schedule;
use crate::clock::Instant;
use crate::config::{ClientConfig, Load, NodeConfig};
use crate::program::ProgramError;
use crate::telemetry::{Command, Event, Telemetry};
use crate::wire::secret::{Secret, nonce};

/// How often a client that is to finish looks whether anything is outstanding.
const LOOK: Duration = Duration::from_millis(10);

/// What the client's threads share.
struct Shared {
    config: ClientConfig,
    /// The run's secret.
    secret: Secret,
    /// The number it drew for itself.
    session: u64,
    /// The encoded inputs; request `r` carries number `r % inputs`.
    payloads: Vec<Bytes>,
    desk: Desk,
    telemetry: Telemetry,
}

impl Shared {
    /// Offers the next request, which was due at `scheduled`.
    fn offer(&self, scheduled: Instant) {
        let inputs = self.payloads.len() as u64;
        let tell = |request| {
            let input = (request % inputs) as u32;
            self.telemetry.tell(Event::Offered { request, input, scheduled });
        };
        self.desk.offer(scheduled, tell);
    }

    /// An answer for `request` has come. Under a closed load the next request is due at once.
    fn answered(&self, request: u64) {
        if self.desk.answer(request) && matches!(self.config.load, Load::Closed { .. }) {
            self.offer(Instant::now());
        }
    }
}

/// Runs the client: connects, begins at [`Command::Start`], stops offering at [`Command::Finish`], and
/// ends at [`Command::Exit`]. Where no testbed listens it begins at once.
///
/// # Errors
/// When the inputs can't be made or no thread can; see [`ProgramError`].
pub fn run(
    node: &NodeConfig,
    config: &ClientConfig,
    telemetry: Telemetry,
    commands: Receiver<Command>,
) -> Result<(), ProgramError> {
    let payloads = (0..config.inputs.max(1)).map(|index| input::payload(config, index)).collect::<Result<_, _>>()?;
    let random = nonce().map_err(|source| ProgramError::System { what: "random bytes", source })?;
    let shared = Arc::new(Shared {
        config: config.clone(),
        secret: node.secret.clone(),
        session: random.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)),
        payloads,
        desk: Desk::default(),
        telemetry: telemetry.clone(),
    });
    connection::spawn(node.address, shared.clone()).map_err(thread_refused)?;
    telemetry.tell(Event::Ready);
    let mut load = None;
    if !telemetry.is_connected() {
        start(&shared, &mut load)?;
    }
    for command in commands.iter() {
        match command {
            Command::Start => start(&shared, &mut load)?,
            Command::Finish { wait } => {
                if finish(&shared, load.as_ref(), wait, &commands) {
                    return Ok(());
                }
            }
            // A client computes nothing.
            Command::Slow { .. } | Command::Settled => {}
            Command::Exit => return Ok(()),
        }
    }
    Ok(())
}

/// Begins the load on a thread of its own, unless it has begun.
fn start(shared: &Arc<Shared>, load: &mut Option<JoinHandle<()>>) -> Result<(), ProgramError> {
    if load.is_none() {
        let (shared, now) = (shared.clone(), Instant::now());
        let offer = move || load::keep(&shared, now);
        *load = Some(thread::Builder::new().name("load".to_owned()).spawn(offer).map_err(thread_refused)?);
    }
    Ok(())
}

/// Offers what was due before now and no more, and waits for what is outstanding. `true`: asked to end meanwhile.
fn finish(shared: &Shared, load: Option<&JoinHandle<()>>, wait: Duration, commands: &Receiver<Command>) -> bool {
    shared.desk.close();
    if let Some(load) = load {
        load.thread().unpark();
    }
    let until = Instant::now() + wait;
    loop {
        let offered = load.is_none_or(JoinHandle::is_finished);
        let outstanding = shared.desk.outstanding();
        if offered && outstanding == 0 || Instant::now() >= until {
            shared.telemetry.tell(Event::Drained { outstanding });
            return false;
        }
        if let Ok(Command::Exit) | Err(RecvTimeoutError::Disconnected) = commands.recv_timeout(LOOK) {
            return true;
        }
    }
}

fn thread_refused(source: std::io::Error) -> ProgramError {
    ProgramError::System { what: "a thread", source }
}
