//! TCP connections between nodes, and the threads at their ends.
//!
//! Back-pressure runs from end to end: a writer's queue is bounded, the kernel is let hold little that is
//! not yet sent ([`Tuning::data`]), and a reader takes the next frame only when the last was taken from it.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{self as sys, AddressFamily, SockFlag, SockType, SockaddrStorage, setsockopt, sockopt};

use super::frame::{Frame, FrameError};
use super::socket;
use super::stream::{FrameReader, FrameWriter};

/// How a connection's socket behaves. `TCP_NODELAY` is always set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tuning {
    /// Time for which sent data may stay unacknowledged before the kernel gives the connection up.
    ///
    /// Linux counts a receiver that answers, but whose window stays closed, as unacknowledged too. So
    /// it must not be set where back-pressure may last that long.
    pub user_timeout: Option<Duration>,
    /// Bytes not yet sent that the kernel holds at most; above it, writing blocks.
    pub not_sent: Option<u32>,
}

impl Tuning {
    /// For tensors: the kernel holds at most 64 KiB that is not on its way.
    pub const fn data() -> Tuning {
        Tuning { user_timeout: None, not_sent: Some(64 << 10) }
    }

    /// For control: given up when nothing is acknowledged for `timeout`.
    pub const fn control(timeout: Duration) -> Tuning {
        Tuning { user_timeout: Some(timeout), not_sent: None }
    }

    /// Applies it to a socket.
    ///
    /// # Errors
    /// When the kernel refuses an option.
    pub fn apply(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        if let Some(time) = self.user_timeout {
            let millis = u32::try_from(time.as_millis()).unwrap_or(u32::MAX).max(1);
            setsockopt(stream, sockopt::TcpUserTimeout, &millis)?;
        }
        if let Some(bytes) = self.not_sent {
            socket::set_not_sent_low(stream, bytes)?;
        }
        Ok(())
    }
}

/// A connection could not be made.
#[derive(Debug, thiserror::Error)]
#[error("no connection from {from} to {to}: {source}")]
pub struct ConnectError {
    /// The address it was tried from.
    pub from: IpAddr,
    /// The address it was tried to.
    pub to: SocketAddr,
    /// Why; `TimedOut` when the time limit passed.
    pub source: io::Error,
}

/// Connects from `from` (any port) to `to`, within `limit`.
///
/// # Errors
/// When the peer refuses, can't be reached or does not answer in time.
pub fn connect(from: IpAddr, to: SocketAddr, limit: Duration, tuning: Tuning) -> Result<TcpStream, ConnectError> {
    let connected = || -> io::Result<TcpStream> {
        let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let stream = TcpStream::from(sys::socket(family, SockType::Stream, flags, None)?);
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(&stream);
        sys::bind(descriptor, &SockaddrStorage::from(SocketAddr::new(from, 0)))?;
        match sys::connect(descriptor, &SockaddrStorage::from(to)) {
            Ok(()) => {}
            Err(Errno::EINPROGRESS) => await_connection(&stream, Instant::now() + limit)?,
            Err(error) => return Err(error.into()),
        }
        stream.set_nonblocking(false)?;
        tuning.apply(&stream)?;
        Ok(stream)
    };
    connected().map_err(|source| ConnectError { from, to, source })
}

fn await_connection(stream: &TcpStream, deadline: Instant) -> io::Result<()> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // Rounded up, so that the last wait does not end just before the deadline and spin.
        let timeout = PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX);
        let mut waiting = [PollFd::new(stream.as_fd(), PollFlags::POLLOUT)];
        match poll(&mut waiting, timeout) {
            Ok(0) if deadline <= Instant::now() => return Err(io::ErrorKind::TimedOut.into()),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return stream.take_error()?.map_or(Ok(()), Err),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Listens on `address`.
///
/// # Errors
/// When the address is not this node's or the port is taken; the error names the address.
pub fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).map_err(|source| ListenError { address, source })
}

/// An address could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("can't listen on {address}: {source}")]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// Why.
    pub source: io::Error,
}

/// A thread that reads frames from `stream` and hands each one to `take`, until `take` breaks or was handed
/// an error. [`FrameError::Idle`] (only on a stream with a time limit) is handed over and does not end it.
/// While `take` blocks, nothing is read. To end it from outside, shut the stream down.
///
/// # Errors
/// When no thread can be made.
pub fn spawn_reader(
    name: &str,
    stream: TcpStream,
    mut take: impl FnMut(Result<Frame, FrameError>) -> ControlFlow<()> + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let mut reader = FrameReader::new(stream);
        loop {
            let frame = reader.read();
            let last = matches!(&frame, Err(error) if !matches!(error, FrameError::Idle));
            if take(frame).is_break() || last {
                return;
            }
        }
    })
}

/// A thread that writes the frames put into the queue it returns, which holds `capacity` frames: putting
/// one more blocks. It ends when every sender of the queue is dropped (then it shuts down the writing half),
/// or when writing fails (then `failed` is told, and putting into the queue fails).
///
/// # Errors
/// When no thread can be made.
pub fn spawn_writer(
    name: &str,
    stream: TcpStream,
    capacity: usize,
    failed: impl FnOnce(FrameError) + Send + 'static,
) -> io::Result<SyncSender<Frame>> {
    let (sender, frames): (SyncSender<Frame>, Receiver<Frame>) = sync_channel(capacity);
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let mut writer = FrameWriter::new(stream);
        for frame in &frames {
            if let Err(error) = writer.write(&frame) {
                drop(frames);
                return failed(error);
            }
        }
        // The peer may have closed it already; that is for its reader to see.
        let _ = writer.get_ref().shutdown(std::net::Shutdown::Write);
    })?;
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::super::frame::FrameKind;
    use super::*;

    fn own(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 7, last])
    }

    #[test]
    fn frames_cross_a_connection_made_from_the_address_asked_for() {
        let listener = listen(SocketAddr::new(own(1), 0)).unwrap();
        let to = listener.local_addr().unwrap();
        let stream = connect(own(2), to, Duration::from_secs(5), Tuning::data()).unwrap();
        let (accepted, peer) = listener.accept().unwrap();
        assert_eq!(peer.ip(), own(2));
        let queue = spawn_writer("writer", stream, 1, |error| panic!("{error}")).unwrap();
        let (sender, received) = mpsc::sync_channel(1);
        spawn_reader("reader", accepted, move |frame| match sender.send(frame) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        })
        .unwrap();
        let sent: Vec<Frame> = (0..5).map(|n| Frame::new(FrameKind::Tensor, 3, n, vec![n as u8; 300_000])).collect();
        let frames = sent.clone();
        // More than the queues and sockets between hold, so somebody must read meanwhile.
        let sending = std::thread::spawn(move || frames.into_iter().for_each(|frame| queue.send(frame).unwrap()));
        for frame in sent {
            assert_eq!(received.recv().unwrap().unwrap(), frame);
        }
        sending.join().unwrap();
        assert!(matches!(received.recv().unwrap(), Err(FrameError::Closed)));
    }

    #[test]
    fn a_refused_connection_says_between_whom() {
        let port = listen(SocketAddr::new(own(3), 0)).unwrap().local_addr().unwrap().port();
        let to = SocketAddr::new(own(3), port);
        let error = connect(own(4), to, Duration::from_secs(5), Tuning::default()).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::ConnectionRefused);
        assert!(error.to_string().contains("127.0.7.4") && error.to_string().contains("127.0.7.3"));
    }
}
