//! Making an emulated network, and changing it while it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;

use super::cabling::{self, Draft, Interface};
use super::carrier::UNLIMITED_SEGMENTS;
use super::namespace::{NamespaceError, blackhole_rule};
use super::routes::NextHops;
use super::veth::{self, Mac};
use super::{
    Carrier, CarrierChoice, CarrierError, Counters, Direction, Namespace, Network, Shape, Vitals, address, gso, probe,
    routes,
};

/// An emulated network could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum FabricError {
    /// A host's namespace.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A link or medium.
    #[error(transparent)]
    Carrier(#[from] CarrierError),
    /// The network, the names and the next hops don't fit each other.
    #[error("the network is inconsistent: {0}")]
    Inconsistent(&'static str),
    /// There is no such host.
    #[error("there is no host {0}")]
    NoSuchHost(usize),
}

/// An emulated network. Everything that changes it takes `&self`, so that faults, fleet and record can share
/// it; dropping it makes all of it vanish once the processes in it have ended.
pub struct Fabric {
    // Dropped first: a carrier may have threads that use the namespaces.
    state: Mutex<State>,
    hosts: Vec<Host>,
    next_hops: Vec<Vec<Option<usize>>>,
    carrier_name: &'static str,
}

struct State {
    carrier: Box<dyn Carrier>,
    shapes: BTreeMap<Direction, Shape>,
    /// Directions that were given another shape since it was asked last.
    reshaped: BTreeSet<Direction>,
    /// How often each ordered pair was blocked and not yet unblocked.
    blocked: BTreeMap<Direction, u32>,
    /// What each sending interface has been told about super-frames, by its first direction.
    segments: BTreeMap<(usize, u32), u32>,
}

struct Host {
    namespace: Arc<Namespace>,
    interfaces: Vec<Interface>,
    /// For each neighbour, the interface towards it and the neighbour's hardware address there.
    neighbours: BTreeMap<usize, (u32, Mac)>,
}

/// An interface of a host, as others may look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name there.
    pub name: String,
    /// Its index there.
    pub index: u32,
    /// Its hardware address.
    pub mac: Mac,
    /// The hosts at the other end, with their hardware addresses there.
    pub neighbours: BTreeMap<usize, Mac>,
}

impl Fabric {
    /// Builds `network` with hosts called `names` (nodes, then switches), between which packets take
    /// `next_hops`. `seed` decides whatever carriers do at random.
    ///
    /// # Errors
    /// When the carrier asked for doesn't work here, or the kernel refuses a part, with its reason.
    pub fn build(
        network: &Network,
        names: &[String],
        next_hops: &NextHops,
        choice: CarrierChoice,
        seed: u64,
    ) -> Result<Fabric, FabricError> {
        check(network, names, next_hops)?;
        let carrier = probe::open(choice, network, seed)?;
        Fabric::build_with(carrier, network, names, next_hops)
    }

    /// The same with a carrier that is already there.
    ///
    /// # Errors
    /// When the kernel refuses a part, with its reason.
    pub fn build_with(
        mut carrier: Box<dyn Carrier>,
        network: &Network,
        names: &[String],
        next_hops: &NextHops,
    ) -> Result<Fabric, FabricError> {
        check(network, names, next_hops)?;
        let (hosts, cables) = cabling::plan(network)?;
        let named: Vec<(&str, IpAddr)> =
            names.iter().enumerate().map(|(host, name)| (&**name, address::address(host))).collect();
        let hosts = Namespace::create_all(&named, &cabling::order(&cables, names.len()), |coming| {
            cabling::plug_in(&hosts, &cables, coming, carrier.as_mut(), network)?;
            let host = |(host, Draft { interfaces, neighbours })| {
                Ok(Host { namespace: coming.of(host)?, interfaces, neighbours })
            };
            hosts.into_iter().enumerate().map(host).collect::<Result<Vec<Host>, FabricError>>()
        })?;
        for (from, host) in hosts.iter().enumerate() {
            host.connect(from, next_hops)?;
        }
        carrier.start()?;
        let carrier_name = carrier.name();
        let shapes = network.directions().map(|(direction, shape)| (direction, shape.clone())).collect();
        let state =
            State { carrier, shapes, reshaped: BTreeSet::new(), blocked: BTreeMap::new(), segments: BTreeMap::new() };
        let fabric = Fabric { state: Mutex::new(state), hosts, next_hops: next_hops.to_vec(), carrier_name };
        fabric.limit_super_frames(&mut fabric.state())?;
        Ok(fabric)
    }

