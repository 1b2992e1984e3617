//! What connects the nodes: links, media, and the shape of each direction.

use std::collections::BTreeSet;
use std::time::Duration;

use planner::cluster::paths::{Edge, Routes};
use planner::units::{ByteSize, Rate, duration};
use serde::{Deserialize, Serialize};

/// Links and media over hosts. Hosts are numbered: the nodes of the scenario first, in their order,
/// then the switches. Every host has one address, and forwards for others where routes lead through it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Network {
    /// Number of nodes.
    pub nodes: usize,
    /// Hosts that only forward, by name.
    pub switches: Vec<String>,
    /// Links.
    pub links: Vec<Link>,
    /// Media.
    pub media: Vec<Medium>,
    /// Where each node is, in metres from the left and the bottom; empty where nodes have no place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub positions: Vec<[f64; 2]>,
}

/// Two ends and what passes between them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// The host at one end.
    pub a: usize,
    /// The host at the other end.
    pub b: usize,
    /// Shape from `a` to `b`.
    pub a_to_b: Shape,
    /// Shape from `b` to `a`.
    pub b_to_a: Shape,
}

/// One interface for each member; every ordered pair of members has its own shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Medium {
    /// Its name.
    pub name: String,
    /// The hosts on it.
    pub members: Vec<usize>,
    /// `shapes[i][j]`: from `members[i]` to `members[j]`; the diagonal is not used.
    pub shapes: Vec<Vec<Shape>>,
    /// Whose the rates are.
    #[serde(default)]
    pub airtime: Airtime,
}

/// Whether the pairs of a medium are in each other's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Airtime {
    /// Each pair has its rate for itself.
    #[default]
    Independent,
    /// While one node sends, no other can, as in the air: a pair's rate is what it has when all others
    /// are silent. Only links in software can do that.
    Shared,
}

/// What happens to packets on their way from one host to another. The default does nothing to them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shape {
    /// Rate, counted in bytes on the wire with the Ethernet header; `None`: not limited.
    pub rate: Option<Rate>,
    /// Time that every packet takes besides its transmission.
    #[serde(with = "duration")]
    pub delay: Duration,
    /// Variation of the delay: the standard deviation, or half the width of the uniform distribution.
    #[serde(with = "duration")]
    pub jitter: Duration,
    /// How much the jitter of one packet has to do with that of the one before, 0 to 1. Only links in software can do that.
    pub jitter_correlation: f64,
    /// How the delay varies.
    pub distribution: Distribution,
    /// Which packets are lost.
    pub loss: Loss,
    /// Share of packets that skip the delay and so overtake others, 0 to 1. Needs a delay.
    pub reorder: f64,
    /// Packets from one that overtakes to the next at least, as netem's gap; 0 and 1: any may.
    pub reorder_gap: u32,
    /// Share of packets that arrive twice, 0 to 1.
    pub duplicate: f64,
    /// Share of packets in which one bit is flipped, 0 to 1.
    pub corrupt: f64,
    /// How much may wait for the rate before packets are dropped; `None`: sized from rate and delay,
    /// see [`Shape::queue_bytes`].
    pub queue: Option<Queue>,
    /// Which packets are dropped though the queue has room. Only links in software can do more than the default.
    pub aqm: Aqm,
}

/// How a queue is kept short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aqm {
    /// Only what finds it full is dropped.
    #[default]
    DropTail,
    /// CoDel (RFC 8289), with its target of 5 ms and its interval of 100 ms.
    Codel,
}

/// How a delay varies around its mean.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// Evenly in delay ± jitter.
    Uniform,
    /// Normally, jitter being the standard deviation.
    #[default]
    Normal,
    /// Pareto, as in iproute2's table.
    Pareto,
    /// As measured: quantiles in jitters at equal steps from the least to the most, with straight lines between them. At least two, of
    /// which none is less than the one before, within ± [`Distribution::MOST`].
    Table(Vec<f64>),
}

