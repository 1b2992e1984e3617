//! The software carrier: shapes in this process what netem would shape in the kernel, on any kernel and
//! without root.
//!
//! Every interface of a host is one end of a pair whose other end is in a namespace of the carrier's own, the hub.
//! There a thread reads and writes frames through packet sockets (with offload headers, so that TCP's super-frames
//! pass whole where nobody could tell) and lets every frame leave when its direction's [`shape`] says. Packets of a TCP connection that
//! leave at the same moment are handed over as one super-frame ([`frame::merge`]). When a thread has too much to do, another gets a part of
//! it ([`handover`]).
//!
//! ```text
//! host a ── pair ── socket ─▶ which direction? ─▶ shape ─▶ schedule ─▶ socket ── pair ── host b
//! ```
//!
//! Where a medium's airtime is shared, a packet waits for its sender's turn before it is transmitted ([`air`]); where a queue is kept
//! short, for its own direction's.
//!
//! In the steady state nothing is allocated: frames wait in a [`pool`], departures in a [`schedule`], both
//! of fixed size. What doesn't fit is dropped and counted. (Queues for the air grow to what waited in them at most.)

pub mod air;
mod control;
mod flight;
mod forwarder;
pub mod frame;
mod handover;
mod landing;
mod load;
mod outbox;
pub mod pool;
pub mod schedule;
pub mod shape;
mod socket;
pub(crate) mod wait;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use self::air::Air;
use self::control::{Shared, Tally};
use self::flight::{Flight, Path};
use self::forwarder::{Destinations, Forwarder, LONG_VIGIL, Port, Share, VIGIL};
pub use self::load::Growth;
use self::shape::{Shaper, longest_lump};
use super::carrier::{Plug, Vitals};
use super::lateness::Monitor;
use super::netem::qdisc;
use super::veth::{self, Mac};
use super::{Carrier, CarrierError, Counters, Direction, Namespace, Shape};
use crate::scenario::network::{Airtime, Medium};

/// The carrier's name.
pub(super) const NAME: &str = "software";
const NAME_PRECISE: &str = "software-precise";
/// Index of the hub's first interface, above those that kernels put into fresh namespaces by themselves.
const FIRST_INDEX: u32 = 100;
/// How many hosts are looked at in each second.
const AUDITED: usize = 32;
/// What an interface of a pair has by itself.
const NONE: [&str; 2] = ["noqueue", ""];

/// The software carrier.
pub struct Software {
    seed: u64,
    precise: bool,
    growth: Growth,
    hub: Namespace,
    sender: Option<OwnedFd>,
    // By interface of the hub, from FIRST_INDEX on, with the air that it shares.
    ports: Vec<(Destinations, Option<usize>)>,
    indices: BTreeMap<Direction, Planned>,
    /// How many stations share each air.
    airs: Vec<usize>,
    monitor: Arc<Monitor>,
    /// Each host that has interfaces.
    plugged: VecDeque<Plugged>,
    running: Option<Running>,
}

/// A direction as it was added.
struct Planned {
    number: u32,
    index: u32,
    shape: Shape,
    /// The air that its sender shares, and as which station; `None`: it has its wire for itself.
    station: Option<(usize, usize)>,
}

/// A host's namespace.
struct Plugged {
    namespace: Arc<Namespace>,
    /// The interfaces that this carrier made there, by index, with a direction that each sends into.
    interfaces: BTreeMap<u32, Direction>,
}

struct Running {
    shared: Arc<Shared>,
    sockets: Vec<Arc<OwnedFd>>,
    unread: AtomicU64,
    /// As long as it is there, processors don't sleep.
    _awake: Option<File>,
}

