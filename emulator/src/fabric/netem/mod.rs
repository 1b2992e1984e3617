//! The carrier that the kernel brings along: a link is a pair of interfaces with a netem qdisc at each end,
//! a medium is a [bridge](medium) with a netem for each ordered pair at its sender. Every parameter is read
//! back after it was set.
//!
//! What netem can't do: say whether it dropped a packet because the shape loses it or because its queue was
//! full (see [`Netem::counters`]), bound its queue in bytes (it counts packets, and those that are on their
//! way too), duplicate on a medium (kernels since 6.16 refuse that), and repeat a loss pattern before Linux 6.7.

mod attributes;
mod filter;
mod htb;
mod ledger;
pub(super) mod medium;
mod parameters;
pub(super) mod qdisc;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::carrier::{Carrier, CarrierError, Plug, UNLIMITED_SEGMENTS, Vitals};
use super::namespace::Namespace;
use super::netlink::Socket;
use super::veth::{self, Mac};
use super::{Counters, Direction, Shape};
use crate::scenario::network::{Airtime, Loss, Medium};
use ledger::Ledger;
use parameters::Parameters;
use planner::units::Rate;
use qdisc::{Listed, Place, ROOT, Statistics, id};

const KIND: &str = "netem";

/// Up to this rate packets go one by one: netem's limit counts a super-frame as one packet, and any machine
/// manages so many packets.
const ONE_BY_ONE: Rate = Rate::from_bits_per_second(5_000_000_000);

/// The netem carrier.
pub struct Netem {
    seed: u64,
    leaves: BTreeMap<Direction, Leaf>,
    /// Held for the bridges in them.
    hubs: Vec<Namespace>,
    /// Whether every shape that needs a seed has got one from the kernel.
    seeded: bool,
}

/// One direction's netem.
struct Leaf {
    namespace: Arc<Namespace>,
    place: Place,
    shape: Shape,
    /// What passed when it was counted last.
    packets: u64,
    bytes: u64,
    ledger: Ledger,
}

impl Netem {
    /// A carrier whose random numbers follow from `seed`, where the kernel takes one.
    pub fn new(seed: u64) -> Netem {
        Netem { seed, leaves: BTreeMap::new(), hubs: Vec::new(), seeded: true }
    }

    /// Tries everything that links need, and what media need too if there are any, in a throwaway namespace.
    ///
    /// # Errors
    /// [`CarrierError::Unavailable`] with the first thing that the kernel refused, and its reason.
    pub(super) fn try_in(namespace: &Arc<Namespace>, media: bool) -> Result<(), CarrierError> {
        let plug = |host, name| Plug {
            host,
            namespace,
            name,
            index: 100 + host as u32,
            mac: Mac([2, 0, 0, 0, 0, host as u8]),
        };
        let mut trial = Netem::new(1);
        let shape = Shape {
            rate: Some(Rate::from_mbits_per_second(10.0)),
            delay: std::time::Duration::from_millis(20),
            jitter: std::time::Duration::from_millis(1),
            loss: Loss::GilbertElliott { p: 0.01, r: 0.5, bad: 1.0, good: 0.0 },
            ..Shape::default()
        };
        let (a, b) = (plug(0, "trial0"), plug(1, "trial1"));
        let tried = trial.add_link(a, b, &shape, &shape).and_then(|()| {
            let members = [plug(2, "trial2"), plug(3, "trial3")];
            let shapes = vec![vec![shape.clone(); 2]; 2];
            let (name, airtime) = ("trial".to_owned(), Airtime::Independent);
            let medium = Medium { name, members: vec![2, 3], shapes, airtime };
            if media { trial.add_medium(&medium, &members) } else { Ok(()) }
        });
        tried.map_err(|error| match error {
            CarrierError::Netlink { action, source } => {
                CarrierError::Unavailable { carrier: KIND, reason: format!("{action}: {source}") }
            }
            other => CarrierError::Unavailable { carrier: KIND, reason: other.to_string() },
        })
    }

