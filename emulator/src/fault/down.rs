//! `down`: nothing passes between two neighbours, either way. Routes stay as they are, so what was
//! routed over the link is lost, as with a cable that is cut behind a switch.

use super::catalogue::{Entry, Need};
use super::damage::{Change, Harm};
use super::steps::at_once;
use super::target::{Aim, ways};
use super::{FaultError, Hit};
use crate::scenario::PairTarget;
use crate::scenario::network::Direction;

/// What there is to say of it.
pub const ENTRY: Entry = Entry {
    kind: "down",
    happens: "nothing passes between two neighbours, either way",
    healed: "letting it pass",
    notice: "silence; heartbeats stop if they went that way",
    needs: Need::Nothing,
    of_a_node: false,
    simulated: true,
};

/// What it does if it fires now.
pub fn aim(aim: &Aim<'_>, target: &PairTarget) -> Result<Hit, FaultError> {
    let pair = aim.neighbours(target)?;
    Ok(Hit::of_a_pair(aim, pair, true, at_once(severed(pair))))
}

/// Both ways between two neighbours, severed.
pub fn severed(pair: Direction) -> Vec<Harm> {
    ways(pair, true).map(|way| Harm::Shape(way, Change::Severed)).collect()
}
