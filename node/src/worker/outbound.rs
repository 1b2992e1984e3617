//! Connections to the nodes that come next: made and watched by threads of their own.

use std::io;
use std::net::{IpAddr, TcpStream};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use super::core::Input;
use crate::wire::connection::{self, Tuning};
use crate::wire::frame::Frame;
use crate::wire::join::{Port, join};
use crate::wire::message::NextHop;
use crate::wire::pulse::spawn_watch;
use crate::wire::secret::Secret;
use crate::wire::stream::FrameWriter;

/// Connects to `hop` and says `hello`; the core is told how it went.
pub fn connect(
    (own, secret): (IpAddr, &Secret),
    hop: &NextHop,
    limit: Duration,
    hello: Frame,
    attempt: u64,
    core: &Sender<Input>,
) {
    let (next, address, sender, secret) = (hop.node, hop.address, core.clone(), secret.clone());
    let connect = move || {
        let connected = connection::connect(own, address, limit, Tuning::data()).map_err(|error| error.to_string());
        let greeted = connected.and_then(|stream| {
            join(&stream, &secret, Port::Data, limit).map_err(|error| error.to_string())?;
            FrameWriter::new(&stream).write(&hello).map_err(|error| error.to_string())?;
            Ok(stream)
        });
        if let Err(reason) = &greeted {
            tracing::info!(epoch = hello.epoch, reason, "the next stage can't be reached");
        }
        // The core ends only with the process.
        let _ = sender.send(Input::Connected { attempt, next, stream: greeted.ok() });
    };
    if thread::Builder::new().name("connect".into()).spawn(connect).is_err() {
        let _ = core.send(Input::Connected { attempt, next, stream: None });
    }
}

/// Watches connections to nodes for the stage of `epoch`; the core is told which one is lost.
///
/// # Errors
/// When no thread can be made or a stream is closed.
pub fn watch(
    streams: impl Iterator<Item = (u32, TcpStream)>,
    epoch: u32,
    interval: Duration,
    missed: u32,
    core: &Sender<Input>,
) -> io::Result<()> {
    for (next, stream) in streams {
        let sender = core.clone();
        spawn_watch("watch", stream, interval, missed, move |reason| {
            tracing::debug!(epoch, next, %reason, "the connection to the next stage ends");
            // The core ends only with the process.
            let _ = sender.send(Input::NextLost { epoch, next });
        })?;
    }
    Ok(())
}
