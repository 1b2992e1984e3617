//! The node's end of the telemetry socket.

use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, sync_channel};
use std::thread;

use super::{Command, Event, Stamped};
use crate::clock::Instant;

/// Events that may wait to be written before telling one more blocks.
const QUEUE: usize = 4096;

/// Tells the testbed what happens. Cheap to clone; events of one thread arrive in the order they were told.
///
/// No event is silently lost: while the queue is full, telling blocks. Without a socket, or once the
/// testbed has closed its end, events go nowhere.
#[derive(Debug, Clone)]
pub struct Telemetry {
    queue: Option<SyncSender<Item>>,
}

#[derive(Debug)]
enum Item {
    Event(Stamped),
    /// Answer when everything before it has been given to the socket.
    Flush(SyncSender<()>),
}

impl Telemetry {
    /// Events go nowhere.
    pub fn silent() -> Telemetry {
        Telemetry { queue: None }
    }

    /// Events go to `socket`, a connected Unix stream; commands that come from it go to `commands`.
    ///
    /// # Errors
    /// When the descriptor can't be used or no thread can be made.
    pub fn open(socket: OwnedFd, commands: Sender<Command>) -> io::Result<Telemetry> {
        let socket = UnixStream::from(socket);
        let lines = socket.try_clone()?;
        let (queue, items) = sync_channel(QUEUE);
        thread::Builder::new().name("telemetry".into()).spawn(move || write(&socket, &items))?;
        thread::Builder::new().name("commands".into()).spawn(move || read(lines, &commands))?;
        Ok(Telemetry { queue: Some(queue) })
    }

    /// Whether a testbed listens: if not, there is none to wait for.
    pub fn is_connected(&self) -> bool {
        self.queue.is_some()
    }

    /// Tells what happened just now.
    pub fn tell(&self, event: Event) {
        self.tell_at(Instant::now(), event);
    }

    /// Tells what happened at `at`.
    pub fn tell_at(&self, at: Instant, event: Event) {
        if let Some(queue) = &self.queue {
            // The thread ends only when the testbed has gone: then there is no one to tell.
            let _ = queue.send(Item::Event(Stamped { at, event }));
        }
    }

    /// Returns when everything told so far has been given to the socket.
    pub fn flush(&self) {
        if let Some(queue) = &self.queue {
            let (done, flushed) = sync_channel(1);
            if queue.send(Item::Flush(done)).is_ok() {
                // An error means that the testbed has gone.
                let _ = flushed.recv();
            }
        }
    }
}

fn write(socket: &UnixStream, items: &Receiver<Item>) {
    let mut writer = BufWriter::new(socket);
    let mut next = items.recv().ok();
    while let Some(item) = next {
        let written = match item {
            Item::Event(event) => serde_json::to_writer(&mut writer, &event)
                .map_err(io::Error::from)
                .and_then(|()| writer.write_all(b"\n")),
            Item::Flush(done) => writer.flush().map(|()| drop(done)),
        };
        // Written at once when nothing else waits, together when much does.
        let written = written.and_then(|()| match items.try_recv() {
            Ok(item) => Ok(Some(item)),
            Err(TryRecvError::Disconnected) => writer.flush().map(|()| None),
            Err(TryRecvError::Empty) => writer.flush().map(|()| items.recv().ok()),
        });
        next = match written {
            Ok(item) => item,
            Err(error) => {
                tracing::warn!(%error, "the testbed no longer takes events");
                return;
            }
        };
    }
}

fn read(socket: UnixStream, commands: &Sender<Command>) {
    for line in BufReader::new(socket).lines() {
        match line.map_err(serde_json::Error::io).and_then(|line| serde_json::from_str(&line)) {
            Ok(command) if commands.send(command).is_err() => return,
            Ok(_) => {}
            Err(error) if error.is_io() => return,
            Err(error) => tracing::error!(%error, "a command was not understood and is ignored"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn events_and_commands_cross_the_socket_in_order() {
        let (own, testbed) = UnixStream::pair().unwrap();
        let (sender, commands) = channel();
        let telemetry = Telemetry::open(own.into(), sender).unwrap();
        let reader = thread::spawn({
            let testbed = testbed.try_clone().unwrap();
            move || BufReader::new(testbed).lines().take(10_000).map(|line| line.unwrap()).collect::<Vec<_>>()
        });
        for request in 0..10_000 {
            telemetry.tell_at(Instant(request), Event::Sent { request });
        }
        telemetry.flush();
        let events: Vec<Stamped> =
            reader.join().unwrap().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let expected: Vec<Stamped> =
            (0..10_000).map(|request| Stamped { at: Instant(request), event: Event::Sent { request } }).collect();
        assert_eq!(events, expected);
        (&testbed).write_all(b"nonsense\n{\"command\":\"start\"}\n{\"command\":\"exit\"}\n").unwrap();
        assert_eq!((commands.recv(), commands.recv()), (Ok(Command::Start), Ok(Command::Exit)));
    }

    #[test]
    fn a_testbed_that_has_gone_stops_nothing() {
        let (own, testbed) = UnixStream::pair().unwrap();
        let telemetry = Telemetry::open(own.into(), channel().0).unwrap();
        drop(testbed);
        for request in 0..3 * QUEUE as u64 {
            telemetry.tell(Event::Sent { request });
        }
        telemetry.flush();
    }

    #[test]
    fn the_socket_ends_when_the_last_handle_is_dropped() {
        let (own, mut testbed) = UnixStream::pair().unwrap();
        let (sender, _commands) = channel();
        let telemetry = Telemetry::open(own.into(), sender).unwrap();
        telemetry.tell(Event::Ready);
        telemetry.flush();
        drop(telemetry);
        testbed.shutdown(std::net::Shutdown::Write).unwrap();
        let mut text = String::new();
        testbed.read_to_string(&mut text).unwrap();
        assert_eq!(text.lines().count(), 1);
    }
}