    /// `netem` or `software`.
    pub fn carrier_name(&self) -> &'static str {
        self.carrier_name
    }

    /// Whether this process forwards all packets itself.
    pub fn is_software(&self) -> bool {
        self.carrier_name == super::software::NAME
    }

    /// In which respects the carrier can't do all that it should here: each a sentence.
    pub fn warnings(&self) -> Vec<String> {
        self.state().carrier.warnings()
    }

    /// The host's namespace, in which its process belongs.
    ///
    /// # Errors
    /// [`FabricError::NoSuchHost`].
    pub fn namespace(&self, host: usize) -> Result<&Arc<Namespace>, FabricError> {
        Ok(&self.host(host)?.namespace)
    }

    /// The host's address.
    pub fn address(&self, host: usize) -> IpAddr {
        address::address(host)
    }

    /// The names of the host's interfaces, links first, in the order of the network.
    ///
    /// # Errors
    /// [`FabricError::NoSuchHost`].
    pub fn interfaces(&self, host: usize) -> Result<impl Iterator<Item = &str>, FabricError> {
        Ok(self.host(host)?.interfaces.iter().map(|interface| interface.name.as_str()))
    }

    /// The host's interfaces, links first, in the order of the network.
    ///
    /// # Errors
    /// [`FabricError::NoSuchHost`].
    pub fn ports(&self, host: usize) -> Result<Vec<Port>, FabricError> {
        let host = self.host(host)?;
        let port = |interface: &Interface| {
            let behind = host.neighbours.iter().filter(|(_, (index, _))| *index == interface.index);
            let neighbours = behind.map(|(&neighbour, &(_, mac))| (neighbour, mac)).collect();
            Port { name: interface.name.clone(), index: interface.index, mac: interface.mac, neighbours }
        };
        Ok(host.interfaces.iter().map(port).collect())
    }

    /// Of how many full-size packets a super-frame may be that leaves in this direction.
    pub fn longest_super_frame(&self, direction: Direction) -> u32 {
        let towards = self.hosts.get(direction.from).and_then(|host| host.neighbours.get(&direction.to));
        let limit = towards.and_then(|(index, _)| self.state().segments.get(&(direction.from, *index)).copied());
        limit.unwrap_or(1)
    }

    /// The neighbour over which packets go from one host to another; `None`: there is no way, or no such host.
    pub fn next_hop(&self, from: usize, to: usize) -> Option<usize> {
        *self.next_hops.get(from)?.get(to)?
    }

    /// Every direction there is.
    pub fn directions(&self) -> Vec<Direction> {
        self.state().shapes.keys().copied().collect()
    }

    /// The shape in force.
    pub fn shape(&self, direction: Direction) -> Option<Shape> {
        self.state().shapes.get(&direction).cloned()
    }

    /// Gives a direction another shape; when this returns, it is in force. Returns it as it was read back.
    ///
    /// # Errors
    /// When no link or medium leads that way, the carrier can't do it, or something else is in force.
    pub fn set_shape(&self, direction: Direction, shape: &Shape) -> Result<Shape, FabricError> {
        let mut state = self.state();
        if !state.shapes.contains_key(&direction) {
            return Err(CarrierError::NoSuchDirection(direction).into());
        }
        let in_force = state.carrier.set_shape(direction, shape)?;
        state.shapes.insert(direction, shape.clone());
        state.reshaped.insert(direction);
        self.limit_super_frames(&mut state)?;
        Ok(in_force)
    }

    /// Directions that were given another shape since this was asked last, each with the one in force now: what was changed and changed
    /// back in between is among them.
    pub fn reshaped(&self) -> BTreeMap<Direction, Shape> {
        let mut state = self.state();
        let reshaped = std::mem::take(&mut state.reshaped);
        reshaped.into_iter().filter_map(|direction| Some((direction, state.shapes.get(&direction)?.clone()))).collect()
    }

    /// What passed in every direction since the start.
    ///
    /// # Errors
    /// When the carrier can't be asked.
    pub fn counters(&self) -> Result<BTreeMap<Direction, Counters>, FabricError> {
        Ok(self.state().carrier.counters()?)
    }

    /// How the carrier is doing.
    ///
    /// # Errors
    /// When the carrier can't be asked.
    pub fn vitals(&self) -> Result<Vitals, FabricError> {
        Ok(self.state().carrier.vitals()?)
    }

    /// Lets whatever `from` sends to `to` vanish at the receiver, however it is routed, established
    /// connections included. Blocking twice needs unblocking twice.
    ///
    /// # Errors
    /// When a host doesn't exist or the kernel refuses the rule.
    pub fn block(&self, from: usize, to: usize) -> Result<(), FabricError> {
        let mut state = self.state();
        let times = state.blocked.entry(Direction { from, to }).or_default();
        if *times == 0 {
            let rule = RouteNetlinkMessage::NewRule(blackhole_rule(self.address(from), self.address(to)));
            self.host(from)?;
            self.host(to)?.namespace.request("adding a blackhole rule", rule, NLM_F_CREATE | NLM_F_EXCL)?;
        }
        *times += 1;
        Ok(())
    }

    /// Takes back one [`Fabric::block`]; nothing happens if there was none.
    ///
    /// # Errors
    /// When a host doesn't exist or the kernel refuses to remove the rule.
    pub fn unblock(&self, from: usize, to: usize) -> Result<(), FabricError> {
        let mut state = self.state();
        match state.blocked.get_mut(&Direction { from, to }) {
            None | Some(0) => {}
            Some(1) => {
                let rule = RouteNetlinkMessage::DelRule(blackhole_rule(self.address(from), self.address(to)));
                self.host(to)?.namespace.request("removing a blackhole rule", rule, 0)?;
                state.blocked.remove(&Direction { from, to });
            }
            Some(times) => *times -= 1,
        }
        Ok(())
    }

    fn host(&self, host: usize) -> Result<&Host, FabricError> {
        self.hosts.get(host).ok_or(FabricError::NoSuchHost(host))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change leaves the state whole before the next request that could fail.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells every interface how large its super-frames may be, where that has changed.
    fn limit_super_frames(&self, state: &mut State) -> Result<(), FabricError> {
        let mut wanted: BTreeMap<(usize, u32), u32> = BTreeMap::new();
        for (direction, limit) in gso::limits(state.carrier.as_ref(), &state.shapes, &self.next_hops) {
            if let Some((index, _)) = self.host(direction.from)?.neighbours.get(&direction.to) {
                let least = wanted.entry((direction.from, *index)).or_insert(UNLIMITED_SEGMENTS);
                *least = limit.min(*least);
            }
        }
        for (&(from, index), &limit) in &wanted {
            let before = state.segments.get(&(from, index)).copied();
            if before.unwrap_or(UNLIMITED_SEGMENTS) != limit {
                let host = self.host(from)?;
                let told = host.namespace.netlink(|socket| veth::set_segments(socket, index, limit));
                told.map_err(CarrierError::netlink(format!("limiting super-frames of host {from}")))?;
                // Connections learn it when they look for their route again: any route that is replaced makes them.
                if before.is_some() {
                    host.connect(from, &self.next_hops)?;
                }
            }
        }
        state.segments = wanted;
        Ok(())
    }
}

