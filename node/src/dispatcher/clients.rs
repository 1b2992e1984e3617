//! The client's connection: requests in, as far as there is room for them; answers out; acknowledgements in.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::Happening;
use super::core::exchange::Input;
use super::core::ledger::Answer;
use super::outbox::{Outbox, frames};
use crate::client::KEEPALIVE;
use crate::wire::connection::Tuning;
use crate::wire::frame::{Frame, FrameKind};
use crate::wire::join::{self, Port};
use crate::wire::secret::Secret;
use crate::wire::stream::FrameReader;

/// A client that leaves this many answers unread is not read from either.
const UNREAD: usize = 4096;
/// How often it is looked whether it has read some.
const LOOK: Duration = Duration::from_millis(5);

/// A connection that has not said in this time whose it is is closed.
const HELLO_LIMIT: Duration = Duration::from_secs(5);

/// Takes clients' connections.
///
/// # Errors
/// When no thread can be made.
pub fn accept(listener: TcpListener, secret: Secret, sender: Sender<Happening>) -> io::Result<()> {
    join::accept("clients", listener, (secret, Port::Client), Tuning::data(), move |stream| match introduced(&stream) {
        // An error means that the main loop has ended.
        Ok((session, floor)) => drop(sender.send(Happening::ClientCame { stream, session, floor })),
        Err(error) => tracing::warn!(%error, "a client's connection can't be used"),
    })
}

/// The client's session, and the number before which it has all answers.
fn introduced(stream: &TcpStream) -> io::Result<(u64, u64)> {
    stream.set_read_timeout(Some(HELLO_LIMIT))?;
    let hello = FrameReader::new(stream).at_most(size_of::<u64>()).read().map_err(io::Error::other)?;
    stream.set_read_timeout(None)?;
    match (hello.kind, <[u8; 8]>::try_from(&hello.payload[..])) {
        (FrameKind::Hello, Ok(floor)) => Ok((hello.request, u64::from_le_bytes(floor))),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// How many requests may be read. Shared by the main loop, which adds, and the reader, which takes.
#[derive(Debug, Default)]
struct Credit {
    left: Mutex<Option<usize>>,
    changed: Condvar,
}

impl Credit {
    fn add(&self, requests: usize) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.map(|left| left + requests);
        self.changed.notify_one();
    }

    fn close(&self) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.changed.notify_one();
    }

    /// Waits until a request may be read; `false` when no more will be.
    fn take(&self) -> bool {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = self.changed.wait_while(left, |left| *left == Some(0)).unwrap_or_else(PoisonError::into_inner);
        *left = left.map(|left| left - 1);
        left.is_some()
    }
}

/// A client's connection. Dropping it closes it.
pub struct Client {
    credit: Arc<Credit>,
    outbox: Outbox<Frame>,
    kept_alive: Instant,
}

impl Client {
    /// Starts the threads of a connection, numbered `client`.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn open(stream: TcpStream, client: u64, sender: Sender<Happening>) -> io::Result<Client> {
        let credit = Arc::new(Credit { left: Mutex::new(Some(0)), changed: Condvar::new() });
        let reader = FrameReader::new(stream.try_clone()?);
        let outbox = Outbox::spawn("client-out", stream, frames())?;
        let (backlog, taken) = (outbox.backlog(), credit.clone());
        thread::Builder::new()
            .name("client-in".to_owned())
            .spawn(move || read(reader, client, &taken, &backlog, &sender))?;
        Ok(Client { credit, outbox, kept_alive: Instant::now() })
    }

    /// Reads this many more requests.
    pub fn credit(&self, requests: usize) {
        self.credit.add(requests);
    }

    /// Sends a sign of life if one is due.
    pub fn keep_alive(&mut self) {
        if self.kept_alive.elapsed() >= KEEPALIVE && self.outbox.backlog().load(Ordering::Relaxed) < UNREAD {
            self.kept_alive = Instant::now();
            self.outbox.send(Frame::keepalive());
        }
    }

    /// Says that a request was accepted, and why that would not survive the dispatcher's end, if it would not.
    pub fn accepted(&self, request: u64, volatile: Option<String>) {
        self.outbox.send(Frame::new(FrameKind::Accepted, 0, request, volatile.unwrap_or_default().into_bytes()));
    }

    /// Sends an answer.
    pub fn answer(&self, request: u64, answer: Answer) {
        self.outbox.send(match answer {
            Answer::Result { epoch, payload } => Frame::new(FrameKind::Result, epoch, request, payload),
            Answer::Refused { reason } => Frame::new(FrameKind::Refused, 0, request, reason.into_bytes()),
        });
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.credit.close();
    }
}

fn read(
    mut reader: FrameReader<TcpStream>,
    client: u64,
    credit: &Credit,
    backlog: &AtomicUsize,
    sender: &Sender<Happening>,
) {
    loop {
        while backlog.load(Ordering::Relaxed) > UNREAD {
            thread::sleep(LOOK);
        }
        let input = match reader.read() {
            Ok(Frame { kind: FrameKind::Request, request, payload, .. }) => {
                // One request is held here until there is room: acknowledgements in front of it have been heard.
                if !credit.take() {
                    break;
                }
                Input::Request { client, request, payload }
            }
            Ok(Frame { kind: FrameKind::Acknowledge, request, .. }) => Input::Acknowledged { client, request },
            Ok(Frame { kind, .. }) => {
                tracing::warn!(?kind, "a client sent what is no request");
                break;
            }
            Err(error) => {
                tracing::debug!(%error, "the client's connection ends");
                break;
            }
        };
        if sender.send(Happening::Input(input)).is_err() {
            return;
        }
    }
    // An error means that the main loop has ended.
    let _ = sender.send(Happening::Input(Input::ClientLost { client }));
}
