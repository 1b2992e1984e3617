//! The connection to the dispatcher: one thread connects and writes, another reads.

use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::Shared;
use super::desk::Next;
use crate::clock::Instant;
use crate::config::CLIENT_PORT;
use crate::digest::digest;
use crate::telemetry::Event;
use crate::wire::codec;
use crate::wire::connection::{Tuning, connect};
use crate::wire::frame::{Frame, FrameError, FrameKind};
use crate::wire::join::{Port, join};
use crate::wire::stream::{FrameReader, FrameWriter};

/// Within this an attempt to connect succeeds or has failed; the kernel repeats a lost SYN after 1 s.
const LIMIT: Duration = Duration::from_millis(1500);
/// Time between attempts: the first, doubled each time, up to the most.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(400));
/// How often the dispatcher sends its client a sign of life.
pub const KEEPALIVE: Duration = Duration::from_millis(500);
/// The connection is given up when nothing comes for this long.
const SILENCE: Duration = Duration::from_secs(4);

/// Connects, and connects again whenever the connection is lost, as long as the program runs.
///
/// # Errors
/// When no thread can be made.
pub fn spawn(own: IpAddr, shared: Arc<Shared>) -> io::Result<()> {
    let dispatcher = SocketAddr::new(shared.config.dispatcher, CLIENT_PORT);
    let keep = move || {
        let mut wait = RETRY.0;
        loop {
            let made = connect(own, dispatcher, LIMIT, Tuning::data()).map_err(io::Error::other);
            let joined = made.and_then(|stream| join(&stream, &shared.secret, Port::Client, LIMIT).map(|()| stream));
            match joined.and_then(|stream| serve(stream, &shared)) {
                Ok(()) => {
                    tracing::warn!("the connection to the dispatcher is lost");
                    shared.telemetry.tell(Event::DispatcherLost);
                    wait = RETRY.0;
                }
                Err(error) => tracing::debug!(%error, "no connection to the dispatcher"),
            }
            thread::sleep(wait);
            wait = (wait * 2).min(RETRY.1);
        }
    };
    thread::Builder::new().name("client-out".to_owned()).spawn(keep).map(drop)
}

/// Writes requests and acknowledgements until the connection is lost.
fn serve(stream: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    let (reader, reading) = (FrameReader::new(stream.try_clone()?), shared.clone());
    let (connection, floor) = shared.desk.connected();
    let mut writer = FrameWriter::new(stream);
    writer.write(&Frame::client(shared.session, floor)).map_err(io::Error::other)?;
    let reader = thread::Builder::new().name("client-in".to_owned()).spawn(move || {
        let error = read(reader, &reading);
        tracing::debug!(%error, "nothing more comes from the dispatcher");
        reading.desk.broken(connection);
    })?;
    while let Some(next) = shared.desk.next() {
        let frame = match next {
            Next::Acknowledge(request) => Frame::new(FrameKind::Acknowledge, 0, request, Vec::new()),
            Next::Send(request) => {
                let payload = shared.payloads[(request % shared.payloads.len() as u64) as usize].clone();
                Frame { codec: shared.config.codec, ..Frame::new(FrameKind::Request, 0, request, payload) }
            }
        };
        if let Err(error) = writer.write(&frame) {
            tracing::debug!(%error, "nothing more goes to the dispatcher");
            break;
        }
        if let Next::Send(request) = next
            && shared.desk.sent(request)
        {
            shared.telemetry.tell_at(Instant::now(), Event::Sent { request });
        }
    }
    // The reader sees the end now, if it has not; it may be down already.
    let _ = writer.get_ref().shutdown(Shutdown::Both);
    let _ = reader.join();
    Ok(())
}

/// Reads answers until the connection is lost; never waits for anything else.
fn read(mut reader: FrameReader<TcpStream>, shared: &Shared) -> FrameError {
    loop {
        let frame = match reader.read() {
            Ok(frame) => frame,
            Err(error) => {
                // The writer may be waiting inside the kernel.
                let _ = reader.get_ref().shutdown(Shutdown::Both);
                return error;
            }
        };
        let at = Instant::now();
        let Frame { kind, epoch, request, payload, .. } = frame;
        let event = match kind {
            FrameKind::Accepted => {
                if !payload.is_empty() {
                    let reason = String::from_utf8_lossy(&payload);
                    tracing::debug!(request, %reason, "accepted, but it would not survive the dispatcher's end");
                }
                Event::Accepted { request }
            }
            FrameKind::Result => match codec::decode(&payload) {
                Ok(tensor) => Event::Completed { request, epoch, digest: format!("{:016x}", digest(&tensor.data)) },
                Err(error) => Event::Errored { request, reason: error.to_string() },
            },
            FrameKind::Refused => Event::Errored { request, reason: String::from_utf8_lossy(&payload).into_owned() },
            _ => continue,
        };
        shared.telemetry.tell_at(at, event);
        if kind != FrameKind::Accepted {
            shared.answered(request);
        }
    }
}
