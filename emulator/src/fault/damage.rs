//! What all faults that hold at a moment do together.
//!
//! Each fault's [`Harm`]s are kept under its index, so that what overlaps composes: a process lives
//! when no fault holds it dead, a direction has its own shape with the changes of every fault that
//! holds it, in the order in which they fired.

use std::collections::BTreeMap;

use super::{FaultError, Ground};
use crate::scenario::ShapeChange;
use crate::scenario::network::{Direction, Network, Shape};

/// One thing that a fault does to one target.
#[derive(Debug, Clone, PartialEq)]
pub enum Harm {
    /// The node has no process.
    Dead(usize),
    /// The node's process is frozen.
    Frozen(usize),
    /// The direction between two neighbours has another shape.
    Shape(Direction, Change),
    /// What one host sends to another vanishes.
    Blocked(Direction),
}

/// How a shape is changed.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Nothing passes.
    Severed,
    /// Some values are replaced.
    Values(ShapeChange),
}

/// What a harm is done to, and so what must be put right when it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Life(usize),
    Motion(usize),
    Shape(Direction),
    Delivery(Direction),
}

impl Harm {
    fn place(&self) -> Place {
        match self {
            Harm::Dead(node) => Place::Life(*node),
            Harm::Frozen(node) => Place::Motion(*node),
            Harm::Shape(direction, _) => Place::Shape(*direction),
            Harm::Blocked(direction) => Place::Delivery(*direction),
        }
    }
}

/// The harms that hold now, by place, each with the fault that did it.
#[derive(Debug, Default)]
pub struct Damage {
    shapes: BTreeMap<Direction, Shape>,
    held: BTreeMap<Place, Vec<(usize, Harm)>>,
}

impl Damage {
    /// No damage yet; `network` has the shapes that undamaged directions have.
    pub fn new(network: &Network) -> Damage {
        let shapes = network.directions().map(|(direction, shape)| (direction, shape.clone())).collect();
        Damage { shapes, held: BTreeMap::new() }
    }

    /// Whether a fault holds this node dead.
    pub fn is_dead(&self, node: usize) -> bool {
        self.held.contains_key(&Place::Life(node))
    }

    /// Whether a fault holds this node frozen.
    pub fn is_frozen(&self, node: usize) -> bool {
        self.held.contains_key(&Place::Motion(node))
    }

    /// Adds what a fault does.
    ///
    /// # Errors
    /// The first refusal of the ground; harms before it are done and are taken away by [`Damage::heal`].
    pub fn inflict(&mut self, fault: usize, harms: &[Harm], ground: &mut dyn Ground) -> Result<(), FaultError> {
        for harm in harms {
            let place = harm.place();
            let held = self.held.entry(place).or_default();
            held.push((fault, harm.clone()));
            let first = held.len() == 1;
            self.settle(place, first, ground)?;
        }
        Ok(())
    }

    /// Takes away what a fault does, and nothing else.
    ///
    /// # Errors
    /// The first refusal of the ground; the rest is tried all the same.
    pub fn heal(&mut self, fault: usize, ground: &mut dyn Ground) -> Result<(), FaultError> {
        let places: Vec<Place> = self
            .held
            .iter()
            .filter(|(_, held)| held.iter().any(|(by, _)| *by == fault))
            .map(|(place, _)| *place)
            .collect();
        let mut outcome = Ok(());
        for place in places {
            if let Some(held) = self.held.get_mut(&place) {
                held.retain(|(by, _)| *by != fault);
                let last = held.is_empty();
                if last {
                    self.held.remove(&place);
                }
                outcome = outcome.and(self.settle(place, last, ground));
            }
        }
        outcome
    }

    /// Makes a place what the harms that hold there ask for. `turned` is whether the first harm came or the last went.
    fn settle(&self, place: Place, turned: bool, ground: &mut dyn Ground) -> Result<(), FaultError> {
        let held = self.held.get(&place).map_or(&[][..], Vec::as_slice);
        let harmed = !held.is_empty();
        match place {
            Place::Shape(direction) => ground.shape(direction, &self.shape(direction, held))?,
            _ if !turned => {}
            Place::Life(node) if harmed => ground.kill(node)?,
            Place::Life(node) => {
                ground.start(node)?;
                if self.is_frozen(node) {
                    ground.freeze(node, true)?;
                }
            }
            // A process that is dead has nothing to freeze; when it starts again it is looked at above.
            Place::Motion(node) if self.is_dead(node) => {}
            Place::Motion(node) => ground.freeze(node, harmed)?,
            Place::Delivery(Direction { from, to }) => ground.block(from, to, harmed)?,
        }
        Ok(())
    }

    /// A direction's own shape with the changes of every fault that holds it.
    fn shape(&self, direction: Direction, held: &[(usize, Harm)]) -> Shape {
        let own = self.shapes.get(&direction).cloned().unwrap_or_default();
        let changes = held.iter().filter_map(|(_, harm)| match harm {
            Harm::Shape(_, change) => Some(change),
            _ => None,
        });
        let (mut shape, mut severed) = (own, false);
        for change in changes {
            match change {
                Change::Severed => severed = true,
                // That the values fit was checked when the scenario was resolved.
                Change::Values(values) => shape = values.apply(&shape).unwrap_or(shape),
            }
        }
        if severed { shape.severed() } else { shape }
    }
}
