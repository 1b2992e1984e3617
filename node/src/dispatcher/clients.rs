//! The client's connection: requests in, as far as there is room for them; answers out.

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
use crate::wire::stream::FrameReader;

/// A client that leaves this many answers unread is not read from either.
const UNREAD: usize = 4096;
/// How often it is looked whether it has read some.
const LOOK: Duration = Duration::from_millis(5);

/// Takes clients' connections.
///
/// # Errors
/// When no thread can be made.
pub fn accept(listener: TcpListener, sender: Sender<Happening>) -> io::Result<()> {
    let accept = move || {
        for stream in listener.incoming() {
            match stream.and_then(|stream| Tuning::data().apply(&stream).map(|()| stream)) {
                Ok(stream) => {
                    if sender.send(Happening::ClientCame(stream)).is_err() {
                        return;
                    }
                }
                Err(error) => tracing::warn!(%error, "a client's connection can't be used"),
            }
        }
    };
    thread::Builder::new().name("clients".to_owned()).spawn(accept).map(drop)
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

    /// Says that a request was accepted.
    pub fn accepted(&self, request: u64) {
        self.outbox.send(Frame::new(FrameKind::Accepted, 0, request, Vec::new()));
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
    while credit.take() {
        while backlog.load(Ordering::Relaxed) > UNREAD {
            thread::sleep(LOOK);
        }
        let input = match reader.read() {
            Ok(Frame { kind: FrameKind::Request, request, payload, .. }) => Input::Request { client, request, payload },
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