/// In which respect the carrier can't do all that it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// The forwarding thread competes with all others for processors.
    #[error(
        "the forwarding thread runs without real-time priority ({reason}): when the host is busy, packets may \
         leave milliseconds late; run as root to avoid that"
    )]
    NoPriority {
        /// The kernel's reason.
        reason: String,
    },
    /// Processors may go to sleep, though a precise forwarder wants them awake.
    #[error(
        "processors can't be kept awake ({reason}): delays are less exact than `--links precise` gets them where it may, \
         and the forwarding thread takes up to half a core instead; run as root to avoid that"
    )]
    Sleepy {
        /// Why not.
        reason: String,
    },
    /// The forwarding thread has ended, and nothing passes any more.
    #[error("the forwarding thread has ended: {reason}")]
    Ended {
        /// Why.
        reason: String,
    },
}

impl Software {
    /// Something of every direction's tally; nothing before the start.
    fn tallied<T: Default>(&self, of: impl Fn(&Tally) -> T) -> BTreeMap<Direction, T> {
        let read = |planned: &Planned| {
            self.running
                .as_ref()
                .map_or_else(T::default, |running| of(&running.shared.tallies[planned.number as usize]))
        };
        self.indices.iter().map(|(direction, planned)| (*direction, read(planned))).collect()
    }

    /// A carrier whose every random choice follows from `seed`.
    ///
    /// # Errors
    /// [`CarrierError::Unavailable`] with the kernel's reason where packet sockets can't be had;
    /// [`CarrierError::Namespace`] where namespaces can't.
    pub fn new(seed: u64) -> Result<Software, CarrierError> {
        let hub = Namespace::create("hub")?;
        let sender = hub
            .enter(socket::sender)?
            .map_err(|error| CarrierError::Unavailable { carrier: NAME, reason: format!("packet sockets: {error}") })?;
        Ok(Software {
            seed,
            precise: false,
            growth: Growth::default(),
            hub,
            sender: Some(sender),
            ports: Vec::new(),
            indices: BTreeMap::new(),
            airs: Vec::new(),
            monitor: Arc::new(Monitor::new()),
            plugged: VecDeque::new(),
            running: None,
        })
    }

    /// Spins instead of sleeping during the last 150 µs before departures: these are sharper then, and a
    /// good part of a processor is gone. To be called before [`Carrier::start`].
    pub fn precise(mut self) -> Software {
        self.precise = true;
        self
    }

    /// With other threads when the load asks for them. To be called before [`Carrier::start`].
    pub fn growing(mut self, growth: Growth) -> Software {
        self.growth = growth;
        self
    }

    /// How well the forwarding threads keep up, also after the carrier has been handed on.
    pub fn monitor(&self) -> Arc<Monitor> {
        Arc::clone(&self.monitor)
    }

    /// In which respects the carrier can't do all that it should, so far.
    pub fn typed_warnings(&self) -> Vec<Warning> {
        self.running.as_ref().map(Running::warnings).unwrap_or_default()
    }

    /// Makes the pair whose one end is the host's interface.
    fn plug_in(&mut self, plug: &Plug<'_>, destinations: Destinations, air: Option<usize>) -> Result<(), CarrierError> {
        let index = FIRST_INDEX + self.ports.len() as u32;
        let name = format!("p{}", self.ports.len());
        let [_, rest @ ..] = plug.mac.0;
        let [a, b, c, d, e] = rest;
        // Locally administered like the host's own, but another.
        let mac = Mac([0x06, a, b, c, d, e]);
        veth::create(
            veth::End { namespace: plug.namespace, name: plug.name, index: plug.index, mac: plug.mac },
            veth::End { namespace: &self.hub, name: &name, index, mac },
        )
        .map_err(CarrierError::netlink(format!("making the interface {} of host {}", plug.name, plug.host)))?;
        self.ports.push((destinations, air));
        Ok(())
    }

