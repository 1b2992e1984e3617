//! Draws faults within limits: a pure function of the limits, the cast and the seed.
//!
//! Gaps between faults are exponential, lengths uniform, kinds weighted. A fault that the limits don't allow at its
//! moment is left out, so the rate is what is drawn at most. Everything is healed before the quiet end.
//!
//! **Down** is a worker that is dead, frozen or cut off; a fault between two nodes counts as one of them, the one that is named
//! first: without it, the other is whole. Which worker holds which stage is decided while the scenario runs and is not known here;
//! so what spares the last holder of a stage is a number: at any moment so many workers are whole as [`Limits::left`] says.

use std::collections::BTreeSet;
use std::time::Duration;

use toml::{Table, Value};

use super::kinds::{Aims, KINDS, Kind};
use super::lots::Lots;
use crate::fault::catalogue::Need;

/// Most faults of one scenario.
const MOST: usize = 1000;

/// Between what bounds is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// The weight of each of [`KINDS`], in their order.
    pub weights: Vec<u64>,
    /// Faults per second, on average.
    pub rate: f64,
    /// How long a fault lasts at least.
    pub shortest: Duration,
    /// How long a fault lasts at most.
    pub longest: Duration,
    /// How many nodes may be down at once.
    pub down: usize,
    /// How many workers are whole at any moment, at least.
    pub left: usize,
    /// Whether the dispatcher may be hit.
    pub dispatcher: bool,
    /// Nothing fires before this, counted from the begin of the load.
    pub begin: Duration,
    /// Everything is healed by then.
    pub end: Duration,
}

/// Who is there. Hosts are numbered as in [`crate::scenario::network::Network`]; the client is never hit.
#[derive(Debug, Clone, PartialEq)]
pub struct Cast {
    /// Names of all hosts.
    pub names: Vec<String>,
    /// The workers.
    pub workers: Vec<usize>,
    /// The dispatcher.
    pub dispatcher: usize,
    /// Pairs of hosts with a link or a medium of their own, the smaller number first.
    pub neighbours: BTreeSet<(usize, usize)>,
    /// How many of the hosts are nodes: the others are switches.
    pub nodes: usize,
}

/// A fault that was drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// When it fires.
    pub at: Duration,
    /// How long it lasts.
    pub lasting: Duration,
    /// Nodes that are down meanwhile.
    pub down: BTreeSet<usize>,
    /// The `[[fault]]` table.
    pub table: Table,
}

impl Drawn {
    fn end(&self) -> Duration {
        self.at + self.lasting
    }
}

/// Draws all faults of a scenario, in the order in which they fire.
pub fn draw(limits: &Limits, cast: &Cast, seed: u64) -> Vec<Drawn> {
    let mut lots = Lots::new(seed);
    let mut drawn: Vec<Drawn> = Vec::new();
    let mut at = limits.begin;
    let mut beside = vec![Vec::new(); cast.names.len()];
    for &(a, b) in &cast.neighbours {
        beside[a].push(b);
        beside[b].push(a);
    }
    while drawn.len() < MOST {
        at += lots.gap(limits.rate);
        if at + limits.shortest > limits.end {
            break;
        }
        let Some(kind) = lots.weighted(limits.weights.iter().copied()).and_then(|index| KINDS.get(index)) else {
            break;
        };
        let lasting = lots.time(limits.shortest, limits.longest.min(limits.end - at));
        let overlap = |other: &&Drawn| other.end() > at;
        let meanwhile: Vec<Drawn> = drawn.iter().filter(overlap).cloned().collect();
        let moment = Moment { limits, cast, meanwhile: &meanwhile, beside: &beside };
        let Some((down, mut table)) = moment.aim(kind, &mut lots) else { continue };
        table.extend((kind.keys)(&mut lots));
        if kind.needs() != Need::Nothing {
            // The same seed draws the same on every host.
            table.insert("optional".to_owned(), Value::Boolean(true));
        }
        table.insert("kind".to_owned(), text(kind.name));
        table.insert("at".to_owned(), Value::String(format!("{} ms", at.as_millis())));
        table.insert("for".to_owned(), Value::String(format!("{} ms", lasting.as_millis())));
        drawn.push(Drawn { at, lasting, down, table });
    }
    drawn
}

/// What holds while a fault would.
struct Moment<'a> {
    limits: &'a Limits,
    cast: &'a Cast,
    meanwhile: &'a [Drawn],
    /// The neighbours of each host, in order.
    beside: &'a [Vec<usize>],
}

