//! A node's part in measuring: answers what comes to its UDP port, and measures what it is told to on its
//! TCP port. It runs from the node's start; measuring is over before the first plan, so it is idle then.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use planner::units::ByteSize;

use super::datagram::{Datagram, on_the_wire};
use super::measurement::{Heard, Measurement};
use super::train::{self, Arrival};
use super::{Order, Outcome};
use crate::config::PROBE_PORT;
use crate::program::ProgramError;
use crate::wire::connection::{ListenError, Tuning, listen};
use crate::wire::frame::FrameError;
use crate::wire::message::{from_frame, to_frame};
use crate::wire::stream::{FrameReader, FrameWriter};

/// Trains that are remembered; of more, the oldest is forgotten.
const TRAINS: usize = 32;
/// Packets of a train that are remembered.
const PACKETS: usize = 4096;
/// Longer than any datagram of ours.
const DATAGRAM: usize = 2048;
/// Bytes that may wait to be read, as far as the system allows.
const BUFFER: usize = 4 << 20;
/// Most time that an order may ask for.
const LONGEST: Duration = Duration::from_secs(60);

/// Starts the agent of the node with address `own`.
///
/// # Errors
/// When a port can't be listened on or no thread can be made.
pub fn start(own: IpAddr) -> Result<(), ProgramError> {
    let address = SocketAddr::new(own, PROBE_PORT);
    let orders = listen(address)?;
    let bound = |source| ListenError { address, source };
    let socket = UdpSocket::bind(address).map_err(bound)?;
    let prepared = setsockopt(&socket, sockopt::ReceiveTimestampns, &true)
        .and_then(|()| setsockopt(&socket, sockopt::RxqOvfl, &1))
        .and_then(|()| setsockopt(&socket, sockopt::RcvBuf, &BUFFER));
    prepared.map_err(|error| bound(error.into()))?;
    let socket = Arc::new(socket);
    let (sender, answers) = channel();
    let refused = |source| ProgramError::System { what: "a thread", source };
    let hearing = socket.clone();
    thread::Builder::new().name("probe".to_owned()).spawn(move || hear(&hearing, &sender)).map_err(refused)?;
    let bench = Arc::new(Mutex::new(Bench { socket, answers, number: 0 }));
    thread::Builder::new().name("probe-orders".to_owned()).spawn(move || accept(&orders, &bench)).map_err(refused)?;
    Ok(())
}

/// What only one measurement can use at a time.
struct Bench {
    socket: Arc<UdpSocket>,
    answers: Receiver<Heard>,
    number: u64,
}