    /// Plugs in all members, every one able to reach every other; `air`: the one that they share.
    fn join(
        &mut self,
        members: &[Plug<'_>],
        air: Option<usize>,
        shape: impl Fn(usize, usize) -> Shape,
    ) -> Result<(), CarrierError> {
        let first = self.ports.len() as u32 + FIRST_INDEX;
        let mut destinations: Vec<Destinations> = vec![Vec::new(); members.len()];
        for (i, from) in members.iter().enumerate() {
            for (j, to) in members.iter().enumerate().filter(|(j, _)| *j != i) {
                let direction = Direction { from: from.host, to: to.host };
                let number = self.indices.len() as u32;
                let Entry::Vacant(entry) = self.indices.entry(direction) else {
                    return Err(CarrierError::JoinedTwice(direction));
                };
                let station = air.map(|air| (air, i));
                entry.insert(Planned { number, index: first + j as u32, shape: shape(i, j), station });
                destinations[i].push((to.mac.0, number));
            }
            destinations[i].sort_unstable();
            if let Some((_, to)) = members.iter().enumerate().find(|(j, _)| *j != i) {
                let direction = Direction { from: from.host, to: to.host };
                let known = self.plugged.iter_mut().find(|host| Arc::ptr_eq(&host.namespace, from.namespace));
                if let Some(host) = known {
                    host.interfaces.insert(from.index, direction);
                } else {
                    let interfaces = BTreeMap::from([(from.index, direction)]);
                    self.plugged.push_back(Plugged { namespace: Arc::clone(from.namespace), interfaces });
                }
            }
        }
        for (plug, destinations) in members.iter().zip(destinations) {
            self.plug_in(plug, destinations, air)?;
        }
        Ok(())
    }

    /// Hosts' interfaces on which something waits that this carrier didn't put there: a qdisc that holds packets back where
    /// it can't see them; and why a host could not be looked at. Some hosts at each call, in turn, so that a large network costs no more.
    fn strangers(&mut self) -> (Vec<(Direction, String)>, Option<String>) {
        let (mut found, mut unseen) = (Vec::new(), None);
        let count = self.plugged.len().min(AUDITED);
        for Plugged { namespace, interfaces } in self.plugged.iter().take(count) {
            let listed = match namespace.netlink(qdisc::list_all) {
                Ok(listed) => listed,
                Err(error) => {
                    unseen = Some(format!("listing qdiscs: {error}"));
                    continue;
                }
            };
            for strange in listed.iter().filter(|listed| !NONE.contains(&&*listed.kind)) {
                if let Some(direction) = interfaces.get(&strange.place.index) {
                    let kind = &strange.kind;
                    found.push((*direction, format!("the sender's interface has a qdisc {kind}, which is not emu's")));
                }
            }
        }
        self.plugged.rotate_left(count);
        (found, unseen)
    }
}

impl Carrier for Software {
    fn name(&self) -> &'static str {
        if self.precise { NAME_PRECISE } else { NAME }
    }

    fn add_link(&mut self, a: Plug<'_>, b: Plug<'_>, a_to_b: &Shape, b_to_a: &Shape) -> Result<(), CarrierError> {
        self.join(&[a, b], None, |from, _| if from == 0 { a_to_b.clone() } else { b_to_a.clone() })
    }

