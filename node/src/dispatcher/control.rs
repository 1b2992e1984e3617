//! Control connections to the workers.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use planner::profile::Segment;

use super::core::exchange::Input;
use super::outbox::Outbox;
use super::{Happening, Shared, planning};
use crate::config::CONTROL_PORT;
use crate::wire::connection::Tuning;
use crate::wire::join::Port;
use crate::wire::message::{ToWorker, from_frame, to_frame};
use crate::wire::stream::FrameReader;

/// Within this an attempt to connect succeeds or has failed; the kernel repeats a lost SYN after 1 s.
const LIMIT: Duration = Duration::from_millis(1500);

/// A control connection. Dropping it closes it.
pub struct Control {
    outbox: Outbox<(ToWorker, Option<Segment>)>,
}

/// Tries to connect, in a thread of its own; the main loop is told how it went.
pub fn connect(shared: &Arc<Shared>, node: usize, session: u64, sender: Sender<Happening>) {
    let failed = sender.clone();
    let (shared, tuning) = (shared.clone(), tuning(shared));
    let attempt = move || {
        let connected =
            shared.address(node, CONTROL_PORT).map(|address| shared.join(address, Port::Control, LIMIT, tuning));
        let happening = match connected {
            Some(Ok(stream)) => Happening::ControlMade { node, session, stream },
            Some(Err(error)) => {
                tracing::debug!(%error, "no control connection");
                Happening::Input(Input::Disconnected { node, session })
            }
            None => Happening::Input(Input::Disconnected { node, session }),
        };
        // An error means that the main loop has ended.
        let _ = sender.send(happening);
    };
    if thread::Builder::new().name("connect".to_owned()).spawn(attempt).is_err() {
        let _ = failed.send(Happening::Input(Input::Disconnected { node, session }));
    }
}

/// A connection is given up when the peer's kernel acknowledges nothing for longer than heartbeats may be missing.
fn tuning(shared: &Shared) -> Tuning {
    let patience = shared.config.heartbeat * shared.config.missed_heartbeats.max(1);
    Tuning::control((patience * 2).max(Duration::from_secs(2)))
}

impl Control {
    /// Starts the threads of a connection that was made.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn open(
        stream: TcpStream,
        node: usize,
        session: u64,
        shared: Arc<Shared>,
        sender: Sender<Happening>,
    ) -> io::Result<Control> {
        let mut reader = FrameReader::new(stream.try_clone()?);
        let read = move || {
            loop {
                let message = match reader.read() {
                    Ok(frame) => from_frame(&frame).map_err(|error| tracing::warn!(node, %error, "not understood")),
                    Err(error) => {
                        tracing::debug!(node, %error, "control connection ends");
                        Err(())
                    }
                };
                let (input, last) = match message {
                    Ok(message) => (Input::Said { node, session, message }, false),
                    Err(()) => (Input::Disconnected { node, session }, true),
                };
                if sender.send(Happening::Input(input)).is_err() || last {
                    return;
                }
            }
        };
        // Files are cut out of the model here: in order with the other messages, and in nobody's way.
        let frame = move |(mut message, ship): (ToWorker, Option<Segment>)| {
            if let (ToWorker::Assign { file, .. } | ToWorker::File { file, .. }, Some(segment)) = (&mut message, ship) {
                match planning::segment_file(&shared, segment) {
                    Ok(bytes) => *file = Some(bytes),
                    Err(error) => tracing::error!(%error, ?segment, "can't cut the segment out of the model"),
                }
            }
            to_frame(&message).map_err(|error| tracing::error!(%error, "a message can't be sent")).ok()
        };
        let outbox = Outbox::spawn("control-out", stream, frame)?;
        thread::Builder::new().name("control-in".to_owned()).spawn(read)?;
        Ok(Control { outbox })
    }

    /// Sends a message, with the file of `ship` in it.
    pub fn tell(&self, message: ToWorker, ship: Option<Segment>) {
        self.outbox.send((message, ship));
    }
}
