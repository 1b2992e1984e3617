//! A small blocking netlink client: one request, one answer, and the kernel's own reason when it refuses.
//!
//! A socket talks to the network namespace in which it was opened, whichever thread uses it later.

use std::io;

use netlink_packet_core::{
    DecodeError, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NetlinkHeader,
    NetlinkMessage, NetlinkPayload, NlasIterator,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket as RawSocket, SocketAddr, protocols::NETLINK_ROUTE};

/// Length of `struct nlmsghdr`.
const HEADER: usize = 16;
/// `NLMSGERR_ATTR_MSG`: the reason, in words.
const REASON: u16 = 1;
/// `NLM_F_DUMP_INTR`: things changed while they were listed.
const DUMP_INTERRUPTED: u16 = 0x10;
/// How often an interrupted listing is begun anew.
const ATTEMPTS: usize = 5;

/// The kernel refused a request, or could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// The kernel said no.
    #[error("{}: {source}", reason.as_deref().unwrap_or("the kernel refused"))]
    Refused {
        /// The error number.
        source: io::Error,
        /// The reason in words, where the kernel gives one.
        reason: Option<String>,
    },
    /// The socket itself failed.
    #[error("netlink socket")]
    Socket(#[from] io::Error),
    /// The answer could not be understood.
    #[error("unexpected netlink answer: {0}")]
    Malformed(&'static str),
    /// An attribute of the answer could not be understood.
    #[error("unexpected netlink answer: {0}")]
    Attribute(#[from] DecodeError),
    /// The list changed each time it was read.
    #[error("a netlink listing changed each of {ATTEMPTS} times it was read")]
    Unsteady,
}

impl NetlinkError {
    /// The error number of a refusal.
    pub fn errno(&self) -> Option<i32> {
        match self {
            NetlinkError::Refused { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}

/// One message of an answer, without its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its type, `RTM_NEWLINK` and so on.
    pub kind: u16,
    /// What follows the header.
    pub body: Vec<u8>,
}

/// A route netlink socket.
#[derive(Debug)]
pub struct Socket {
    raw: RawSocket,
    sequence: u32,
    send: Vec<u8>,
    receive: Vec<u8>,
}

impl Socket {
    /// Opens a socket in the calling thread's network namespace.
    pub fn open() -> Result<Socket, NetlinkError> {
        let mut raw = RawSocket::new(NETLINK_ROUTE)?;
        raw.bind_auto()?;
        raw.connect(&SocketAddr::new(0, 0))?;
        raw.set_ext_ack(true)?;
        raw.set_cap_ack(true)?;
        Ok(Socket { raw, sequence: 0, send: Vec::new(), receive: Vec::with_capacity(1 << 16) })
    }

    /// Asks for a change and waits until the kernel has made it. `flags` are those beyond `NLM_F_REQUEST`
    /// and `NLM_F_ACK`: `NLM_F_CREATE`, `NLM_F_EXCL`, `NLM_F_REPLACE`.
    pub fn request(&mut self, message: RouteNetlinkMessage, flags: u16) -> Result<(), NetlinkError> {
        self.transmit(message, NLM_F_ACK | flags)?;
        self.collect().map(drop)
    }

    /// Lists what the message asks for.
    pub fn dump(&mut self, message: RouteNetlinkMessage) -> Result<Vec<Answer>, NetlinkError> {
        for _ in 0..ATTEMPTS {
            self.transmit(message.clone(), NLM_F_DUMP)?;
            let (answers, interrupted) = self.collect()?;
            if !interrupted {
                return Ok(answers);
            }
        }
        Err(NetlinkError::Unsteady)
    }

    fn transmit(&mut self, message: RouteNetlinkMessage, flags: u16) -> Result<(), NetlinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        self.send.clear();
        self.send.resize(message.buffer_len(), 0);
        message.serialize(&mut self.send);
        let sent = loop {
            match self.raw.send(&self.send, 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if sent == self.send.len() { Ok(()) } else { Err(NetlinkError::Malformed("a request was cut short")) }
    }

    /// Everything up to the acknowledgement or the end of the list, and whether the list was disturbed.
    fn collect(&mut self) -> Result<(Vec<Answer>, bool), NetlinkError> {
        let mut answers = Vec::new();
        let mut interrupted = false;
        loop {
            self.receive.clear();
            match self.raw.recv(&mut self.receive, 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            let mut rest = self.receive.as_slice();
            while !rest.is_empty() {
                let (header, body, next) = split(rest)?;
                rest = next;
                // An answer to an earlier request that was given up is nobody's any more.
                if header.sequence != self.sequence {
                    continue;
                }
                interrupted |= header.flags & DUMP_INTERRUPTED != 0;
                match header.kind {
                    NLMSG_NOOP => {}
                    NLMSG_DONE => return refusal(body, 0).map_or(Ok((answers, interrupted)), Err),
                    NLMSG_ERROR => return refusal(body, HEADER).map_or(Ok((answers, interrupted)), Err),
                    kind => answers.push(Answer { kind, body: body.to_vec() }),
                }
            }
        }
    }
}

struct Header {
    kind: u16,
    flags: u16,
    sequence: u32,
}

/// The first message of a datagram, and what follows it.
fn split(buffer: &[u8]) -> Result<(Header, &[u8], &[u8]), NetlinkError> {
    let (header, _) = buffer.split_first_chunk::<HEADER>().ok_or(NetlinkError::Malformed("a header is cut short"))?;
    let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
    let kind = u16::from_ne_bytes([header[4], header[5]]);
    let flags = u16::from_ne_bytes([header[6], header[7]]);
    let sequence = u32::from_ne_bytes([header[8], header[9], header[10], header[11]]);
    let body = buffer.get(HEADER..length).ok_or(NetlinkError::Malformed("a message is cut short"))?;
    let next = buffer.get(length.next_multiple_of(4)..).unwrap_or_default();
    Ok((Header { kind, flags, sequence }, body, next))
}

/// The refusal in an error or done message: the error number, `skip` bytes of the refused request's
/// header, then attributes.
fn refusal(body: &[u8], skip: usize) -> Option<NetlinkError> {
    let (code, rest) = body.split_first_chunk::<4>()?;
    let code = i32::from_ne_bytes(*code);
    if code == 0 {
        return None;
    }
    let reason = NlasIterator::new(rest.get(skip..).unwrap_or_default())
        .map_while(Result::ok)
        .find(|attribute| attribute.kind() == REASON)
        .map(|attribute| String::from_utf8_lossy(attribute.value()).trim_end_matches('\0').to_owned());
    Some(NetlinkError::Refused { source: io::Error::from_raw_os_error(code.wrapping_neg()), reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use netlink_packet_route::tc::{TcAttribute, TcMessage};

    #[test]
    fn a_refusal_carries_the_kernels_own_words() {
        let mut socket = Socket::open().unwrap();
        let mut message = TcMessage::default();
        message.header.index = 1;
        message.header.parent = 0xffff_ffff.into();
        message.attributes.push(TcAttribute::Kind("no_such_qdisc".to_owned()));
        // An ordinary user is refused before the name is looked at: that too is an answer in the kernel's words.
        let error = socket.request(RouteNetlinkMessage::NewQueueDiscipline(message), 0x400).unwrap_err();
        assert!(matches!(error.errno(), Some(libc::ENOENT | libc::EPERM)), "{error}");
        if error.errno() == Some(libc::ENOENT) {
            assert!(error.to_string().contains("qdisc"), "{error}");
        }
    }

    #[test]
    fn a_listing_ends_and_the_socket_can_be_used_again() {
        let mut socket = Socket::open().unwrap();
        for _ in 0..2 {
            let links = socket.dump(RouteNetlinkMessage::GetLink(Default::default())).unwrap();
            assert!(links.iter().any(|link| link.kind == libc::RTM_NEWLINK));
        }
    }
}