    fn add_medium(&mut self, medium: &Medium, members: &[Plug<'_>]) -> Result<(), CarrierError> {
        let air = (medium.airtime == Airtime::Shared).then(|| {
            self.airs.push(members.len());
            self.airs.len() - 1
        });
        self.join(members, air, |from, to| medium.shapes[from][to].clone())
    }

    fn start(&mut self) -> Result<(), CarrierError> {
        let Some(sender) = self.sender.take() else { return Ok(()) };
        let mut planned: Vec<(&Direction, &Planned)> = self.indices.iter().collect();
        planned.sort_unstable_by_key(|(_, planned)| planned.number);
        let mut airs: Vec<_> = self.airs.iter().map(|stations| Air::new(*stations)).collect();
        let paths = planned
            .into_iter()
            .map(|(&direction, planned)| {
                let shaper = Shaper::new(&planned.shape, self.seed, direction);
                let mut station = planned.station;
                if station.is_none() && shaper.decides_late() {
                    station = Some((airs.len(), 0));
                    airs.push(Air::new(1));
                }
                Some(Box::new(Path { shaper, index: planned.index, station, waiting: 0 }))
            })
            .collect();
        let shared = Arc::new(Shared::new(self.indices.len(), self.monitor(), self.growth));
        let open = || (FIRST_INDEX..).take(self.ports.len()).map(socket::receiver).collect::<Result<Vec<_>, _>>();
        let sockets = self.hub.enter(open)?.map_err(CarrierError::io("opening packet sockets"))?;
        let sockets: Vec<Arc<OwnedFd>> = sockets.into_iter().map(Arc::new).collect();
        let ports = sockets.iter().cloned().zip(std::mem::take(&mut self.ports));
        let ports =
            ports.map(|(socket, (destinations, air))| Some(Port { socket, destinations, air, work: 0 })).collect();
        let awake = self.precise.then(wait::keep_processors_awake).transpose();
        let vigil = if awake.is_ok() { VIGIL } else { LONG_VIGIL };
        if let Err(error) = &awake {
            shared.refuse_wakefulness(error.to_string());
        }
        let flight = Flight::new(paths, airs, Arc::clone(&shared));
        let share = Share { ports, flight, sender: Arc::new(sender), vigil };
        shared
            .start(move |bell| Forwarder::run(share, bell))
            .map_err(CarrierError::io("starting the forwarding thread"))?;
        shared.await_beginning();
        self.running = Some(Running { shared, sockets, unread: AtomicU64::new(0), _awake: awake.unwrap_or_default() });
        Ok(())
    }

    fn set_shape(&mut self, direction: Direction, shape: &Shape) -> Result<Shape, CarrierError> {
        let planned = self.indices.get_mut(&direction).ok_or(CarrierError::NoSuchDirection(direction))?;
        if let Some(running) = &self.running {
            running.shared.set_shape(planned.number, shape).map_err(|reason| CarrierError::Ended { reason })?;
        }
        planned.shape = shape.clone();
        Ok(planned.shape.clone())
    }

    fn counters(&mut self) -> Result<BTreeMap<Direction, Counters>, CarrierError> {
        Ok(self.tallied(Tally::read))
    }

    fn vitals(&mut self) -> Result<Vitals, CarrierError> {
        let (amiss, unseen) = self.strangers();
        Ok(Vitals {
            counters: self.tallied(Tally::read),
            under_way: self.tallied(Tally::under_way).into_iter().filter(|(_, packets)| *packets > 0).collect(),
            lateness: Some(self.monitor.lateness()),
            unread: self.running.as_ref().map_or(0, Running::unread),
            threads: self.running.as_ref().map_or(0, |running| running.shared.threads()),
            amiss,
            unseen,
        })
    }

    fn longest_super_frame(&self, shape: &Shape) -> u32 {
        // Super-frames are taken apart here where it matters; on slow directions it costs less not to build them.
        longest_lump(shape, shape.queue_bytes().bytes(), Shape::PACKET as u32).min(super::carrier::UNLIMITED_SEGMENTS)
    }

    fn warnings(&self) -> Vec<String> {
        self.typed_warnings().iter().map(Warning::to_string).collect()
    }
}

impl Running {
    /// Frames that were dropped before they could be read, since the start.
    fn unread(&self) -> u64 {
        // The kernel forgets what it has told.
        let fresh: u64 = self.sockets.iter().filter_map(|socket| socket::unread(socket).ok()).sum();
        self.unread.fetch_add(fresh, Ordering::Relaxed) + fresh
    }

    fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if let Some(reason) = self.shared.ended() {
            warnings.push(Warning::Ended { reason });
        }
        if let Some(reason) = self.shared.priority_refused() {
            warnings.push(Warning::NoPriority { reason });
        }
        if let Some(reason) = self.shared.wakefulness_refused() {
            warnings.push(Warning::Sleepy { reason });
        }
        warnings
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.stop();
        socket::close(std::mem::take(&mut self.sockets));
    }
}
