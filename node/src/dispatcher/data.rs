//! Tensors: to the first stages, and from the last.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use planner::codec::Codec;

use super::core::exchange::Input;
use super::outbox::{Outbox, frames};
use super::{Happening, Shared};
use crate::config::{DATA_PORT, DispatcherConfig};
use crate::telemetry::{Event, Telemetry};
use crate::wire::codec::{self, CodecError};
use crate::wire::connection::Tuning;
use crate::wire::frame::{Frame, FrameKind};
use crate::wire::join::{self, Port};
use crate::wire::pulse;
use crate::wire::secret::Secret;
use crate::wire::stream::FrameReader;

/// Within this a data connection is made at least; the kernel repeats a lost SYN after 1 s.
const LIMIT: Duration = Duration::from_millis(1500);

/// Connects to a first stage, in a thread of its own; the main loop is told how it went.
pub fn connect(shared: &Arc<Shared>, node: usize, epoch: u32, sender: Sender<Happening>) {
    let (shared, failed) = (shared.clone(), sender.clone());
    let attempt = move || {
        let patience = shared.config.heartbeat * shared.config.missed_heartbeats.max(1);
        let connected = shared
            .address(node, DATA_PORT)
            .map(|address| shared.join(address, Port::Data, LIMIT.max(patience), Tuning::data()));
        let happening = match connected {
            Some(Ok(stream)) => Happening::FeedMade { epoch, node, stream },
            Some(Err(error)) => {
                tracing::debug!(%error, "no connection to the first stage");
                Happening::Input(Input::FeedLost { epoch, node })
            }
            None => Happening::Input(Input::FeedLost { epoch, node }),
        };
        // An error means that the main loop has ended.
        let _ = sender.send(happening);
    };
    if thread::Builder::new().name("feed".to_owned()).spawn(attempt).is_err() {
        let _ = failed.send(Happening::Input(Input::FeedLost { epoch, node }));
    }
}

/// Opens a connection that was made: says hello, and watches for the worker's signs of life.
///
/// # Errors
/// When no thread can be made.
pub fn open_feed(
    stream: TcpStream,
    epoch: u32,
    node: usize,
    shared: &Shared,
    sender: Sender<Happening>,
) -> io::Result<Outbox<Frame>> {
    let DispatcherConfig { heartbeat, missed_heartbeats, .. } = shared.config;
    let watched = stream.try_clone()?;
    let outbox = Outbox::spawn("feed-out", stream, frames())?;
    outbox.send(Frame::hello(epoch, shared.config.cluster.dispatcher as u32));
    pulse::spawn_watch("feed-watch", watched, heartbeat, missed_heartbeats, move |lost| {
        tracing::debug!(epoch, %lost, "the connection to the first stage ends");
        // An error means that the main loop has ended.
        let _ = sender.send(Happening::Input(Input::FeedLost { epoch, node }));
    })?;
    Ok(outbox)
}

/// Takes connections of last stages.
///
/// # Errors
/// When no thread can be made.
pub fn collect(
    listener: TcpListener,
    secret: Secret,
    heartbeat: Duration,
    sender: Sender<Happening>,
    telemetry: Telemetry,
) -> io::Result<()> {
    join::accept("data", listener, (secret, Port::Data), Tuning::data(), move |stream| {
        if let Err(error) = open(stream, heartbeat, sender.clone(), telemetry.clone()) {
            tracing::warn!(%error, "a data connection can't be used");
        }
    })
}

fn open(stream: TcpStream, heartbeat: Duration, sender: Sender<Happening>, telemetry: Telemetry) -> io::Result<()> {
    pulse::spawn_keepalive("data-alive", stream.try_clone()?, move || heartbeat)?;
    let read = move || {
        let mut reader = FrameReader::new(stream);
        let mut buffer = Vec::new();
        while let Ok(frame) = reader.read() {
            let Frame { kind: FrameKind::Tensor, epoch, chain, request, payload, .. } = frame else { continue };
            telemetry.tell(Event::Arrived { request, epoch, chain });
            let payload = match lossless(payload, &mut buffer) {
                Ok(payload) => payload,
                Err(error) => {
                    tracing::error!(request, %error, "the last stage sent no tensor");
                    break;
                }
            };
            if sender.send(Happening::Input(Input::Delivered { epoch, chain, request, payload })).is_err() {
                break;
            }
        }
        // Ends the other thread, too; the connection may be down already.
        let _ = reader.get_ref().shutdown(Shutdown::Both);
    };
    thread::Builder::new().name("data-in".to_owned()).spawn(read).map(drop)
}

/// The same tensor for the client: outputs are small, and what it compares is the bits.
fn lossless(payload: Bytes, buffer: &mut Vec<u8>) -> Result<Bytes, CodecError> {
    let tensor = codec::decode(&payload)?;
    codec::encode(&tensor, Codec::Raw, buffer)?;
    Ok(Bytes::copy_from_slice(buffer))
}