    /// Adds a netem at each place, reads all of them back, and takes note of them.
    fn shape_all(
        &mut self,
        namespace: &Arc<Namespace>,
        index: u32,
        leaves: Vec<(Direction, Place, Shape)>,
    ) -> Result<(), CarrierError> {
        for (direction, place, shape) in &leaves {
            within_netem(shape)?;
            let options = parameters(self.seed, *direction, shape).encode(&shape.distribution);
            namespace
                .netlink(|socket| qdisc::add(socket, *place, KIND, options))
                .map_err(CarrierError::netlink(format!("adding netem to host {}", direction.from)))?;
        }
        let listed = namespace.netlink(|socket| list(socket, index))?;
        for (direction, place, shape) in leaves {
            let (got, _) = compare(&parameters(self.seed, direction, &shape), direction, place, &listed)?;
            self.seeded &= got.seeded() || !shape.is_random();
            let leaf = Leaf {
                namespace: Arc::clone(namespace),
                place,
                shape,
                packets: 0,
                bytes: 0,
                ledger: Ledger::default(),
            };
            if self.leaves.insert(direction, leaf).is_some() {
                return Err(CarrierError::JoinedTwice(direction));
            }
        }
        Ok(())
    }
}

impl Carrier for Netem {
    fn name(&self) -> &'static str {
        KIND
    }

    fn add_link(&mut self, a: Plug<'_>, b: Plug<'_>, a_to_b: &Shape, b_to_a: &Shape) -> Result<(), CarrierError> {
        veth::create(a.end(), b.end())
            .map_err(CarrierError::netlink(format!("joining host {} and host {}", a.host, b.host)))?;
        for (from, to, shape) in [(a, b, a_to_b), (b, a, b_to_a)] {
            let direction = Direction { from: from.host, to: to.host };
            let place = Place { index: from.index, handle: id(1, 0), parent: ROOT };
            self.shape_all(from.namespace, from.index, vec![(direction, place, shape.clone())])?;
        }
        Ok(())
    }

    fn add_medium(&mut self, medium: &Medium, members: &[Plug<'_>]) -> Result<(), CarrierError> {
        if medium.airtime == Airtime::Shared {
            let what = "share a medium's airtime: the kernel shapes each sender by itself";
            return Err(CarrierError::Unsupported { carrier: KIND, what, instead: "use --links software" });
        }
        self.hubs.push(medium::join(&medium.name, members)?);
        for (sender, row) in members.iter().zip(&medium.shapes) {
            let others = || members.iter().zip(row).filter(|(member, _)| member.host != sender.host);
            let receivers: Vec<(usize, Mac)> = others().map(|(member, _)| (member.host, member.mac)).collect();
            let places = sender.namespace.netlink(|socket| {
                let places = medium::sort(socket, sender, &receivers)?;
                medium::verify_sorting(socket, sender, &receivers)?;
                Ok::<_, CarrierError>(places)
            })?;
            let leaves = places.into_iter().filter_map(|(direction, place)| {
                let (_, shape) = others().find(|(member, _)| member.host == direction.to)?;
                Some((direction, place, shape.clone()))
            });
            self.shape_all(sender.namespace, sender.index, leaves.collect())?;
        }
        Ok(())
    }

    fn start(&mut self) -> Result<(), CarrierError> {
        Ok(())
    }

    fn set_shape(&mut self, direction: Direction, shape: &Shape) -> Result<Shape, CarrierError> {
        within_netem(shape)?;
        let leaf = self.leaves.get(&direction).ok_or(CarrierError::NoSuchDirection(direction))?;
        let options = parameters(self.seed, direction, shape).encode(&shape.distribution);
        let listed = leaf.namespace.netlink(|socket| {
            qdisc::change(socket, leaf.place, KIND, options).map_err(CarrierError::netlink(format!(
                "changing the netem from host {} to host {}",
                direction.from, direction.to
            )))?;
            list(socket, leaf.place.index)
        })?;
        let (got, statistics) = compare(&parameters(self.seed, direction, shape), direction, leaf.place, &listed)?;
        self.seeded &= got.seeded() || !shape.is_random();
        if let Some(leaf) = self.leaves.get_mut(&direction) {
            // What was dropped until now was dropped under the old shape.
            leaf.ledger.book(statistics.drops, &leaf.shape);
            leaf.shape = shape.clone();
        }
        Ok(got.shape(shape))
    }

    fn counters(&mut self) -> Result<BTreeMap<Direction, Counters>, CarrierError> {
        Ok(self.vitals()?.counters)
    }

    fn vitals(&mut self) -> Result<Vitals, CarrierError> {
        // One listing for each sender has all of its directions.
        let mut listings: BTreeMap<usize, Vec<Listed>> = BTreeMap::new();
        let mut vitals = Vitals::default();
        let (seed, counters, under_way) = (self.seed, &mut vitals.counters, &mut vitals.under_way);
        for (direction, leaf) in &mut self.leaves {
            let listing = match listings.entry(direction.from) {
                Entry::Occupied(listing) => listing.into_mut(),
                Entry::Vacant(place) => {
                    let listed = leaf.namespace.netlink(qdisc::list_all);
                    place.insert(listed.map_err(CarrierError::netlink("listing qdiscs"))?)
                }
            };
            let found = listing.iter().find(|listed| {
                listed.kind == KIND
                    && listed.place.index == leaf.place.index
                    && listed.place.handle == leaf.place.handle
            });
            // Of one that was taken away, what it counted until it was seen last.
            if let Some(Statistics { packets, bytes, drops, length }) = found.map(|listed| listed.statistics) {
                (leaf.packets, leaf.bytes) = (packets, bytes);
                leaf.ledger.book(drops, &leaf.shape);
                if length > 0 {
                    under_way.insert(*direction, u64::from(length));
                }
            }
            let Leaf { packets, bytes, ledger: Ledger { lost, overflowed, .. }, .. } = *leaf;
            counters.insert(*direction, Counters { packets, bytes, lost, overflowed, ..Counters::default() });
            let asked = parameters(seed, *direction, &leaf.shape);
            if let Err(error) = compare(&asked, *direction, leaf.place, listing) {
                vitals.amiss.push((*direction, error.to_string()));
            }
        }
        Ok(vitals)
    }

    fn longest_super_frame(&self, shape: &Shape) -> u32 {
        let plain = Shape { rate: None, delay: shape.delay, queue: shape.queue, ..Shape::default() };
        let one_by_one = shape.rate.is_some_and(|rate| rate <= ONE_BY_ONE)
            || Shape { rate: None, distribution: plain.distribution.clone(), ..shape.clone() } != plain;
        if one_by_one { 1 } else { UNLIMITED_SEGMENTS }
    }

    fn warnings(&self) -> Vec<String> {
        let unseeded = "this kernel's netem takes no seed (Linux 6.7 and later do): which packets are lost, delayed or \
                        corrupted differs from run to run";
        if self.seeded { Vec::new() } else { vec![unseeded.to_owned()] }
    }
}

