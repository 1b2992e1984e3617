//! The worker: holds one segment, runs it, forwards.
//!
//! ```text
//!              dispatcher                        dispatcher
//!                  │ control                         ▲ heartbeats
//!            ┌─────▼──────────────── core ───────────┴─────┐
//! tensors ──>│ receive ─(1)─> compute ─(1)─> send ─────────┼──> tensors
//!      <─────┤ keepalive                       watch <─────┼─── keepalives
//!            └─────────────────────────────────────────────┘
//! ```
//!
//! Each word in the box is a thread; `(1)` is a queue of one tensor. [`core`] decides, the others carry out.
//! Where chains meet, there is a connection with its threads for each node before or behind.

mod cancel;
mod core;
mod engine;
mod heartbeat;
mod inbound;
mod intake;
mod outbound;
mod processor;
mod stage;

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::{io, thread};

use planner::profile::ModelProfile;

use self::core::{Core, Input};
use self::engine::Loader;
use self::inbound::Interval;
use self::processor::{Pace, Processor};
use crate::config::{CONTROL_PORT, DATA_PORT, NodeConfig, WorkerConfig};
use crate::program::{ProgramError, read_json};
use crate::telemetry::{Command, Event, Telemetry};
use crate::wire::connection::{Tuning, listen};

/// Runs the worker until it is told to exit.
///
/// # Errors
/// When the profile can't be read or a port can't be listened on.
pub fn run(
    node: &NodeConfig,
    role: &WorkerConfig,
    telemetry: Telemetry,
    commands: Receiver<Command>,
) -> Result<(), ProgramError> {
    let profile: ModelProfile =
        read_json(&role.profile).map_err(|source| ProgramError::File { path: role.profile.clone(), source })?;
    let loader = engine::onnx(role.model.clone(), profile.clone());
    let pace = serve(node.address, profile, role.slowdown, Box::new(loader), telemetry)?;
    // Everything else is done by threads that end with the process.
    loop {
        match commands.recv() {
            Ok(Command::Exit) | Err(_) => return Ok(()),
            Ok(Command::Slow { factor }) => pace.set(factor),
            Ok(Command::Start | Command::Finish { .. }) => {}
        }
    }
}

/// Listens, and starts everything. Returns when the worker is ready: how much slower than its device it computes can be
/// set from then on.
fn serve(
    own: IpAddr,
    profile: ModelProfile,
    slowdown: f64,
    loader: Box<dyn Loader>,
    telemetry: Telemetry,
) -> Result<Arc<Pace>, ProgramError> {
    let control = listen(SocketAddr::new(own, CONTROL_PORT))?;
    let data = listen(SocketAddr::new(own, DATA_PORT))?;
    let threads = |source| ProgramError::System { what: "a thread", source };
    let interval = Arc::new(Interval::new());
    let (sender, inputs) = channel();
    accept_control(control, sender.clone()).map_err(threads)?;
    inbound::accept(data, interval.clone(), sender.clone(), telemetry.clone()).map_err(threads)?;
    let processor = Processor::start().map_err(threads)?;
    let pace = processor.pace();
    let core = Core { own, profile, slowdown, processor, loader, telemetry: telemetry.clone(), sender, interval };
    thread::Builder::new().name("core".into()).spawn(move || core.run(&inputs)).map_err(threads)?;
    telemetry.tell(Event::Ready);
    Ok(pace)
}

fn accept_control(listener: TcpListener, core: Sender<Input>) -> io::Result<()> {
    thread::Builder::new().name("control-accept".into()).spawn(move || {
        for stream in listener.incoming() {
            match stream.and_then(|stream| Tuning::default().apply(&stream).map(|()| stream)) {
                // The core ends only with the process.
                Ok(stream) => drop(core.send(Input::Control(stream))),
                Err(error) => {
                    tracing::warn!(%error, "a control connection could not be taken");
                    thread::sleep(std::time::Duration::from_millis(10));
                }
            }
        }
    })?;
    Ok(())
}
