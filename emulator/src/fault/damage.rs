//! What all faults that hold at a moment do together.
//!
//! Each fault's [`Harm`]s are kept under its index, so that what overlaps composes: a process lives
//! when no fault holds it dead, a direction has its own shape with the changes of every fault that
//! holds it, in the order in which they fired; a node is as many times slower as all faults together say, and
//! has no more cores than the strictest leaves it; a disk takes the delays of all, and the lowest of their rates; clocks add up.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{FaultError, Ground};
use crate::fleet::FleetError;
use crate::sandbox::Defects;
use crate::sandbox::layer::{Errors, Trouble};
use crate::scenario::network::{Direction, Network, Shape};
use crate::scenario::{DiskPace, ShapeChange};

/// One thing that a fault does to one target.
#[derive(Debug, Clone, PartialEq)]
pub enum Harm {
    /// The node has no process.
    Dead(usize, Death),
    /// The node's clock is ahead by so much, for processes that are started.
    Ahead(usize, Duration),
    /// The node's process is frozen.
    Frozen(usize),
    /// The node computes so many times slower.
    Slow(usize, f64),
    /// The node's process may use only so many cores.
    Cores(usize, f64),
    /// The node's state folder has no room left.
    Full(usize),
    /// Nothing in the node's state folder can be changed.
    ReadOnly(usize),
    /// The node's disk takes its time.
    SlowDisk(usize, DiskPace),
    /// Some of what the node's disk is asked fails.
    FailingDisk(usize, Errors),
    /// A file in the node's state folder was spoilt. It stays so when this goes.
    Spoilt(usize, Spoil),
    /// The direction between two neighbours has another shape.
    Shape(Direction, Change),
    /// What one host sends to another vanishes.
    Blocked(Direction),
}

/// How a process is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Death {
    /// By SIGKILL.
    #[default]
    Signal,
    /// By the kernel, for want of memory.
    Memory,
}

/// What is done to a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Spoil {
    /// Its name in the state folder; `None`: the largest there is.
    pub file: Option<String>,
    /// What happens to it.
    pub how: Spoiling,
}

/// How a file is spoilt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Spoiling {
    /// One bit is flipped.
    Flip {
        /// Says which.
        seed: u64,
    },
    /// Its end is cut off.
    Cut {
        /// The share of it that is left.
        keep: f64,
    },
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
    /// Before the life that is to have it.
    Clock(usize),
    Life(usize),
    Motion(usize),
    Pace(usize),
    Cores(usize),
    Storage(usize),
    Disk(usize),
    Stored(usize),
    Shape(Direction),
    Delivery(Direction),
}

