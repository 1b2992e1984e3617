//! What can be drawn: one entry for each kind of fault.

use toml::{Table, Value};

use super::lots::Lots;
use crate::fault::catalogue::{self, Need};

/// Whom a kind of fault hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aims {
    /// One node.
    Node,
    /// Two hosts with a link or a medium of their own.
    Neighbours,
    /// Any two nodes.
    Pair,
    /// Some workers that are cut off from all others.
    Group,
}

/// A kind of fault that can be drawn.
#[derive(Debug)]
pub struct Kind {
    /// Its name, as scenarios write it.
    pub name: &'static str,
    /// Its weight where a scenario gives none.
    pub weight: u64,
    /// Whom it hits.
    pub aims: Aims,
    /// Whether what it hits is down: of a pair, one end.
    pub takes_down: bool,
    /// Whether the dispatcher may be hit, where the scenario allows that.
    pub dispatcher: bool,
    /// The keys that say more than when and whom.
    pub keys: fn(&mut Lots) -> Table,
}

impl Kind {
    /// What the host must have for it.
    pub fn needs(&self) -> Need {
        let entry = catalogue::ALL.iter().find(|entry| entry.kind == self.name);
        entry.map_or(Need::Nothing, |entry| entry.needs)
    }

    /// Whether it does nothing to a node that has stored nothing.
    pub fn is_of_the_store(&self) -> bool {
        matches!(self.name, "bit-flip" | "truncate")
    }
}

/// All of them. What a host can't fire is left out there. `bit-flip` and `truncate` hit the model's file in a worker's state folder, and
/// are drawn by themselves only where there is one (`model.store = "node"`); never the dispatcher's journal, of which they would take what was
/// promised.
pub const KINDS: &[Kind] = &[
    Kind { name: "kill", weight: 3, aims: Aims::Node, takes_down: true, dispatcher: true, keys: nothing },
    Kind { name: "restart", weight: 1, aims: Aims::Node, takes_down: true, dispatcher: true, keys: nothing },
    Kind { name: "pause", weight: 2, aims: Aims::Node, takes_down: true, dispatcher: true, keys: nothing },
    Kind { name: "crash-loop", weight: 1, aims: Aims::Node, takes_down: true, dispatcher: false, keys: ups_and_downs },
    Kind { name: "intermittent", weight: 1, aims: Aims::Node, takes_down: true, dispatcher: false, keys: on_and_off },
    Kind { name: "clock", weight: 1, aims: Aims::Node, takes_down: true, dispatcher: true, keys: ahead },
    Kind { name: "oom", weight: 1, aims: Aims::Node, takes_down: true, dispatcher: false, keys: nothing },
    Kind { name: "cpu", weight: 1, aims: Aims::Node, takes_down: false, dispatcher: false, keys: little_of_a_core },
    Kind { name: "straggler", weight: 1, aims: Aims::Node, takes_down: false, dispatcher: false, keys: slower },
    Kind { name: "disk-full", weight: 1, aims: Aims::Node, takes_down: false, dispatcher: true, keys: nothing },
    Kind { name: "read-only", weight: 1, aims: Aims::Node, takes_down: false, dispatcher: false, keys: nothing },
    Kind { name: "slow", weight: 1, aims: Aims::Node, takes_down: false, dispatcher: true, keys: slow_disk },
    Kind { name: "eio", weight: 1, aims: Aims::Node, takes_down: false, dispatcher: true, keys: failing_disk },
    Kind { name: "bit-flip", weight: 1, aims: Aims::Node, takes_down: false, dispatcher: false, keys: some_bit },
    Kind { name: "truncate", weight: 1, aims: Aims::Node, takes_down: false, dispatcher: false, keys: cut_off },
    Kind { name: "down", weight: 2, aims: Aims::Neighbours, takes_down: true, dispatcher: true, keys: nothing },
    Kind { name: "flap", weight: 1, aims: Aims::Neighbours, takes_down: true, dispatcher: true, keys: up_and_down },
    Kind { name: "blackhole", weight: 2, aims: Aims::Pair, takes_down: true, dispatcher: true, keys: one_or_both_ways },
    Kind { name: "degrade", weight: 2, aims: Aims::Neighbours, takes_down: false, dispatcher: true, keys: worse },
    Kind { name: "loss-burst", weight: 1, aims: Aims::Neighbours, takes_down: false, dispatcher: true, keys: bursts },
    Kind { name: "reorder", weight: 1, aims: Aims::Neighbours, takes_down: false, dispatcher: true, keys: overtaken },
    Kind { name: "duplicate", weight: 1, aims: Aims::Neighbours, takes_down: false, dispatcher: true, keys: a_share },
    Kind { name: "corrupt", weight: 1, aims: Aims::Neighbours, takes_down: false, dispatcher: true, keys: a_share },
    Kind { name: "trace", weight: 1, aims: Aims::Neighbours, takes_down: false, dispatcher: true, keys: rates },
    Kind { name: "partition", weight: 1, aims: Aims::Group, takes_down: true, dispatcher: false, keys: nothing },
];

