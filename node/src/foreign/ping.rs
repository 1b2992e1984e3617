//! ICMP echo (RFC 792), over a raw socket: a node is root in its own network.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

use super::http::reason;
use crate::clock::Instant;

const REQUEST: u8 = 8;
const REPLY: u8 = 0;
/// Bytes of an echo's head, and of the number that it carries.
const HEAD: usize = 8;
const LENGTH: usize = HEAD + 8;

/// Sends an echo with a number that no other has, and waits for the reply; `Err` says why none came.
pub(super) fn ping(to: IpAddr, number: u64, timeout: Duration) -> Result<(), String> {
    let IpAddr::V4(to) = to else { return Err("only IPv4 addresses can be pinged".to_owned()) };
    exchange(to, number, timeout).map_err(|error| reason(&error))
}

fn exchange(to: Ipv4Addr, number: u64, timeout: Duration) -> io::Result<()> {
    let until = Instant::now() + timeout;
    let raw = socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Icmp)?;
    // Any socket can be connected, sent to and received from in the same way.
    let socket = UdpSocket::from(raw);
    socket.connect(SocketAddr::from((to, 0)))?;
    let echo = echo(REQUEST, number);
    socket.send(&echo)?;
    let mut buffer = [0; 128];
    loop {
        let left = until.since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        match socket.recv(&mut buffer) {
            Ok(length) if is_reply(&buffer[..length], number) => return Ok(()),
            // Every raw socket is given every answer.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// An echo whose identifier, sequence number and content follow from a number.
fn echo(kind: u8, number: u64) -> [u8; LENGTH] {
    let mut packet = [0; LENGTH];
    packet[0] = kind;
    packet[4..6].copy_from_slice(&((number >> 16) as u16).to_be_bytes());
    packet[6..8].copy_from_slice(&(number as u16).to_be_bytes());
    packet[HEAD..].copy_from_slice(&number.to_be_bytes());
    let sum = checksum(&packet);
    packet[2..4].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

/// Whether what arrived, with its IPv4 header, is the reply to the echo of a number.
fn is_reply(packet: &[u8], number: u64) -> bool {
    let header = packet.first().map_or(0, |first| usize::from(first & 0xf) * 4);
    let Some(icmp) = packet.get(header..).filter(|icmp| icmp.len() == LENGTH) else { return false };
    let wanted = echo(REPLY, number);
    // A sum of nothing but zeros is written as either zero.
    let whole = matches!(checksum(icmp), 0 | 0xffff);
    whole && icmp[..2] == wanted[..2] && icmp[4..] == wanted[4..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_has_a_right_checksum_and_only_its_own_reply_answers_it() {
        assert_eq!(checksum(&echo(REQUEST, 0x0123_4567_89ab_cdef)), 0);
        let mut packet = vec![0x45; 20];
        packet.extend(echo(REPLY, 7));
        assert!(is_reply(&packet, 7));
        assert!(!is_reply(&packet, 8));
        packet[20] = REQUEST;
        assert!(!is_reply(&packet, 7));
        assert!(!is_reply(&[], 7));
        // Nothing but zeros, as Linux answers it.
        assert!(is_reply(&[&[0x45; 20][..], &[0; LENGTH]].concat(), 0));
        packet[20] = REPLY;
        packet[22] ^= 1;
        assert!(!is_reply(&packet, 7), "damaged on its way");
    }
}
