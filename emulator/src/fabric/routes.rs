//! How packets find their way: one mechanism for every topology. A host's only address is on its loopback;
//! its interfaces have none. A route leads to each other host, through the interface towards the next
//! hop, and neighbours are filled in beforehand, so that not one packet on the network is anything but
//! what processes say to each other.

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourMessage, NeighbourState};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};

use super::namespace::{Namespace, NamespaceError, family};
use super::veth::Mac;

/// `next_hops[from][to]`: the neighbour to which `from` hands what is for `to`; `None` where nothing leads
/// there, and on the diagonal.
pub type NextHops = [Vec<Option<usize>>];

/// The hosts on the way from one host to another, without the first; `None` if nothing leads there, or the
/// table leads in circles.
pub fn path(next_hops: &NextHops, from: usize, to: usize) -> Option<Vec<usize>> {
    let mut hops = Vec::new();
    let mut at = from;
    while at != to {
        at = (*next_hops.get(at)?.get(to)?)?;
        hops.push(at);
        if hops.len() > next_hops.len() {
            return None;
        }
    }
    Some(hops)
}

/// Adds a route to `destination` through the interface `index` and the neighbour `via`, or puts it in place of
/// the one that is there. What the host itself sends comes from `own`.
pub(super) fn add(
    namespace: &Namespace,
    destination: IpAddr,
    index: u32,
    via: IpAddr,
    own: IpAddr,
) -> Result<(), NamespaceError> {
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    (header.address_family, header.destination_prefix_length) = family(destination);
    header.table = RouteHeader::RT_TABLE_MAIN;
    header.protocol = RouteProtocol::Static;
    header.scope = RouteScope::Universe;
    header.kind = RouteType::Unicast;
    header.flags = RouteFlags::Onlink;
    message.attributes = vec![
        RouteAttribute::Destination(route_address(destination)),
        RouteAttribute::Oif(index),
        RouteAttribute::Gateway(route_address(via)),
        RouteAttribute::PrefSource(route_address(own)),
    ];
    namespace.request("adding a route", RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | NLM_F_REPLACE)
}

/// Says which hardware address `neighbour` has on the interface `index`, for good.
pub(super) fn add_neighbour(
    namespace: &Namespace,
    index: u32,
    neighbour: IpAddr,
    mac: Mac,
) -> Result<(), NamespaceError> {
    let mut message = NeighbourMessage::default();
    message.header.family = family(neighbour).0;
    message.header.ifindex = index;
    message.header.state = NeighbourState::Permanent;
    message.header.kind = RouteType::Unicast;
    message.attributes =
        vec![NeighbourAttribute::Destination(neighbour.into()), NeighbourAttribute::LinkLayerAddress(mac.0.to_vec())];
    namespace.request("adding a neighbour", RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE | NLM_F_REPLACE)
}

fn route_address(address: IpAddr) -> RouteAddress {
    match address {
        IpAddr::V4(address) => RouteAddress::Inet(address),
        IpAddr::V6(address) => RouteAddress::Inet6(address),
    }
}
