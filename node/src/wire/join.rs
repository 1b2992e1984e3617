//! Who may join: both ends of a connection prove that they know the run's secret before anything else is read.
//!
//! ```text
//! connecting                                   accepting
//!            <──────── Challenge: nonce a ────
//!            ──── Proof: nonce c, tag(a, c) ──>   wrong: closed
//!   closed: wrong    <── Proof: tag(c, a) ────
//! ```
//!
//! The tags differ by port and by end, so none can be thrown back. Until then a peer costs one thread, one read of at most
//! 64 bytes of payload, and at most 5 s; of one address at most 8 connections are at this point at a time, and
//! 128 together: more are closed at once. So an address that opens connections and says nothing, or says it slowly,
//! keeps out only itself.

use std::collections::HashMap;
use std::io::{self, Read};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::connection::Tuning;
use super::frame::{Frame, FrameError, FrameKind};
use super::secret::{LENGTH, Secret, nonce};
use super::stream::{FrameReader, FrameWriter};

/// Within this a peer has proven that it may join, or the connection is closed.
pub const LIMIT: Duration = Duration::from_secs(5);
/// Connections of one address that may be at this point at a time.
const OF_ONE: usize = 8;
/// Connections that may be at this point at a time.
const TOGETHER: usize = 128;
/// Longest payload that is read of a peer that has not proven anything.
const LONGEST: usize = 64;
/// Time between two warnings of refused peers.
const WARNING: Duration = Duration::from_secs(10);

/// Which port a connection is made to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// A worker's control port.
    Control,
    /// A data port.
    Data,
    /// The dispatcher's port for clients.
    Client,
}

impl Port {
    /// What the tags of the connecting end are for, and those of the accepting one.
    fn uses(self) -> (&'static str, &'static str) {
        match self {
            Port::Control => ("control, connecting", "control, accepting"),
            Port::Data => ("data, connecting", "data, accepting"),
            Port::Client => ("client, connecting", "client, accepting"),
        }
    }
}

/// Proves to the peer that it was connected to, and has it prove, that both know the secret.
///
/// # Errors
/// `PermissionDenied` when the peer does not know it, `TimedOut`, or what breaks connections.
pub fn join(stream: &TcpStream, secret: &Secret, port: Port, limit: Duration) -> io::Result<()> {
    let (connecting, accepting) = port.uses();
    let until = Instant::now() + limit;
    let challenge = read(stream, until, FrameKind::Challenge)?;
    let own = nonce()?;
    let tag = secret.tag(connecting, &[&challenge, &own]);
    write(stream, FrameKind::Proof, [own, tag].concat())?;
    let proof = read(stream, until, FrameKind::Proof)?;
    if !secret.proves(accepting, &[&own, &challenge], &proof) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    stream.set_read_timeout(None)
}

/// Has the peer that connected prove that it knows the secret, and proves it to it.
fn receive(stream: &TcpStream, secret: &Secret, port: Port) -> io::Result<()> {
    let (connecting, accepting) = port.uses();
    let until = Instant::now() + LIMIT;
    let own = nonce()?;
    write(stream, FrameKind::Challenge, own.to_vec())?;
    let proof = read(stream, until, FrameKind::Proof)?;
    let (challenge, tag) = proof.split_at(LENGTH.min(proof.len()));
    if !secret.proves(connecting, &[&own, challenge], tag) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    write(stream, FrameKind::Proof, secret.tag(accepting, &[challenge, &own]).to_vec())?;
    stream.set_read_timeout(None)
}

fn write(stream: &TcpStream, kind: FrameKind, payload: Vec<u8>) -> io::Result<()> {
    // So little fits into the kernel's buffer of a new connection: this does not wait for the peer.
    FrameWriter::new(stream).write(&Frame::new(kind, 0, 0, payload)).map_err(io_error)
}

fn read(stream: &TcpStream, until: Instant, kind: FrameKind) -> io::Result<Vec<u8>> {
    let frame = FrameReader::new(Timed { stream, until }).at_most(LONGEST).read().map_err(io_error)?;
    if frame.kind == kind { Ok(frame.payload.to_vec()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

fn io_error(error: FrameError) -> io::Error {
    match error {
        FrameError::Io(error) => error,
        FrameError::Idle => io::ErrorKind::TimedOut.into(),
        FrameError::Closed | FrameError::Truncated => io::ErrorKind::UnexpectedEof.into(),
        error => io::Error::new(io::ErrorKind::InvalidData, error.to_string()),
    }
}

/// A stream that is read until an instant, however little comes at a time.
struct Timed<'a> {
    stream: &'a TcpStream,
    until: Instant,
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        let mut stream = self.stream;
        stream.read(buffer)
    }
}

/// How many connections are being looked at, by address.
type Pending = Mutex<HashMap<IpAddr, usize>>;

/// A place among the connections that are being looked at. Dropping it gives it back.
struct Place {
    pending: Arc<Pending>,
    of: IpAddr,
}

impl Place {
    fn take(pending: &Arc<Pending>, of: IpAddr) -> Option<Place> {
        let mut counts = pending.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.values().sum::<usize>() >= TOGETHER || counts.get(&of).is_some_and(|count| *count >= OF_ONE) {
            return None;
        }
        *counts.entry(of).or_default() += 1;
        drop(counts);
        Some(Place { pending: pending.clone(), of })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.of);
            }
        }
    }
}

/// Takes connections for as long as the process lives; each peer that has proven that it may join is handed to `take`,
/// in a thread of its own.
///
/// # Errors
/// When no thread can be made.
pub fn accept(
    name: &'static str,
    listener: TcpListener,
    (secret, port): (Secret, Port),
    tuning: Tuning,
    take: impl Fn(TcpStream) + Send + Sync + 'static,
) -> io::Result<()> {
    let (take, pending, warned) = (Arc::new(take), Arc::new(Pending::default()), Arc::new(Mutex::new(None)));
    let accept = move || {
        loop {
            let (secret, take, warned) = (secret.clone(), take.clone(), warned.clone());
            let opened = listener.accept().and_then(|(stream, peer)| {
                // More than one may have at a time: closed at once.
                let Some(place) = Place::take(&pending, peer.ip()) else { return Ok(()) };
                let receive = move || {
                    let joined = tuning.apply(&stream).and_then(|()| receive(&stream, &secret, port));
                    drop(place);
                    match joined {
                        Ok(()) => take(stream),
                        Err(error) => {
                            let _ = stream.shutdown(Shutdown::Both);
                            refused(&warned, name, peer.ip(), &error);
                        }
                    }
                };
                thread::Builder::new().name(name.to_owned()).spawn(receive).map(drop)
            });
            if let Err(error) = opened {
                tracing::warn!(%error, port = name, "a connection could not be taken");
                // Out of descriptors or threads: trying again at once would only burn the processor.
                thread::sleep(Duration::from_millis(10));
            }
        }
    };
    thread::Builder::new().name(format!("{name}-accept")).spawn(accept).map(drop)
}

/// Says so, but not each time: whoever is refused could fill the log.
fn refused(warned: &Mutex<Option<Instant>>, name: &str, peer: IpAddr, error: &io::Error) {
    let mut warned = warned.lock().unwrap_or_else(PoisonError::into_inner);
    if warned.is_none_or(|at| at.elapsed() >= WARNING) {
        *warned = Some(Instant::now());
        tracing::warn!(port = name, %peer, %error, "a peer that has not proven to know the secret is refused");
    }
}