impl Distribution {
    /// How many jitters a delay may differ from its mean: netem's tables end there.
    pub const MOST: f64 = 3.999;
    /// How many quantiles make a table.
    pub const QUANTILES: std::ops::RangeInclusive<usize> = 2..=4096;
}

/// Which packets are lost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Each with the same probability, 0 to 1.
    Random(f64),
    /// In bursts: the Gilbert-Elliott model (Gilbert 1960, Elliott 1963), a good and a bad state.
    GilbertElliott {
        /// Probability, per packet, to go from good to bad.
        p: f64,
        /// Probability, per packet, to go from bad to good.
        r: f64,
        /// Probability of loss in the bad state (1 − h).
        bad: f64,
        /// Probability of loss in the good state (1 − k).
        good: f64,
    },
}

impl Default for Loss {
    fn default() -> Loss {
        Loss::Random(0.0)
    }
}

/// How much may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Queue {
    /// So many bytes.
    Bytes(ByteSize),
    /// So many packets of full size.
    Packets(u32),
    /// As much as the rate carries in this time.
    Time(#[serde(with = "duration")] Duration),
}

impl Shape {
    /// Bytes on the wire of a full-size packet: 1500 bytes of IP and the Ethernet header.
    pub const PACKET: u64 = 1514;

    /// What may wait when the scenario doesn't say: what the rate carries in 50 ms or in the round
    /// trip, whichever is more, and at least 16 full-size packets. Enough to keep TCP at full rate,
    /// little enough that a heartbeat behind it is not taken for a dead node.
    pub fn queue_bytes(&self) -> ByteSize {
        let least = ByteSize::from_bytes(16 * Shape::PACKET);
        let in_time = |time| self.rate.map_or(ByteSize::from_mib(16), |rate| rate.amount_in(time)).max(least);
        match self.queue {
            Some(Queue::Bytes(size)) => size,
            Some(Queue::Packets(count)) => ByteSize::from_bytes(u64::from(count) * Shape::PACKET),
            Some(Queue::Time(time)) => in_time(time),
            None => in_time(Duration::from_millis(50).max(2 * self.delay)),
        }
    }

    /// What netem can't do of it. It has a correlation, too, but one that bends the distribution.
    pub fn beyond_netem(&self) -> Option<&'static str> {
        match self.aqm {
            Aqm::Codel => Some("keep a queue short by CoDel, before its rate"),
            Aqm::DropTail if self.jitter_correlation > 0.0 => Some("correlate jitter without bending its distribution"),
            Aqm::DropTail => None,
        }
    }

    /// Whether nothing passes.
    pub fn is_severed(&self) -> bool {
        matches!(self.loss, Loss::Random(share) if share >= 1.0)
    }

    /// The same shape through which nothing passes.
    pub fn severed(&self) -> Shape {
        Shape { loss: Loss::Random(1.0), ..self.clone() }
    }

    /// Whether chance has a part in what happens to a packet.
    pub fn is_random(&self) -> bool {
        let by_chance = |share: f64| share > 0.0 && share < 1.0;
        let loss = match self.loss {
            Loss::Random(share) => by_chance(share),
            Loss::GilbertElliott { bad, good, .. } => bad > 0.0 || good > 0.0,
        };
        loss || !self.jitter.is_zero() || [self.reorder, self.duplicate, self.corrupt].iter().any(|share| *share > 0.0)
    }
}

/// One direction between two neighbours: from host to host, over the link or medium that joins them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Direction {
    /// The sending host.
    pub from: usize,
    /// The receiving host.
    pub to: usize,
}

impl Direction {
    /// The other way.
    pub fn reversed(self) -> Direction {
        Direction { from: self.to, to: self.from }
    }
}

