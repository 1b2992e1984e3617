//! What can be drawn: one entry for each kind of fault.

use toml::{Table, Value};

use super::lots::Lots;

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

/// All of them.
pub const KINDS: &[Kind] = &[
    Kind { name: "kill", weight: 3, aims: Aims::Node, takes_down: true, dispatcher: false, keys: nothing },
    Kind { name: "pause", weight: 2, aims: Aims::Node, takes_down: true, dispatcher: true, keys: nothing },
    Kind { name: "down", weight: 2, aims: Aims::Neighbours, takes_down: true, dispatcher: true, keys: nothing },
    Kind { name: "blackhole", weight: 2, aims: Aims::Pair, takes_down: true, dispatcher: true, keys: one_or_both_ways },
    Kind { name: "degrade", weight: 2, aims: Aims::Neighbours, takes_down: false, dispatcher: true, keys: worse },
    Kind { name: "partition", weight: 1, aims: Aims::Group, takes_down: true, dispatcher: false, keys: nothing },
];

/// The kind of this name.
pub fn named(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

fn nothing(_: &mut Lots) -> Table {
    Table::new()
}

fn one_or_both_ways(lots: &mut Lots) -> Table {
    Table::from_iter([("both".to_owned(), Value::Boolean(lots.below(2) == 0))])
}

/// Later, and sometimes lossy.
fn worse(lots: &mut Lots) -> Table {
    let mut keys = Table::new();
    keys.insert("delay".to_owned(), Value::String(format!("{} ms", lots.between(10, 150))));
    if lots.below(2) == 0 {
        keys.insert("loss".to_owned(), Value::String(format!("{} %", lots.between(1, 5))));
    }
    keys
}
