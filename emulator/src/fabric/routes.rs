//! How packets find their way: one mechanism for every topology. A host's only address is on its loopback;
//! its interfaces have none. Routes lead to all other hosts, through the interface towards the next hop: one for each
//! block of addresses that lie behind the same neighbour, so that a host that has only one needs a handful, however many
//! hosts there are. Neighbours are filled in beforehand, so that not one packet on the network is anything but what
//! processes say to each other.

use std::net::IpAddr;
use std::ops::Range;

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

/// Neighbouring hosts, by index, that `own` reaches over the same neighbour, with that neighbour. `own` may lie among them: what
/// is for itself takes no route.
pub(super) fn runs(own: usize, next_hops: &[Option<usize>]) -> Vec<(Range<usize>, usize)> {
    let mut runs: Vec<(Range<usize>, usize)> = Vec::new();
    for (to, next) in next_hops.iter().enumerate().filter(|(to, _)| *to != own) {
        let Some(via) = *next else { continue };
        match runs.last_mut() {
            Some((run, over)) if *over == via && (run.end..to).all(|between| between == own) => run.end = to + 1,
            _ => runs.push((to..to + 1, via)),
        }
    }
    runs
}

/// Adds a route to the addresses that begin like `destination` through the interface `index` and the neighbour `via`, or puts it in place of
/// the one that is there. What the host itself sends comes from `own`.
pub(super) fn add(
    namespace: &Namespace,
    (destination, length): (IpAddr, u8),
    index: u32,
    via: IpAddr,
    own: IpAddr,
) -> Result<(), NamespaceError> {
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    (header.address_family, header.destination_prefix_length) = (family(destination).0, length);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::address::prefixes;
    use super::*;

    proptest! {
        #[test]
        fn every_host_is_behind_one_route_and_nobody_else_is(
            next_hops in prop::collection::vec(prop::option::of(0..3usize), 1..70),
            own in any::<prop::sample::Index>(),
        ) {
            let own = own.index(next_hops.len());
            let runs = runs(own, &next_hops);
            for (to, next) in next_hops.iter().enumerate().filter(|(to, _)| *to != own) {
                let over: Vec<usize> = runs.iter().filter(|(run, _)| run.contains(&to)).map(|(_, via)| *via).collect();
                prop_assert_eq!(over, next.iter().copied().collect::<Vec<_>>(), "to {}", to);
            }
            for (run, _) in runs {
                prop_assert!(run.end <= next_hops.len());
                let covered: u64 = prefixes(run.clone()).iter().map(|(_, length)| 1u64 << (32 - length)).sum();
                prop_assert_eq!(covered, run.len() as u64);
                for (first, length) in prefixes(run) {
                    let IpAddr::V4(first) = first else { unreachable!() };
                    prop_assert!(first.to_bits().trailing_zeros() >= u32::from(32 - length), "{}/{}", first, length);
                }
            }
        }
    }

    #[test]
    fn a_host_with_one_neighbour_has_a_handful_of_routes_among_five_hundred_hosts() {
        let mut next_hops = vec![Some(500); 501];
        next_hops[17] = None;
        let runs = runs(17, &next_hops);
        assert_eq!(runs, [(0..501, 500)]);
        assert!(prefixes(0..501).len() < 16);
    }
}