impl Host {
    /// Neighbours and routes; harmless when they are there already.
    fn connect(&self, own: usize, next_hops: &NextHops) -> Result<(), FabricError> {
        for (&neighbour, &(index, mac)) in &self.neighbours {
            routes::add_neighbour(&self.namespace, index, address::address(neighbour), mac)?;
        }
        for (hosts, via) in routes::runs(own, &next_hops[own]) {
            let &(index, _) =
                self.neighbours.get(&via).ok_or(FabricError::Inconsistent("a next hop is no neighbour"))?;
            for block in address::prefixes(hosts) {
                routes::add(&self.namespace, block, index, address::address(via), address::address(own))?;
            }
        }
        Ok(())
    }
}

/// Whether the parts speak of the same hosts, so that nothing is out of bounds later.
fn check(network: &Network, names: &[String], next_hops: &NextHops) -> Result<(), FabricError> {
    let hosts = network.hosts();
    let inconsistent = |wrong: bool, what| if wrong { Err(FabricError::Inconsistent(what)) } else { Ok(()) };
    inconsistent(hosts > address::MOST_HOSTS, "there are more hosts than addresses")?;
    inconsistent(names.len() != hosts, "there is not one name for each host")?;
    let square = |rows: &NextHops| rows.len() == hosts && rows.iter().all(|row| row.len() == hosts);
    inconsistent(!square(next_hops), "next hops are not a square of all hosts")?;
    let strays = network.links.iter().any(|link| link.a >= hosts || link.b >= hosts || link.a == link.b);
    inconsistent(strays, "a link's end is no host, or both ends are the same")?;
    for medium in &network.media {
        let count = medium.members.len();
        inconsistent(medium.members.iter().any(|host| *host >= hosts), "a medium's member is no host")?;
        let square = medium.shapes.len() == count && medium.shapes.iter().all(|row| row.len() == count);
        inconsistent(!square, "a medium's shapes are not a square of its members")?;
        let mut members = medium.members.clone();
        members.sort_unstable();
        members.dedup();
        inconsistent(members.len() != count, "a host is on a medium twice")?;
    }
    Ok(())
}