fn parameters(seed: u64, direction: Direction, shape: &Shape) -> Parameters {
    Parameters::of(shape, seed_for(seed, direction))
}

fn within_netem(shape: &Shape) -> Result<(), CarrierError> {
    match shape.beyond_netem() {
        None => Ok(()),
        Some(what) => Err(CarrierError::Unsupported { carrier: KIND, what, instead: "use --links software" }),
    }
}

/// What is in force at a place, if it is what was asked.
fn compare(
    asked: &Parameters,
    direction: Direction,
    place: Place,
    listed: &[Listed],
) -> Result<(Parameters, Statistics), CarrierError> {
    let mismatch = |parameter, asked, got| CarrierError::Mismatch { direction, parameter, asked, got };
    let found = listed
        .iter()
        .find(|listed| listed.place.index == place.index && listed.place.handle == place.handle)
        .ok_or_else(|| mismatch("qdisc", KIND.to_owned(), "none".to_owned()))?;
    if found.kind != KIND {
        return Err(mismatch("qdisc", KIND.to_owned(), found.kind.clone()));
    }
    let got = Parameters::decode(&found.options)
        .ok_or_else(|| mismatch("qdisc", KIND.to_owned(), "a netem of another form".to_owned()))?;
    match asked.difference(&got) {
        None => Ok((got, found.statistics)),
        Some((parameter, asked, got)) => Err(mismatch(parameter, asked, got)),
    }
}

/// The qdiscs of one interface.
fn list(socket: &mut Socket, index: u32) -> Result<Vec<Listed>, CarrierError> {
    qdisc::list(socket, index).map_err(CarrierError::netlink("reading back qdiscs"))
}

/// A seed of its own for every direction (the mixing function of SplitMix64; Steele, Lea and Flood 2014).
fn seed_for(seed: u64, direction: Direction) -> u64 {
    let mut mixed = seed ^ ((direction.from as u64) << 32 | direction.to as u64);
    mixed = mixed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