impl Moment<'_> {
    /// Nodes that are down at some instant meanwhile.
    fn down(&self) -> BTreeSet<usize> {
        self.meanwhile.iter().flat_map(|other| other.down.iter().copied()).collect()
    }

    /// How many more workers may be down, and how many more nodes.
    fn room(&self) -> (usize, usize) {
        let down = self.down();
        let workers = down.iter().filter(|node| self.cast.workers.contains(node)).count();
        let whole = self.cast.workers.len().saturating_sub(workers);
        let nodes = self.limits.down.saturating_sub(down.len());
        (whole.saturating_sub(self.limits.left).min(nodes), nodes)
    }

    /// Whom a fault of this kind hits; `None` if nobody may be.
    fn aim(&self, kind: &Kind, lots: &mut Lots) -> Option<(BTreeSet<usize>, Table)> {
        let (workers, nodes) = self.room();
        let dispatcher = self.limits.dispatcher && kind.dispatcher;
        let down = self.down();
        let free = |node: &usize| !down.contains(node);
        let name = |host: usize| text(&self.cast.names[host]);
        let of_target = |target: Value| Table::from_iter([("target".to_owned(), target)]);
        match kind.aims {
            Aims::Node => {
                let mut pool: Vec<usize> = Vec::new();
                if workers > 0 || !kind.takes_down {
                    pool.extend(self.cast.workers.iter().copied().filter(free));
                }
                if dispatcher && (nodes > 0 || !kind.takes_down) {
                    pool.extend([self.cast.dispatcher].into_iter().filter(free));
                }
                let node = lots.one(&pool)?;
                let down = kind.takes_down.then_some(node).into_iter().collect();
                Some((down, of_target(name(node))))
            }
            Aims::Neighbours | Aims::Pair => {
                if workers == 0 && kind.takes_down {
                    return None;
                }
                let (first, second) = lots.one(&self.pairs(kind, dispatcher))?;
                let down = kind.takes_down.then_some(first).into_iter().collect();
                Some((down, of_target(Value::Array(vec![name(first), name(second)]))))
            }
            Aims::Group => {
                let mut pool: Vec<usize> = self.cast.workers.iter().copied().filter(free).collect();
                let most = workers.min(pool.len().saturating_sub(1));
                if most == 0 {
                    return None;
                }
                let count = lots.between(1, most as u64);
                let group: BTreeSet<usize> =
                    (0..count).map(|_| pool.swap_remove(lots.below(pool.len() as u64) as usize)).collect();
                let names = group.iter().map(|node| name(*node)).collect();
                let groups = Value::Array(vec![Value::Array(names), Value::Array(vec![text("*")])]);
                Some((group, Table::from_iter([("groups".to_owned(), groups)])))
            }
        }
    }

    /// Pairs that may be hit, each with a worker first that would count as down.
    fn pairs(&self, kind: &Kind, dispatcher: bool) -> Vec<(usize, usize)> {
        // A mesh of a thousand nodes has a million pairs: what is asked of each is looked up.
        let hosts = self.cast.names.len();
        let among = |chosen: &mut dyn Iterator<Item = usize>| {
            let mut is = vec![false; hosts];
            chosen.for_each(|host| is[host] = true);
            is
        };
        let down = among(&mut self.down().into_iter());
        let mut other = among(&mut self.cast.workers.iter().copied().chain(self.cast.nodes..hosts));
        other[self.cast.dispatcher] |= dispatcher;
        let all: Vec<usize> = (0..self.cast.nodes).collect();
        let beside = |a: usize| if kind.aims == Aims::Neighbours { &self.beside[a] } else { &all };
        let may = |a: usize, b: usize| a != b && other[b] && !down[a] && !down[b];
        let workers = self.cast.workers.iter().copied();
        workers.flat_map(|a| beside(a).iter().filter(move |b| may(a, **b)).map(move |b| (a, *b))).collect()
    }
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// The faults as a scenario file has them.
pub fn written(drawn: &[Drawn]) -> String {
    let tables = drawn.iter().map(|fault| Value::Table(fault.table.clone())).collect();
    // A table of strings, lists and booleans always has a text.
    toml::to_string(&Table::from_iter([("fault".to_owned(), Value::Array(tables))])).unwrap_or_default()
}

#[cfg(test)]
mod tests;
