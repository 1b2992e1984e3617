//! Tensors coming in: the data port and the connections made to it.
//!
//! A connection says first (Hello) to which epoch it belongs, and from which node it comes. Until the worker holds a stage of that epoch,
//! the connection waits: nothing more is read from it, but keepalives go out, so that the sender knows that
//! this node lives.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::core::Input;
use super::intake::Intake;
use super::stage::Work;
use crate::clock::Instant;
use crate::telemetry::{Event, Telemetry};
use crate::wire::codec;
use crate::wire::connection::Tuning;
use crate::wire::frame::{Frame, FrameError, FrameKind};
use crate::wire::join::{self, Port};
use crate::wire::pulse::spawn_keepalive;
use crate::wire::secret::Secret;
use crate::wire::stream::FrameReader;

/// A connection that has not said in this time what it is for is closed.
const HELLO_LIMIT: Duration = Duration::from_secs(5);

/// The heartbeat interval as the dispatcher last said it.
#[derive(Debug)]
pub struct Interval(AtomicU64);

impl Interval {
    /// Until a dispatcher says otherwise.
    pub fn new() -> Interval {
        Interval(AtomicU64::new(100_000_000))
    }

    /// From now on.
    pub fn set(&self, interval: Duration) {
        let nanos = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
        self.0.store(nanos.max(1_000_000), Ordering::Relaxed);
    }

    /// As it is now.
    pub fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

/// A data connection that has said what it is for, and waits for a stage. Dropping it closes it.
#[derive(Debug)]
pub struct Inbound {
    /// The epoch it belongs to.
    pub epoch: u32,
    /// The node it comes from, by its index in the cluster.
    pub from: u64,
    stream: TcpStream,
    start: Sender<Arc<Intake<Work>>>,
}

impl Inbound {
    /// From now on its tensors go to `stage`.
    pub fn start(&self, stage: Arc<Intake<Work>>) {
        // The connection may be gone already; its sender sees that.
        let _ = self.start.send(stage);
    }
}

impl Drop for Inbound {
    fn drop(&mut self) {
        // Wakes its threads, wherever they wait. It may be down already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// Takes connections on the data port for as long as the process lives.
///
/// # Errors
/// When no thread can be made.
pub fn accept(
    listener: TcpListener,
    secret: Secret,
    interval: Arc<Interval>,
    core: Sender<Input>,
    telemetry: Telemetry,
) -> io::Result<()> {
    join::accept("data", listener, (secret, Port::Data), Tuning::data(), move |stream| {
        match stream.set_read_timeout(Some(HELLO_LIMIT)) {
            Ok(()) => receive(stream, &interval, &core, &telemetry),
            Err(error) => tracing::warn!(%error, "a data connection could not be taken"),
        }
    })
}

fn receive(stream: TcpStream, interval: &Arc<Interval>, core: &Sender<Input>, telemetry: &Telemetry) {
    let outcome = stream.try_clone().map_err(FrameError::Io).and_then(|own| {
        let mut reader = FrameReader::new(own);
        let hello = reader.read()?;
        if hello.kind != FrameKind::Hello {
            return Err(FrameError::UnknownKind { found: hello.kind as u8 });
        }
        reader.get_ref().set_read_timeout(None).map_err(FrameError::Io)?;
        let stage = introduce(&stream, &hello, interval, core).map_err(FrameError::Io)?;
        // An error means that the connection was dropped before there was a stage for it.
        let Ok(stage) = stage.recv() else { return Ok(()) };
        while forward(reader.read()?, hello.epoch, &stage, telemetry).is_continue() {}
        Ok(())
    });
    match outcome {
        Ok(()) | Err(FrameError::Closed) => {}
        Err(FrameError::PayloadDamaged { epoch, request }) => {
            let reason = "its bytes were damaged on the way (CRC)".to_owned();
            telemetry.tell(Event::Dropped { request, epoch, reason });
        }
        Err(error) => tracing::warn!(%error, "a data connection is closed"),
    }
    // The sender learns of it at once, and the keepalive thread ends.
    let _ = stream.shutdown(Shutdown::Both);
}

/// Tells the core of the connection; it answers with the stage's queue.
fn introduce(
    stream: &TcpStream,
    hello: &Frame,
    interval: &Arc<Interval>,
    core: &Sender<Input>,
) -> io::Result<Receiver<Arc<Intake<Work>>>> {
    let interval = interval.clone();
    spawn_keepalive("keepalive", stream.try_clone()?, move || interval.get())?;
    let (start, stage) = channel();
    // The core ends only with the process.
    let _ =
        core.send(Input::Data(Inbound { epoch: hello.epoch, from: hello.request, stream: stream.try_clone()?, start }));
    Ok(stage)
}

fn forward(frame: Frame, current: u32, stage: &Intake<Work>, telemetry: &Telemetry) -> ControlFlow<()> {
    let received = Instant::now();
    let Frame { kind, epoch, chain, request, .. } = frame;
    if kind != FrameKind::Tensor {
        tracing::warn!(?kind, "an unexpected frame on a data connection is ignored");
        return ControlFlow::Continue(());
    }
    let dropped = |reason: String| telemetry.tell(Event::Dropped { request, epoch, reason });
    if epoch != current {
        dropped(format!("it belongs to epoch {epoch}, the connection to {current}"));
        return ControlFlow::Continue(());
    }
    let work = Work { chain, request, received, inputs: codec::decode_all(&frame.payload) };
    match stage.put(work) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => {
            dropped("the stage's epoch is over".to_owned());
            ControlFlow::Break(())
        }
    }
}
