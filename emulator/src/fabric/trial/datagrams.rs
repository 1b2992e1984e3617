//! The packets of a trial: sent by the clock, noted by the kernel.

use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce, ReceiveTimestampns, RxqOvfl, SndBuf, SndBufForce};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt};
use nix::sys::time::TimeSpec;

use super::course::{Course, PAYLOAD};

/// Payload of a packet of full size.
const FULL: usize = 1472;
/// What sockets may hold: a train that whoever reads it is too late for. Without the right to so much they get what others get.
const BUFFER: usize = 16 << 20;

/// A packet that arrived; times are those of the wall clock, since its epoch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    /// Its number: first the single packets, then the train.
    pub number: u32,
    pub sent: Duration,
    pub at: Duration,
}

/// What arrived.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Once each, in the order of their arrival.
    pub arrivals: Vec<Arrival>,
    /// Packets that arrived but found no room in the socket.
    pub unread: u32,
}

/// Sends a course, whose packets have numbers from `first` on, and hears what comes of it.
pub(super) fn travel(first: u32, course: Course, source: &UdpSocket, sink: &UdpSocket) -> Heard {
    // More room is a help and no need.
    let _ = setsockopt(source, SndBufForce, &BUFFER).or_else(|_| setsockopt(source, SndBuf, &BUFFER));
    let _ = setsockopt(sink, RcvBufForce, &BUFFER).or_else(|_| setsockopt(sink, RcvBuf, &BUFFER));
    let began = Instant::now();
    thread::scope(|scope| {
        let heard = scope.spawn(move || hear(sink, began, first, course));
        if let Ok(there) = sink.local_addr() {
            send(source, there, began, first, course);
        }
        heard.join().unwrap_or_default()
    })
}

fn send(source: &UdpSocket, there: SocketAddr, began: Instant, first: u32, course: Course) {
    let mut bytes = [0; FULL];
    for number in 0..course.packets() {
        let length = if number < course.singles { PAYLOAD } else { FULL };
        if number <= course.singles {
            thread::sleep((course.apart * number).saturating_sub(began.elapsed()));
        }
        bytes[..4].copy_from_slice(&(first + number).to_le_bytes());
        bytes[4..12].copy_from_slice(&(wall_clock().as_nanos() as u64).to_le_bytes());
        // What can't be sent doesn't arrive, and that is seen.
        let _ = source.send_to(&bytes[..length], there);
    }
}

/// Packets have the kernel's time, so that it doesn't matter when this thread wakes up.
fn hear(sink: &UdpSocket, began: Instant, first: u32, course: Course) -> Heard {
    let mut heard = Heard::default();
    if setsockopt(sink, ReceiveTimestampns, &true).is_err() {
        return heard;
    }
    let _ = setsockopt(sink, RxqOvfl, &1);
    let mut known = vec![false; course.packets() as usize];
    let (mut bytes, mut control) = ([0; FULL], nix::cmsg_space!(TimeSpec, u32));
    while heard.arrivals.len() < known.len() {
        let left = course.lasts.saturating_sub(began.elapsed());
        if left.is_zero() || sink.set_read_timeout(Some(left)).is_err() {
            break;
        }
        let mut buffers = [IoSliceMut::new(&mut bytes)];
        let message = recvmsg::<()>(sink.as_raw_fd(), &mut buffers, Some(&mut control), MsgFlags::empty());
        let mut at = None;
        match &message {
            Ok(message) if message.bytes >= PAYLOAD => {
                for one in message.cmsgs().into_iter().flatten() {
                    match one {
                        ControlMessageOwned::ScmTimestampns(time) => at = Some(Duration::from(time)),
                        ControlMessageOwned::RxqOvfl(count) => heard.unread = count,
                        _ => {}
                    }
                }
            }
            Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(_) => break,
        }
        let Some(at) = at else { continue };
        let number = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let sent = Duration::from_nanos(u64::from_le_bytes(bytes[4..12].try_into().unwrap_or_default()));
        // A packet that comes twice came once; one of an earlier course came too late.
        let index = number.checked_sub(first).map_or(usize::MAX, |index| index as usize);
        if known.get_mut(index).is_some_and(|known| !std::mem::replace(known, true)) {
            heard.arrivals.push(Arrival { number, sent, at });
        }
    }
    heard
}

fn wall_clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
