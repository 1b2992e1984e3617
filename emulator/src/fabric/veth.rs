//! Pairs of virtual Ethernet interfaces: what goes into one comes out of the other.

use std::fmt;
use std::os::fd::AsRawFd;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};

use super::namespace::Namespace;
use super::netlink::{NetlinkError, Socket};

/// Bytes of IP that fit into one packet.
pub const MTU: u32 = 1500;

/// An Ethernet hardware address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// One end of a pair to be made.
#[derive(Debug, Clone, Copy)]
pub struct End<'a> {
    /// Where.
    pub namespace: &'a Namespace,
    /// Its name there.
    pub name: &'a str,
    /// Its index there, not yet in use.
    pub index: u32,
    /// Its hardware address.
    pub mac: Mac,
}

/// Makes a pair, both ends up, without ARP and with their final names, indices and addresses.
pub fn create(first: End<'_>, second: End<'_>) -> Result<(), NetlinkError> {
    let mut message = interface(&first);
    message.header.flags |= LinkFlags::Up;
    message.header.change_mask |= LinkFlags::Up;
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(interface(&second)))),
    ]));
    first
        .namespace
        .netlink(|socket| socket.request(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL))?;
    // The second end can't be up from the start: the kernel configures it before it knows its peer.
    let mut up = LinkMessage::default();
    up.header.index = second.index;
    up.header.flags = LinkFlags::Up;
    up.header.change_mask = LinkFlags::Up;
    second.namespace.netlink(|socket| socket.request(RouteNetlinkMessage::SetLink(up), 0))
}

fn interface(end: &End<'_>) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = end.index;
    message.header.flags = LinkFlags::Noarp;
    message.header.change_mask = LinkFlags::Noarp;
    message.attributes = vec![
        LinkAttribute::NetNsFd(end.namespace.net().as_raw_fd()),
        LinkAttribute::IfName(end.name.to_owned()),
        LinkAttribute::Address(end.mac.0.to_vec()),
        LinkAttribute::Mtu(MTU),
        // Otherwise the kernel makes a pair of queues for each processor, and takes all but one away again: for each end it waits then until no
        // processor can be using them.
        LinkAttribute::NumTxQueues(1),
        LinkAttribute::NumRxQueues(1),
    ];
    message
}

/// Sets how many full-size packets a super-frame sent through the interface may have.
pub(super) fn set_segments(socket: &mut Socket, index: u32, segments: u32) -> Result<(), NetlinkError> {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes = vec![LinkAttribute::GsoMaxSegs(segments)];
    socket.request(RouteNetlinkMessage::SetLink(message), 0)
}

/// How many full-size packets a super-frame sent through the interface may have.
#[cfg(test)]
pub(super) fn segments(socket: &mut Socket, index: u32) -> Result<Option<u32>, NetlinkError> {
    use netlink_packet_core::Parseable;
    let mut found = None;
    for answer in socket.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()))? {
        let message = LinkMessage::parse(answer.body.as_slice())?;
        let limit = message.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::GsoMaxSegs(limit) => Some(*limit),
            _ => None,
        });
        found = if message.header.index == index { limit } else { found };
    }
    Ok(found)
}
