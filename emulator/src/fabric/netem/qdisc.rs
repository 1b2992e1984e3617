//! Queueing disciplines, classes and filters: adding, changing, listing.

use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage};

use super::super::netlink::{Answer, NetlinkError, Socket};
use super::attributes::{find, long, word};

pub(in crate::fabric) const ROOT: u32 = u32::MAX;

const KIND: u16 = 1;
const OPTIONS: u16 = 2;
const STATS2: u16 = 7;
const STATS_BASIC: u16 = 1;
const STATS_QUEUE: u16 = 3;
const STATS_PACKETS64: u16 = 8;

/// Size of `struct tcmsg`: family, interface, handle, parent, info, each 32 bits with padding.
const HEADER: usize = 20;
/// Priority of every filter, and the protocol it is for (all), as `struct tcmsg` has them.
const FILTER_INFO: u32 = 1 << 16 | (libc::ETH_P_ALL as u16).to_be() as u32;

/// A handle or class id, from its two halves.
pub(in crate::fabric) const fn id(major: u16, minor: u16) -> u32 {
    (major as u32) << 16 | minor as u32
}

/// Where something stands: on which interface, under which name, below what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::fabric) struct Place {
    pub(in crate::fabric) index: u32,
    pub(in crate::fabric) handle: u32,
    pub(in crate::fabric) parent: u32,
}

/// Something that was listed.
#[derive(Debug, Clone)]
pub(in crate::fabric) struct Listed {
    pub(in crate::fabric) place: Place,
    pub(in crate::fabric) kind: String,
    pub(in crate::fabric) options: Vec<u8>,
    pub(in crate::fabric) statistics: Statistics,
}

/// What a qdisc counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::fabric) struct Statistics {
    pub(in crate::fabric) packets: u64,
    pub(in crate::fabric) bytes: u64,
    pub(in crate::fabric) drops: u32,
    /// Packets in it now.
    pub(in crate::fabric) length: u32,
}

pub(in crate::fabric) fn add(
    socket: &mut Socket,
    place: Place,
    kind: &str,
    options: Vec<u8>,
) -> Result<(), NetlinkError> {
    let message = RouteNetlinkMessage::NewQueueDiscipline(message(place, 0, kind, options));
    socket.request(message, NLM_F_CREATE | NLM_F_EXCL)
}

/// Changes a qdisc in place: what it holds stays in it.
pub(in crate::fabric) fn change(
    socket: &mut Socket,
    place: Place,
    kind: &str,
    options: Vec<u8>,
) -> Result<(), NetlinkError> {
    socket.request(RouteNetlinkMessage::NewQueueDiscipline(message(place, 0, kind, options)), 0)
}

pub(in crate::fabric) fn add_class(
    socket: &mut Socket,
    place: Place,
    kind: &str,
    options: Vec<u8>,
) -> Result<(), NetlinkError> {
    let message = RouteNetlinkMessage::NewTrafficClass(message(place, 0, kind, options));
    socket.request(message, NLM_F_CREATE | NLM_F_EXCL)
}

pub(in crate::fabric) fn add_filter(
    socket: &mut Socket,
    place: Place,
    kind: &str,
    options: Vec<u8>,
) -> Result<(), NetlinkError> {
    let message = RouteNetlinkMessage::NewTrafficFilter(message(place, FILTER_INFO, kind, options));
    socket.request(message, NLM_F_CREATE | NLM_F_EXCL)
}

/// The qdiscs of one interface.
pub(in crate::fabric) fn list(socket: &mut Socket, index: u32) -> Result<Vec<Listed>, NetlinkError> {
    // The kernel lists those of all interfaces, whatever it is asked.
    Ok(list_all(socket)?.into_iter().filter(|listed| listed.place.index == index).collect())
}

/// The qdiscs of all interfaces.
pub(in crate::fabric) fn list_all(socket: &mut Socket) -> Result<Vec<Listed>, NetlinkError> {
    dump(socket, RouteNetlinkMessage::GetQueueDiscipline(TcMessage::default()))
}

pub(in crate::fabric) fn list_classes(socket: &mut Socket, index: u32) -> Result<Vec<Listed>, NetlinkError> {
    let mut message = TcMessage::default();
    message.header.index = index.cast_signed();
    dump(socket, RouteNetlinkMessage::GetTrafficClass(message))
}

pub(in crate::fabric) fn list_filters(
    socket: &mut Socket,
    index: u32,
    parent: u32,
) -> Result<Vec<Listed>, NetlinkError> {
    let mut message = TcMessage::default();
    message.header.index = index.cast_signed();
    message.header.parent = TcHandle::from(parent);
    dump(socket, RouteNetlinkMessage::GetTrafficFilter(message))
}

fn dump(socket: &mut Socket, message: RouteNetlinkMessage) -> Result<Vec<Listed>, NetlinkError> {
    let read = |answer: &Answer| parse(&answer.body).ok_or(NetlinkError::Malformed("a qdisc, class or filter"));
    socket.dump(message)?.iter().map(read).collect()
}

fn message(place: Place, info: u32, kind: &str, options: Vec<u8>) -> TcMessage {
    let mut message = TcMessage::default();
    message.header.index = place.index.cast_signed();
    message.header.handle = TcHandle::from(place.handle);
    message.header.parent = TcHandle::from(place.parent);
    message.header.info = info;
    message.attributes =
        vec![TcAttribute::Kind(kind.to_owned()), TcAttribute::Other(DefaultNla::new(OPTIONS, options))];
    message
}

fn parse(body: &[u8]) -> Option<Listed> {
    let (header, attributes) = body.split_at_checked(HEADER)?;
    let place = Place { index: word(header, 1)?, handle: word(header, 2)?, parent: word(header, 3)? };
    let kind = find(attributes, KIND).unwrap_or_default();
    Some(Listed {
        place,
        kind: String::from_utf8_lossy(kind).trim_end_matches('\0').to_owned(),
        options: find(attributes, OPTIONS).unwrap_or_default().to_vec(),
        statistics: find(attributes, STATS2).and_then(statistics).unwrap_or_default(),
    })
}

fn statistics(nested: &[u8]) -> Option<Statistics> {
    let basic = find(nested, STATS_BASIC)?;
    let packets = find(nested, STATS_PACKETS64).and_then(long).or(word(basic, 2).map(u64::from))?;
    // Queue: length, backlog, drops, requeues, overlimits.
    let queue = |index| find(nested, STATS_QUEUE).and_then(|queue| word(queue, index)).unwrap_or_default();
    Some(Statistics { packets, bytes: long(basic)?, drops: queue(2), length: queue(0) })
}
