//! Signs of life on a data connection. Tensors flow one way; the receiver sends keepalives the other way,
//! so that a sender whose peer has gone silent notices even when it has nothing to send. A receiver under
//! back-pressure reads nothing and still sends them, so back-pressure never looks like a loss.
//!
//! Silence in the direction of the flow alone does not stop the keepalives at once. It shows in TCP: packets
//! are in flight and none is acknowledged. A closed window keeps none in flight, so this too is never
//! back-pressure (which `TCP_USER_TIMEOUT` would take for a loss).

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};

use super::frame::{Frame, FrameError, FrameKind};
use super::socket::in_flight;
use super::stream::FrameReader;

/// Shortest time without progress in the direction of the flow that counts as a loss: TCP's own
/// retransmissions, backed off twice, must fit.
const SHORTEST_STALL: Duration = Duration::from_secs(2);

/// Instants at a fixed interval from the start, whatever time is spent in between; those that were missed are left out.
#[derive(Debug)]
pub struct Beat {
    due: Instant,
}

impl Beat {
    /// The first one is due now.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Beat {
        Beat { due: Instant::now() }
    }

    /// How long to wait from now until the next one, `interval` after the last.
    pub fn next(&mut self, interval: Duration) -> Duration {
        let now = Instant::now();
        self.due += interval;
        if self.due + interval < now {
            self.due = now;
        }
        self.due.saturating_duration_since(now)
    }
}

/// A thread that sends keepalives on `stream`, against the flow, every `interval`. It ends when the stream
/// is shut down or fails.
///
/// # Errors
/// When no thread can be made.
pub fn spawn_keepalive(
    name: &str,
    stream: TcpStream,
    interval: impl Fn() -> Duration + Send + 'static,
) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let Ok(keepalive) = Frame::keepalive().header() else { return };
        let mut beat = Beat::new();
        loop {
            // Never waits: if the kernel takes no more, it holds enough of them already.
            let sent = send(stream.as_raw_fd(), &keepalive, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL);
            match sent {
                Ok(count) if count == keepalive.len() => {}
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                // Half of one would make nonsense of the next.
                Ok(_) | Err(_) => return drop(stream.shutdown(Shutdown::Both)),
            }
            thread::sleep(beat.next(interval()));
        }
    })?;
    Ok(())
}

/// Why the receiver of a data connection is taken for lost.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// Its keepalives stopped.
    #[error("the receiver has been silent for {0:?}")]
    Silent(Duration),
    /// Nothing of what was sent is acknowledged.
    #[error("nothing of what was sent has been acknowledged for {0:?}")]
    Stalled(Duration),
    /// The connection ended or failed.
    #[error(transparent)]
    Broken(#[from] FrameError),
    /// Something else than a keepalive came.
    #[error("a frame of kind {0:?} came against the flow")]
    Unexpected(FrameKind),
}

/// A thread that watches the receiver of a data connection. When `missed` keepalives in a row stay out, nothing
/// is acknowledged for too long, or the connection breaks, it shuts `stream` down (so that a blocked write
/// returns) and tells `lost`. It tells so, too, when the stream is shut down on purpose.
///
/// # Errors
/// When no thread can be made or the stream is closed.
pub fn spawn_watch(
    name: &str,
    stream: TcpStream,
    interval: Duration,
    missed: u32,
    lost: impl FnOnce(Lost) + Send + 'static,
) -> io::Result<()> {
    let interval = interval.max(Duration::from_millis(1));
    stream.set_read_timeout(Some(interval))?;
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let mut reader = FrameReader::new(stream);
        let reason = watch(&mut reader, interval, missed.max(1));
        let _ = reader.get_ref().shutdown(Shutdown::Both);
        lost(reason);
    })?;
    Ok(())
}

fn watch(reader: &mut FrameReader<TcpStream>, interval: Duration, missed: u32) -> Lost {
    let stall = (interval * missed * 2).max(SHORTEST_STALL);
    // Silent intervals are counted and not measured, so that a pause of this process is not taken for its peer's.
    let mut silent = 0;
    let mut acknowledged = 0;
    let mut progress = Instant::now();
    loop {
        let before = Instant::now();
        match reader.read() {
            Ok(frame) if frame.kind == FrameKind::Keepalive => silent = 0,
            Ok(frame) => return Lost::Unexpected(frame.kind),
            Err(FrameError::Idle) => silent += 1,
            Err(error) => return Lost::Broken(error),
        }
        if silent >= missed {
            return Lost::Silent(interval * missed);
        }
        let now = Instant::now();
        let paused = now - before > interval * 2;
        match in_flight(reader.get_ref()) {
            Some(state) if state.packets > 0 && state.acknowledged == acknowledged && !paused => {}
            state => {
                acknowledged = state.map_or(acknowledged, |state| state.acknowledged);
                progress = now;
            }
        }
        if now - progress >= stall {
            return Lost::Stalled(stall);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

    use super::*;

    const INTERVAL: Duration = Duration::from_millis(20);

    fn watched(missed: u32) -> (TcpStream, TcpStream, Receiver<Lost>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let receiver = listener.accept().unwrap().0;
        let (told, lost) = channel();
        spawn_watch("watch", sender.try_clone().unwrap(), INTERVAL, missed, move |reason| told.send(reason).unwrap())
            .unwrap();
        (sender, receiver, lost)
    }

    #[test]
    fn a_receiver_that_reads_nothing_but_lives_is_not_lost() {
        let (mut sender, receiver, lost) = watched(100);
        spawn_keepalive("keepalive", receiver.try_clone().unwrap(), || INTERVAL).unwrap();
        // Until the window is closed: this is what back-pressure looks like.
        sender.set_write_timeout(Some(INTERVAL)).unwrap();
        while sender.write_all(&[0; 1 << 20]).is_ok() {}
        assert_eq!(lost.recv_timeout(SHORTEST_STALL + INTERVAL * 20).unwrap_err(), RecvTimeoutError::Timeout);
        receiver.shutdown(Shutdown::Both).unwrap();
        assert!(matches!(lost.recv().unwrap(), Lost::Broken(_)));
    }

    #[test]
    fn a_silent_receiver_is_lost_though_its_connection_is_open() {
        let (sender, _receiver, lost) = watched(10);
        assert!(matches!(lost.recv().unwrap(), Lost::Silent(_)));
        assert!((&sender).write_all(&[0]).is_err(), "the stream was not shut down");
    }
}