impl Network {
    /// Every direction there is, with its shape: each link both ways, each ordered pair of each medium.
    pub fn directions(&self) -> impl Iterator<Item = (Direction, &Shape)> {
        let links = self.links.iter().flat_map(|link| {
            [
                (Direction { from: link.a, to: link.b }, &link.a_to_b),
                (Direction { from: link.b, to: link.a }, &link.b_to_a),
            ]
        });
        let media = self.media.iter().flat_map(|medium| {
            medium.members.iter().zip(&medium.shapes).flat_map(move |(&from, row)| {
                medium
                    .members
                    .iter()
                    .zip(row)
                    .filter_map(move |(&to, shape)| (from != to).then_some((Direction { from, to }, shape)))
            })
        });
        links.chain(media)
    }

    /// Number of hosts: nodes and switches.
    pub fn hosts(&self) -> usize {
        self.nodes + self.switches.len()
    }

    /// The way packets go between any two hosts. Planner and fabric share these, so that what the
    /// planner expects is what packets meet. Directions through which nothing passes are no way.
    pub fn routes(&self) -> Routes {
        let on_links = 2 * self.links.len();
        let edges: Vec<Edge> = self
            .directions()
            .enumerate()
            .filter(|(_, (_, shape))| !shape.is_severed())
            .map(|(index, (direction, shape))| Edge {
                from: direction.from,
                to: direction.to,
                rate: shape.rate,
                delay: shape.delay,
                // Links come first, both ways each.
                medium: index >= on_links,
                air: index.checked_sub(on_links).and_then(|pair| self.air(pair)),
            })
            .collect();
        Routes::shortest(self.hosts(), &edges)
    }

    /// The medium whose airtime a pair shares; pairs are numbered as [`Network::directions`] has them, after links.
    fn air(&self, mut pair: usize) -> Option<usize> {
        for (number, medium) in self.media.iter().enumerate() {
            let pairs = medium.members.len() * medium.members.len().saturating_sub(1);
            if pair < pairs {
                return (medium.airtime == Airtime::Shared).then_some(number);
            }
            pair -= pairs;
        }
        None
    }

    /// Whether pairs of some medium share its airtime.
    pub fn shares_airtime(&self) -> bool {
        self.media.iter().any(|medium| medium.airtime == Airtime::Shared)
    }

    /// Whether there is something in it that netem can't do.
    pub fn is_beyond_netem(&self) -> bool {
        self.shares_airtime() || self.directions().any(|(_, shape)| shape.beyond_netem().is_some())
    }

    /// The hosts that share a link or a medium with `host`.
    pub fn neighbours(&self, host: usize) -> BTreeSet<usize> {
        let links = self.links.iter().filter_map(|link| match (link.a == host, link.b == host) {
            (true, _) => Some(link.b),
            (_, true) => Some(link.a),
            _ => None,
        });
        let media = self.media.iter().filter(|medium| medium.members.contains(&host));
        links.chain(media.flat_map(|medium| medium.members.iter().copied())).filter(|other| *other != host).collect()
    }

    /// A host that can't reach some others, and those; `None` if every host reaches every other.
    pub fn cut_off(&self) -> Option<(usize, BTreeSet<usize>)> {
        let mut out = vec![Vec::new(); self.hosts()];
        let mut into = vec![Vec::new(); self.hosts()];
        for (direction, _) in self.directions().filter(|(_, shape)| !shape.is_severed()) {
            out[direction.from].push(direction.to);
            into[direction.to].push(direction.from);
        }
        // If the first reaches all and all reach the first, each reaches each.
        let unreached = unreached(&out);
        if !unreached.is_empty() {
            return Some((0, unreached));
        }
        unreached_from(&into).map(|host| (host, BTreeSet::from([0])))
    }
}

/// The hosts to which no edge leads from host 0, over however many others.
fn unreached(edges: &[Vec<usize>]) -> BTreeSet<usize> {
    let mut left: BTreeSet<usize> = (1..edges.len()).collect();
    let mut next = vec![0];
    while let Some(host) = next.pop() {
        next.extend(edges.get(host).into_iter().flatten().copied().filter(|other| left.remove(other)));
    }
    left
}

/// The first host from which no way leads to host 0, given the edges backwards.
fn unreached_from(backwards: &[Vec<usize>]) -> Option<usize> {
    unreached(backwards).into_iter().next()
}
