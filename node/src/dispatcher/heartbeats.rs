//! Heartbeats: UDP datagrams from the workers.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::mpsc::Sender;
use std::thread;

use nix::sys::socket::{MsgFlags, recv};

use super::core::exchange::Input;
use super::{Happening, thread_refused};
use crate::config::HEARTBEAT_PORT;
use crate::program::ProgramError;
use crate::wire::connection::ListenError;
use crate::wire::message::Heartbeat;
use crate::wire::secret::Secret;

/// Longer than any heartbeat.
const DATAGRAM: usize = 128;
/// Most datagrams that are read before the main loop goes on.
const MOST: usize = 10_000;

/// The socket, which its own thread reads, and the main loop too before it judges anyone.
pub struct Heartbeats {
    socket: UdpSocket,
    secret: Secret,
}

impl Heartbeats {
    /// Listens, and tells the main loop of each heartbeat.
    ///
    /// # Errors
    /// When the port can't be listened on or no thread can be made.
    pub fn listen(own: IpAddr, secret: Secret, sender: Sender<Happening>) -> Result<Heartbeats, ProgramError> {
        let address = SocketAddr::new(own, HEARTBEAT_PORT);
        let bound = |source| ListenError { address, source };
        let socket = UdpSocket::bind(address).map_err(bound)?;
        let reader = socket.try_clone().map_err(bound)?;
        let known = secret.clone();
        let read = move || {
            let mut datagram = [0; DATAGRAM];
            loop {
                match reader.recv(&mut datagram) {
                    Ok(length) => {
                        if let Ok(heartbeat) = Heartbeat::from_datagram(&datagram[..length], &known)
                            && sender.send(Happening::Input(Input::Heartbeat(heartbeat))).is_err()
                        {
                            return;
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return tracing::error!(%error, "heartbeats can't be read"),
                }
            }
        };
        thread::Builder::new().name("heartbeats".to_owned()).spawn(read).map_err(thread_refused)?;
        Ok(Heartbeats { socket, secret })
    }

    /// Hands over whatever has arrived and was not read yet, without waiting; not for ever, if somebody sends without end.
    pub fn drain(&self, mut take: impl FnMut(Heartbeat)) {
        let mut datagram = [0; DATAGRAM];
        for _ in 0..MOST {
            let received = recv(self.socket.as_raw_fd(), &mut datagram, MsgFlags::MSG_DONTWAIT);
            let Ok(length) = received else { return };
            if let Ok(heartbeat) = Heartbeat::from_datagram(&datagram[..length], &self.secret) {
                take(heartbeat);
            }
        }
    }
}