/// The kind of this name.
pub fn named(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

fn nothing(_: &mut Lots) -> Table {
    Table::new()
}

fn table<const N: usize>(keys: [(&str, Value); N]) -> Table {
    keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// A time of so many milliseconds.
fn millis(lots: &mut Lots, least: u64, most: u64) -> Value {
    Value::String(format!("{} ms", lots.between(least, most)))
}

/// What a fault draws from: written down, so that it is the same fault wherever it stands.
fn seed(lots: &mut Lots) -> Value {
    Value::Integer(lots.below(1 << 32) as i64)
}

/// A share of so many percent.
fn percent(lots: &mut Lots, least: u64, most: u64) -> Value {
    Value::String(format!("{} %", lots.between(least, most)))
}

fn ups_and_downs(lots: &mut Lots) -> Table {
    table([("up", millis(lots, 200, 800)), ("down", millis(lots, 200, 1000))])
}

fn on_and_off(lots: &mut Lots) -> Table {
    table([("on", millis(lots, 300, 1500)), ("off", millis(lots, 200, 1000))])
}

/// By less than heartbeats wait, or by much.
fn ahead(lots: &mut Lots) -> Table {
    let ahead = match lots.below(2) {
        0 => millis(lots, 50, 900),
        _ => Value::String(format!("{} s", lots.between(2, 100_000))),
    };
    table([("ahead", ahead)])
}

fn up_and_down(lots: &mut Lots) -> Table {
    table([("period", millis(lots, 200, 1200)), ("duty", percent(lots, 20, 80))])
}

fn little_of_a_core(lots: &mut Lots) -> Table {
    table([("cores", Value::Float(lots.between(1, 5) as f64 / 10.0))])
}

fn slower(lots: &mut Lots) -> Table {
    table([("factor", Value::Integer(lots.between(2, 6) as i64))])
}

fn one_or_both_ways(lots: &mut Lots) -> Table {
    table([("both", Value::Boolean(lots.below(2) == 0))])
}

fn slow_disk(lots: &mut Lots) -> Table {
    let mut keys = table([("delay", millis(lots, 2, 50))]);
    if lots.below(2) == 0 {
        keys.insert("rate".to_owned(), Value::String(format!("{} Mbit/s", lots.between(4, 80))));
    }
    keys
}

fn failing_disk(lots: &mut Lots) -> Table {
    let mut keys = table([("share", percent(lots, 10, 100)), ("seed", seed(lots))]);
    let operations: Vec<Value> = ["read", "write", "sync"].map(|name| Value::String(name.to_owned())).into();
    match lots.below(4) {
        3 => {}
        only => _ = keys.insert("operations".to_owned(), Value::Array(vec![operations[only as usize].clone()])),
    }
    keys
}

fn some_bit(lots: &mut Lots) -> Table {
    table([("seed", seed(lots))])
}

fn cut_off(lots: &mut Lots) -> Table {
    table([("keep", percent(lots, 5, 95))])
}

/// A rate that changes every few hundred milliseconds; now and then nothing passes, for less than it takes to be missed.
fn rates(lots: &mut Lots) -> Table {
    let mut lines = Vec::new();
    let mut at = 0;
    while at < 3000 {
        let (rate, lasting) = match lots.below(8) {
            0 => ("0".to_owned(), lots.between(50, 200)),
            _ => (format!("{} Mbit/s", lots.between(1, 60)), lots.between(100, 600)),
        };
        lines.push(format!("{},{rate}", at as f64 / 1000.0));
        at += lasting;
    }
    table([("rates", Value::String(lines.join("; ")))])
}

/// Later, and sometimes lossy.
fn worse(lots: &mut Lots) -> Table {
    let mut keys = table([("delay", millis(lots, 10, 150))]);
    if lots.below(2) == 0 {
        keys.insert("loss".to_owned(), percent(lots, 1, 5));
    }
    keys
}

fn bursts(lots: &mut Lots) -> Table {
    table([("loss", percent(lots, 2, 20)), ("length", Value::Integer(lots.between(3, 20) as i64))])
}

/// With a delay, since packets overtake others only by skipping one.
fn overtaken(lots: &mut Lots) -> Table {
    table([("share", percent(lots, 5, 40)), ("delay", millis(lots, 5, 50))])
}

fn a_share(lots: &mut Lots) -> Table {
    table([("share", percent(lots, 1, 10))])
}
