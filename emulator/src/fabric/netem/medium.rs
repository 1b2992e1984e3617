//! A medium from what kernels have: a bridge in a hub namespace to which every member has a pair of interfaces;
//! and at every sender HTB with one class for each receiver, told apart by hardware address, with a netem leaf.

use std::collections::BTreeMap;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::link::{InfoBridge, InfoData, InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::super::carrier::{CarrierError, Plug};
use super::super::namespace::Namespace;
use super::super::netlink::Socket;
use super::super::veth::{self, End, Mac};
use super::qdisc::{self, Place, ROOT, id};
use super::{Direction, filter, htb};

/// Index of the bridge; its ports follow from [`FIRST_PORT`].
const BRIDGE: u32 = 10;
const FIRST_PORT: u32 = 100;

/// Makes the hub and connects the members to it.
pub(in crate::fabric) fn join(name: &str, members: &[Plug<'_>]) -> Result<Namespace, CarrierError> {
    let hub = Namespace::create("hub")?;
    hub.netlink(|socket| socket.request(bridge(), NLM_F_CREATE | NLM_F_EXCL))
        .map_err(CarrierError::netlink(format!("making the bridge of medium {name}")))?;
    for (member, port) in members.iter().zip(FIRST_PORT..) {
        let outer = End { namespace: &hub, name: &format!("port{port}"), index: port, mac: port_mac(port) };
        veth::create(outer, member.end())
            .and_then(|()| hub.netlink(|socket| socket.request(enslave(port), 0)))
            .and_then(|()| hub.netlink(|socket| socket.request(forward(member.mac, port), NLM_F_CREATE)))
            .map_err(CarrierError::netlink(format!("connecting host {} to medium {name}", member.host)))?;
    }
    Ok(hub)
}

/// Sorts what a sender sends by receiver: one class each. Returns where each receiver's netem belongs.
pub(in crate::fabric) fn sort(
    socket: &mut Socket,
    sender: &Plug<'_>,
    receivers: &[(usize, Mac)],
) -> Result<BTreeMap<Direction, Place>, CarrierError> {
    let from = sender.host;
    let refused = |what: &str| CarrierError::netlink(format!("adding the {what} of host {from}"));
    let index = sender.index;
    let root = id(1, 0);
    qdisc::add(socket, Place { index, handle: root, parent: ROOT }, "htb", htb::root(0))
        .map_err(refused("HTB root"))?;
    let mut places = BTreeMap::new();
    for (&(to, mac), number) in receivers.iter().zip(1u16..) {
        let class = id(1, number);
        qdisc::add_class(socket, Place { index, handle: class, parent: root }, "htb", htb::class())
            .map_err(refused("HTB class"))?;
        qdisc::add_filter(socket, Place { index, handle: 0, parent: root }, "u32", filter::towards(mac, class))
            .map_err(refused("u32 filter"))?;
        places.insert(Direction { from, to }, Place { index, handle: id(number + 1, 0), parent: class });
    }
    Ok(places)
}

/// Reads back classes and filters: every class as asked, every receiver's address leading to its own.
pub(in crate::fabric) fn verify_sorting(
    socket: &mut Socket,
    sender: &Plug<'_>,
    receivers: &[(usize, Mac)],
) -> Result<(), CarrierError> {
    let from = sender.host;
    let unlisted = |what: &str| CarrierError::netlink(format!("listing the {what} of host {from}"));
    let classes = qdisc::list_classes(socket, sender.index).map_err(unlisted("classes"))?;
    let filters = qdisc::list_filters(socket, sender.index, id(1, 0)).map_err(unlisted("filters"))?;
    let filters: Vec<(u32, [u8; 4])> = filters.iter().filter_map(|listed| filter::decode(&listed.options)).collect();
    for (&(to, mac), number) in receivers.iter().zip(1u16..) {
        let direction = Direction { from, to };
        let mismatch =
            |parameter, asked: String, got: String| Err(CarrierError::Mismatch { direction, parameter, asked, got });
        let options = classes.iter().find(|class| class.place.handle == id(1, number)).map(|class| &class.options);
        if let Some((parameter, asked, got)) = htb::class_difference(options.map_or(&[], Vec::as_slice)) {
            return mismatch(parameter, asked.to_string(), format!("{got:?}"));
        }
        let [_, _, key @ ..] = mac.0;
        if filters.iter().filter(|filter| **filter == (id(1, number), key)).count() != 1 {
            return mismatch("filter", format!("one for {mac} to class {number}"), format!("{filters:x?}"));
        }
    }
    Ok(())
}

fn bridge() -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = BRIDGE;
    message.header.flags = LinkFlags::Up | LinkFlags::Noarp;
    message.header.change_mask = LinkFlags::Up | LinkFlags::Noarp;
    message.attributes = vec![
        LinkAttribute::IfName("medium".to_owned()),
        LinkAttribute::Mtu(veth::MTU),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Bridge),
            LinkInfo::Data(InfoData::Bridge(vec![
                // A bridge that listens for group members speaks itself.
                InfoBridge::MulticastSnooping(false),
                InfoBridge::ForwardDelay(0),
            ])),
        ]),
    ];
    RouteNetlinkMessage::NewLink(message)
}

fn enslave(port: u32) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = port;
    message.attributes = vec![LinkAttribute::Controller(BRIDGE)];
    RouteNetlinkMessage::SetLink(message)
}

/// Where the bridge is to send frames for a member: told beforehand, so that none is flooded.
fn forward(mac: Mac, port: u32) -> RouteNetlinkMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Bridge;
    message.header.ifindex = port;
    message.header.state = NeighbourState::Noarp;
    message.header.flags = NeighbourFlags::Controller;
    message.attributes = vec![NeighbourAttribute::LinkLayerAddress(mac.0.to_vec())];
    RouteNetlinkMessage::NewNeighbour(message)
}

/// Hardware addresses of ports: apart from those of hosts, which begin with 02.
fn port_mac(port: u32) -> Mac {
    let [a, b, c, d] = port.to_be_bytes();
    Mac([0x06, 0, a, b, c, d])
}