impl Harm {
    fn place(&self) -> Place {
        match self {
            Harm::Dead(node, _) => Place::Life(*node),
            Harm::Ahead(node, _) => Place::Clock(*node),
            Harm::Frozen(node) => Place::Motion(*node),
            Harm::Slow(node, _) => Place::Pace(*node),
            Harm::Cores(node, _) => Place::Cores(*node),
            Harm::Full(node) | Harm::ReadOnly(node) => Place::Storage(*node),
            Harm::SlowDisk(node, _) | Harm::FailingDisk(node, _) => Place::Disk(*node),
            Harm::Spoilt(node, _) => Place::Stored(*node),
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
    /// The faults that have fired and are not healed, in that order.
    fired: Vec<usize>,
}

impl Damage {
    /// No damage yet; `network` has the shapes that undamaged directions have.
    pub fn new(network: &Network) -> Damage {
        let shapes = network.directions().map(|(direction, shape)| (direction, shape.clone())).collect();
        Damage { shapes, ..Damage::default() }
    }

    /// Whether a fault holds this node dead.
    pub fn is_dead(&self, node: usize) -> bool {
        self.held.contains_key(&Place::Life(node))
    }

    /// Whether a fault holds this node frozen.
    pub fn is_frozen(&self, node: usize) -> bool {
        self.held.contains_key(&Place::Motion(node))
    }

    /// Lets a fault do this from now on, and nothing else that it did before.
    ///
    /// # Errors
    /// The first refusal of the ground; the rest is tried all the same, and [`Damage::heal`] takes all of it away.
    pub fn hold(&mut self, fault: usize, harms: &[Harm], ground: &mut dyn Ground) -> Result<(), FaultError> {
        if !self.fired.contains(&fault) {
            self.fired.push(fault);
        }
        self.change(fault, harms, ground)
    }

    /// Takes away what a fault does, and nothing else.
    ///
    /// # Errors
    /// The first refusal of the ground; the rest is tried all the same.
    pub fn heal(&mut self, fault: usize, ground: &mut dyn Ground) -> Result<(), FaultError> {
        let healed = self.change(fault, &[], ground);
        self.fired.retain(|other| *other != fault);
        healed
    }

    /// Notes all of it before anything is done, so that each place becomes at once what it is to be.
    fn change(&mut self, fault: usize, harms: &[Harm], ground: &mut dyn Ground) -> Result<(), FaultError> {
        let did = self.held.iter().filter(|(_, held)| held.iter().any(|(by, _)| *by == fault)).map(|(place, _)| *place);
        let mut places: Vec<Place> = did.chain(harms.iter().map(Harm::place)).collect();
        places.sort_unstable();
        places.dedup();
        let fired = &self.fired;
        let before = |other: usize| fired.iter().position(|by| *by == other) < fired.iter().position(|by| *by == fault);
        let mut changed = Vec::new();
        for place in places {
            let was = self.held.remove(&place).unwrap_or_default();
            let mut held = was.clone();
            held.retain(|(by, _)| *by != fault);
            let at = held.iter().take_while(|(by, _)| before(*by)).count();
            held.splice(at..at, harms.iter().filter(|harm| harm.place() == place).map(|harm| (fault, harm.clone())));
            if held != was {
                changed.push((place, was));
            }
            if !held.is_empty() {
                self.held.insert(place, held);
            }
        }
        let mut outcome = Ok(());
        for (place, was) in changed {
            let settled = self.settle(place, &was, ground);
            if settled.is_err() && !harms.is_empty() {
                // What was refused does not hold, and so is not put right later.
                match was.is_empty() {
                    true => self.held.remove(&place),
                    false => self.held.insert(place, was),
                };
            }
            outcome = outcome.and(settled);
        }
        outcome
    }

    fn held(&self, place: Place) -> &[(usize, Harm)] {
        self.held.get(&place).map_or(&[][..], Vec::as_slice)
    }

    /// Makes a place what the harms that hold there ask for. `was`: those that held there before.
    fn settle(&self, place: Place, was: &[(usize, Harm)], ground: &mut dyn Ground) -> Result<(), FaultError> {
        let held = self.held(place);
        let harmed = !held.is_empty();
        let turned = harmed == was.is_empty();
        match place {
            Place::Shape(direction) => ground.shape(direction, &self.shape(direction, held))?,
            Place::Clock(node) => {
                let ahead = held
                    .iter()
                    .filter_map(|(_, harm)| if let Harm::Ahead(_, ahead) = harm { Some(*ahead) } else { None });
                ground.advance(node, ahead.sum());
            }
            Place::Pace(node) if !self.is_dead(node) => ground.slow(node, self.pace(node))?,
            // A process that is dead is told nothing; when it starts again it is looked at below.
            Place::Pace(_) => {}
            Place::Cores(node) => {
                let cores = held
                    .iter()
                    .filter_map(|(_, harm)| if let Harm::Cores(_, cores) = harm { Some(*cores) } else { None });
                ground.throttle(node, cores.reduce(f64::min))?;
            }
            Place::Storage(node) => {
                let some = |is: fn(&Harm) -> bool| held.iter().any(|(_, harm)| is(harm));
                let full = some(|harm| matches!(harm, Harm::Full(_)));
                let read_only = some(|harm| matches!(harm, Harm::ReadOnly(_)));
                ground.store(node, Defects { full, read_only })?;
            }
            Place::Disk(node) => ground.trouble(node, trouble(held))?,
            Place::Stored(node) => {
                // Once, when it comes; what is spoilt stays spoilt.
                for (_, harm) in held.iter().filter(|harm| !was.contains(harm)) {
                    if let Harm::Spoilt(_, spoil) = harm {
                        ground.spoil(node, spoil)?;
                    }
                }
            }
            Place::Life(node) if harmed && turned => ground.kill(node, death(held))?,
            Place::Life(node) if harmed => {
                // One that is dying for want of memory has not ended before somebody has seen it.
                if death(was) == Death::Memory && death(held) == Death::Signal {
                    match ground.kill(node, Death::Signal) {
                        Err(FleetError::NotRunning { .. }) => {}
                        killed => killed?,
                    }
                }
            }
            Place::Life(node) => {
                ground.start(node)?;
                if self.is_frozen(node) {
                    ground.freeze(node, true)?;
                }
                if !self.held(Place::Pace(node)).is_empty() {
                    ground.slow(node, self.pace(node))?;
                }
            }
            _ if !turned => {}
            Place::Motion(node) if self.is_dead(node) => {}
            Place::Motion(node) => ground.freeze(node, harmed)?,
            Place::Delivery(Direction { from, to }) => ground.block(from, to, harmed)?,
        }
        Ok(())
    }

    /// How many times slower a node computes.
    fn pace(&self, node: usize) -> f64 {
        let factors = self.held(Place::Pace(node)).iter();
        factors.map(|(_, harm)| if let Harm::Slow(_, factor) = harm { *factor } else { 1.0 }).product()
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

/// A disk that is as slow as all that makes it slow together, and at which each sort of errors has a say.
fn trouble(held: &[(usize, Harm)]) -> Trouble {
    let mut trouble = Trouble::default();
    for (_, harm) in held {
        match harm {
            Harm::SlowDisk(_, pace) => {
                trouble.delay += pace.delay;
                trouble.rate = [trouble.rate, pace.rate].into_iter().flatten().min();
            }
            Harm::FailingDisk(_, errors) => trouble.errors.push(errors.clone()),
            _ => {}
        }
    }
    trouble
}

/// How what is held dead is to die: for want of memory only if nothing wants it sooner.
fn death(held: &[(usize, Harm)]) -> Death {
    let slowly = |harm: &Harm| matches!(harm, Harm::Dead(_, Death::Memory));
    if held.iter().all(|(_, harm)| slowly(harm)) { Death::Memory } else { Death::Signal }
}

#[cfg(test)]
mod tests;
