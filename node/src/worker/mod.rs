//! The worker: holds one segment, runs it, forwards; and may hold others ready beside it.
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

mod assignment;
mod cancel;
mod core;
mod engine;
mod heartbeat;
mod inbound;
mod intake;
mod loading;
mod meter;
mod needs;
mod outbound;
mod processor;
mod shelf;
mod stage;
mod unread;

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::{io, thread};

use planner::profile::ModelProfile;
use planner::units::ByteSize;

use self::core::{Core, Input};
use self::engine::Loader;
use self::inbound::Interval;
use self::processor::{Pace, Processor};
use crate::config::{CONTROL_PORT, DATA_PORT, NodeConfig, WorkerConfig};
use crate::program::{ProgramError, read_profile};
use crate::telemetry::{Command, Event, Telemetry};
use crate::wire::connection::{Tuning, listen};
use crate::wire::join::{self, Port};
use crate::wire::secret::Secret;

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
    let profile = read_profile(&role.profile)?;
    let loader = engine::onnx(role.model.clone(), profile.clone(), role.memory);
    let device = (role.slowdown, role.memory);
    let pace = serve((node.address, &node.secret), profile, device, Arc::new(loader), telemetry)?;
    // Everything else is done by threads that end with the process.
    loop {
        match commands.recv() {
            Ok(Command::Exit) | Err(_) => return Ok(()),
            Ok(Command::Slow { factor }) => pace.set(factor),
            Ok(Command::Start | Command::Finish { .. } | Command::Settled) => {}
        }
    }
}

/// Listens, and starts everything. Returns when the worker is ready: how much slower than its device it computes can be
/// set from then on.
fn serve(
    (own, secret): (IpAddr, &Secret),
    profile: ModelProfile,
    (slowdown, limit): (f64, Option<ByteSize>),
    loader: Arc<dyn Loader>,
    telemetry: Telemetry,
) -> Result<Arc<Pace>, ProgramError> {
    let control = listen(SocketAddr::new(own, CONTROL_PORT))?;
    let data = listen(SocketAddr::new(own, DATA_PORT))?;
    let threads = |source| ProgramError::System { what: "a thread", source };
    let interval = Arc::new(Interval::new());
    let (sender, inputs) = channel();
    accept_control(control, secret.clone(), sender.clone()).map_err(threads)?;
    inbound::accept(data, secret.clone(), interval.clone(), sender.clone(), telemetry.clone()).map_err(threads)?;
    let processor = Processor::start().map_err(threads)?;
    let pace = processor.pace();
    let secret = secret.clone();
    let told = telemetry.clone();
    let core = Core { own, secret, profile, slowdown, limit, processor, loader, telemetry: told, sender, interval };
    thread::Builder::new().name("core".into()).spawn(move || core.run(&inputs)).map_err(threads)?;
    telemetry.tell(Event::Ready);
    Ok(pace)
}

fn accept_control(listener: TcpListener, secret: Secret, core: Sender<Input>) -> io::Result<()> {
    join::accept("control", listener, (secret, Port::Control), Tuning::default(), move |stream| {
        // The core ends only with the process.
        drop(core.send(Input::Control(stream)));
    })
}
