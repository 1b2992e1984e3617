//! Which interfaces hosts have, and how they are joined: decided for the whole network beforehand, and made while the hosts' namespaces
//! come.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::carrier::Plug;
use super::namespace::Coming;
use super::veth::Mac;
use super::{Carrier, CarrierError, Direction, FabricError, Namespace, Network, address};

/// Index of a host's first interface: above those that kernels put into fresh namespaces by themselves.
const FIRST_INDEX: u32 = 100;

/// What a host is to have in its namespace.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) interfaces: Vec<Interface>,
    /// For each neighbour, the interface towards it and the neighbour's hardware address there.
    pub(super) neighbours: BTreeMap<usize, (u32, Mac)>,
}

/// An interface of a host: which host, and which of its interfaces.
pub(super) type End = (usize, usize);

/// An interface of a host.
pub(super) struct Interface {
    pub(super) name: String,
    pub(super) index: u32,
    pub(super) mac: Mac,
}

impl Draft {
    /// Reserves the host's next interface.
    fn reserve(&mut self, host: usize) -> usize {
        let count = self.interfaces.len();
        self.interfaces.push(Interface {
            name: format!("eth{count}"),
            index: FIRST_INDEX + count as u32,
            mac: address::mac(host, count),
        });
        count
    }

    fn plug<'a>(&'a self, (host, interface): End, namespace: &'a Arc<Namespace>) -> Plug<'a> {
        let Interface { name, index, mac } = &self.interfaces[interface];
        Plug { host, namespace, name, index: *index, mac: *mac }
    }
}

/// Which interfaces each host has and who is whose neighbour; and the interfaces of each link and then of each medium.
pub(super) fn plan(network: &Network) -> Result<(Vec<Draft>, Vec<Vec<End>>), FabricError> {
    let mut hosts: Vec<Draft> = (0..network.hosts()).map(|_| Draft::default()).collect();
    let links = network.links.iter().map(|link| vec![link.a, link.b]);
    let media = network.media.iter().map(|medium| medium.members.clone());
    let mut cables = Vec::new();
    for members in links.chain(media) {
        let ends: Vec<End> = members.into_iter().map(|host| (host, hosts[host].reserve(host))).collect();
        meet(&mut hosts, &ends)?;
        cables.push(ends);
    }
    Ok((hosts, cables))
}

/// All hosts, in the order in which they are plugged in.
pub(super) fn order(cables: &[Vec<End>], hosts: usize) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::with_capacity(hosts);
    let mut named = vec![false; hosts];
    for host in cables.iter().flatten().map(|&(host, _)| host).chain(0..hosts) {
        if !std::mem::replace(&mut named[host], true) {
            order.push(host);
        }
    }
    order
}

/// Lets the carrier make all links and media.
pub(super) fn plug_in(
    hosts: &[Draft],
    cables: &[Vec<End>],
    coming: &mut Coming,
    carrier: &mut dyn Carrier,
    network: &Network,
) -> Result<(), FabricError> {
    for (number, ends) in cables.iter().enumerate() {
        let namespaces: Vec<Arc<Namespace>> =
            ends.iter().map(|&(host, _)| coming.of(host)).collect::<Result<_, _>>()?;
        let plugs: Vec<Plug<'_>> =
            ends.iter().zip(&namespaces).map(|(&end, namespace)| hosts[end.0].plug(end, namespace)).collect();
        match (network.links.get(number), &plugs[..]) {
            (Some(link), &[a, b]) => carrier.add_link(a, b, &link.a_to_b, &link.b_to_a)?,
            _ => carrier.add_medium(&network.media[number - network.links.len()], &plugs)?,
        }
    }
    Ok(())
}

/// Makes the owners of these interfaces each other's neighbours.
fn meet(hosts: &mut [Draft], members: &[End]) -> Result<(), FabricError> {
    for &(from, interface) in members {
        for &(to, other) in members.iter().filter(|(to, _)| *to != from) {
            let mac = hosts[to].interfaces[other].mac;
            let index = hosts[from].interfaces[interface].index;
            if hosts[from].neighbours.insert(to, (index, mac)).is_some() {
                return Err(CarrierError::JoinedTwice(Direction { from, to }).into());
            }
        }
    }
    Ok(())
}