fn accept(listener: &TcpListener, bench: &Arc<Mutex<Bench>>) {
    for stream in listener.incoming() {
        let bench = bench.clone();
        let opened = stream.and_then(|stream| {
            Tuning::default().apply(&stream)?;
            thread::Builder::new().name("probe-order".to_owned()).spawn(move || match obey(&stream, &bench) {
                Ok(()) | Err(FrameError::Closed) => {}
                Err(error) => tracing::debug!(%error, "orders to measure end"),
            })
        });
        if let Err(error) = opened {
            tracing::warn!(%error, "a connection with orders to measure could not be taken");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Measures what it is told to, one after another, until the connection ends.
fn obey(stream: &TcpStream, bench: &Mutex<Bench>) -> Result<(), FrameError> {
    let (mut reader, mut writer) = (FrameReader::new(stream), FrameWriter::new(stream));
    loop {
        let Ok(order) = from_frame::<Order>(&reader.read()?) else { return Ok(()) };
        let measured = {
            let Bench { socket, answers, number } = &mut *bench.lock().unwrap_or_else(PoisonError::into_inner);
            let deadline = Instant::now() + order.limit.min(LONGEST);
            Measurement { socket, answers, to: order.to, deadline, number }.run()
        };
        let Ok(answer) = to_frame(&Outcome { measured }) else { return Ok(()) };
        writer.write(&answer)?;
    }
}

/// What arrived of a train.
struct Arrivals {
    from: SocketAddr,
    train: u64,
    /// Bytes of each packet on the wire.
    size: ByteSize,
    /// What the system had dropped before the first packet, because nobody read it in time.
    dropped: u32,
    packets: Vec<Arrival>,
}

impl Arrivals {
    fn add(&mut self, received: &Received) {
        if self.packets.len() < PACKETS {
            let dropped = received.dropped.wrapping_sub(self.dropped);
            self.packets.push(Arrival { at: received.at, place: (self.packets.len() as u32).saturating_add(dropped) });
        }
    }
}

/// A datagram, read.
struct Received {
    length: usize,
    from: SocketAddr,
    /// When the kernel got it (or else when it was read), in nanoseconds.
    at: u64,
    /// How many the system has dropped so far, because nobody read them in time.
    dropped: u32,
}

/// Hears every datagram: keeps the arrivals of trains, answers questions, hands on answers.
fn hear(socket: &UdpSocket, answers: &Sender<Heard>) {
    let mut trains: VecDeque<Arrivals> = VecDeque::new();
    let mut bytes = [0; DATAGRAM];
    let mut dropped = 0;
    loop {
        let received = match receive(socket, &mut bytes, dropped) {
            Ok(Some(received)) => received,
            Ok(None) => continue,
            // An earlier datagram found nobody listening.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return tracing::error!(%error, "probes can't be read"),
        };
        let Received { length, from, .. } = received;
        dropped = received.dropped;
        let answer = match Datagram::from_bytes(&bytes[..length]) {
            Some(Datagram::Ping(number)) => Datagram::Pong(number),
            Some(Datagram::Car { train }) => {
                match trains.iter_mut().rev().find(|known| (known.from, known.train) == (from, train)) {
                    Some(known) => known.add(&received),
                    None => {
                        if trains.len() == TRAINS {
                            trains.pop_front();
                        }
                        let size = on_the_wire(length, from.ip());
                        let mut arrivals = Arrivals { from, train, size, dropped, packets: Vec::new() };
                        arrivals.add(&received);
                        trains.push_back(arrivals);
                    }
                }
                continue;
            }
            Some(Datagram::Ask { train }) => {
                let known = trains.iter().find(|known| (known.from, known.train) == (from, train));
                let rate = known.and_then(|known| train::rate(&known.packets, known.size));
                Datagram::Told {
                    train,
                    arrived: known.map_or(0, |known| known.packets.len() as u32),
                    bits_per_second: rate.map(|rate| rate.bits_per_second()),
                }
            }
            Some(datagram @ (Datagram::Pong(_) | Datagram::Told { .. })) => {
                if answers.send((from, datagram)).is_err() {
                    return;
                }
                continue;
            }
            None => continue,
        };
        if let Err(error) = socket.send_to(&answer.to_bytes(), from) {
            tracing::debug!(%error, %from, "a probe could not be answered");
        }
    }
}

/// Waits for a datagram; `dropped` is what was dropped before. `None` if it has no sender.
fn receive(socket: &UdpSocket, bytes: &mut [u8], mut dropped: u32) -> io::Result<Option<Received>> {
    let mut space = nix::cmsg_space!(TimeSpec, u32);
    let mut parts = [IoSliceMut::new(bytes)];
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::empty())?;
    let mut at = None;
    for control in message.cmsgs()? {
        match control {
            ControlMessageOwned::ScmTimestampns(time) => at = Some(Duration::from(time)),
            ControlMessageOwned::RxqOvfl(count) => dropped = count,
            _ => {}
        }
    }
    let at = at.or_else(|| SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()).unwrap_or_default();
    let from = message.address.and_then(|address| {
        let four = address.as_sockaddr_in().map(|four| SocketAddr::V4((*four).into()));
        four.or_else(|| address.as_sockaddr_in6().map(|six| SocketAddr::V6((*six).into())))
    });
    Ok(from.map(|from| Received { length: message.bytes, from, at: at.as_nanos() as u64, dropped }))
}

#[cfg(test)]
mod tests {
    use super::super::survey::survey;
    use super::*;

    #[test]
    fn agents_measure_each_other_and_one_that_is_not_there_has_no_path() {
        let address = |last| IpAddr::from([127, 0, 9, last]);
        for last in [1, 2] {
            start(address(last)).unwrap();
        }
        let addresses = [address(1), address(2), address(3)];
        let found = survey(address(1), &addresses, &[0, 1, 2], Duration::from_secs(20));
        for (from, to) in [(0, 1), (1, 0)] {
            let measured = found[from][to].unwrap();
            // Over the loopback interface: whatever it is, it is fast.
            assert!(measured.rate.is_none_or(|rate| rate.mbits_per_second() > 20.0), "{measured:?}");
        }
        assert!(found.iter().enumerate().all(|(from, row)| row[2].is_none() && found[2][from].is_none()));
    }
}
