//! What all faults that hold at a moment do together.
//!
//! Each fault's [`Harm`]s are kept under its index, so that what overlaps composes: a process lives
//! when no fault holds it dead, a direction has its own shape with the changes of every fault that
//! holds it, in the order in which they fired; a node is as many times slower as all faults together say, and
//! has no more cores than the strictest leaves it.

use std::collections::BTreeMap;

use super::{FaultError, Ground};
use crate::fleet::FleetError;
use crate::sandbox::Defects;
use crate::scenario::ShapeChange;
use crate::scenario::network::{Direction, Network, Shape};

/// One thing that a fault does to one target.
#[derive(Debug, Clone, PartialEq)]
pub enum Harm {
    /// The node has no process.
    Dead(usize, Death),
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
    Life(usize),
    Motion(usize),
    Pace(usize),
    Cores(usize),
    Storage(usize),
    Stored(usize),
    Shape(Direction),
    Delivery(Direction),
}

impl Harm {
    fn place(&self) -> Place {
        match self {
            Harm::Dead(node, _) => Place::Life(*node),
            Harm::Frozen(node) => Place::Motion(*node),
            Harm::Slow(node, _) => Place::Pace(*node),
            Harm::Cores(node, _) => Place::Cores(*node),
            Harm::Full(node) | Harm::ReadOnly(node) => Place::Storage(*node),
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

/// How what is held dead is to die: for want of memory only if nothing wants it sooner.
fn death(held: &[(usize, Harm)]) -> Death {
    let slowly = |harm: &Harm| matches!(harm, Harm::Dead(_, Death::Memory));
    if held.iter().all(|(_, harm)| slowly(harm)) { Death::Memory } else { Death::Signal }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::fabric::FabricError;
    use crate::scenario::network::Link;

    /// What the ground was told, nothing else.
    #[derive(Debug, Clone, PartialEq, Default)]
    struct Told {
        dead: BTreeMap<usize, Death>,
        frozen: BTreeSet<usize>,
        slow: BTreeMap<usize, f64>,
        cores: BTreeMap<usize, f64>,
        defects: BTreeMap<usize, (bool, bool)>,
        shapes: BTreeMap<Direction, Shape>,
        blocked: BTreeSet<(usize, usize)>,
    }

    impl Ground for Told {
        fn kill(&mut self, node: usize, how: Death) -> Result<(), FleetError> {
            match (how, self.dead.insert(node, how)) {
                (_, None) | (Death::Signal, Some(Death::Memory)) => {}
                (_, Some(_)) => panic!("node {node} is killed twice"),
            }
            self.frozen.remove(&node);
            self.slow.remove(&node);
            Ok(())
        }
        fn start(&mut self, node: usize) -> Result<(), FleetError> {
            assert!(self.dead.remove(&node).is_some(), "node {node} is started though it lives");
            Ok(())
        }
        fn freeze(&mut self, node: usize, frozen: bool) -> Result<(), FleetError> {
            assert!(!self.dead.contains_key(&node), "node {node} has no process to freeze");
            if frozen {
                self.frozen.insert(node)
            } else {
                self.frozen.remove(&node)
            };
            Ok(())
        }
        fn slow(&mut self, node: usize, factor: f64) -> Result<(), FleetError> {
            assert!(!self.dead.contains_key(&node), "node {node} has no process to tell");
            self.slow.insert(node, factor);
            self.slow.retain(|_, factor| *factor != 1.0);
            Ok(())
        }
        fn throttle(&mut self, node: usize, cores: Option<f64>) -> Result<(), FleetError> {
            match cores {
                Some(cores) => self.cores.insert(node, cores),
                None => self.cores.remove(&node),
            };
            Ok(())
        }
        fn store(&mut self, node: usize, defects: Defects) -> Result<(), FleetError> {
            match defects == Defects::default() {
                true => self.defects.remove(&node),
                false => self.defects.insert(node, (defects.full, defects.read_only)),
            };
            Ok(())
        }
        fn spoil(&mut self, _node: usize, _spoil: &Spoil) -> Result<(), FleetError> {
            // It is never taken back, so there is nothing to compare.
            Ok(())
        }
        fn shape(&mut self, direction: Direction, shape: &Shape) -> Result<(), FabricError> {
            self.shapes.insert(direction, shape.clone());
            Ok(())
        }
        fn block(&mut self, from: usize, to: usize, blocked: bool) -> Result<(), FabricError> {
            if blocked {
                self.blocked.insert((from, to))
            } else {
                self.blocked.remove(&(from, to))
            };
            Ok(())
        }
    }

    fn network() -> Network {
        let shape = |millis| Shape { delay: Duration::from_millis(millis), ..Shape::default() };
        let link = |a, b| Link { a, b, a_to_b: shape(1), b_to_a: shape(2) };
        Network { nodes: 3, links: vec![link(0, 1), link(1, 2)], ..Network::default() }
    }

    fn untouched(network: &Network) -> Told {
        let shapes = network.directions().map(|(direction, shape)| (direction, shape.clone())).collect();
        Told { shapes, ..Told::default() }
    }

    fn harm() -> impl Strategy<Value = Harm> {
        let direction = prop::sample::select(vec![(0, 1), (1, 0), (1, 2), (2, 1)]);
        let direction = direction.prop_map(|(from, to)| Direction { from, to });
        let slower = (3u64..9).prop_map(|millis| {
            Change::Values(ShapeChange(BTreeMap::from([(
                "delay".to_owned(),
                serde_json::json!(format!("{millis} ms")),
            )])))
        });
        prop_oneof![
            (0..3usize, prop::sample::select(vec![Death::Signal, Death::Memory]))
                .prop_map(|(node, how)| Harm::Dead(node, how)),
            (0..3usize).prop_map(Harm::Frozen),
            // Powers of two: their products don't depend on the order.
            (0..3usize, 1..5).prop_map(|(node, power)| Harm::Slow(node, 2f64.powi(power))),
            (0..3usize, 1..5).prop_map(|(node, cores)| Harm::Cores(node, f64::from(cores))),
            (0..3usize).prop_map(Harm::Full),
            (0..3usize).prop_map(Harm::ReadOnly),
            (0..3usize, any::<u64>())
                .prop_map(|(node, seed)| Harm::Spoilt(node, Spoil { file: None, how: Spoiling::Flip { seed } })),
            (direction.clone(), prop_oneof![Just(Change::Severed), slower])
                .prop_map(|(direction, change)| Harm::Shape(direction, change)),
            direction.prop_map(Harm::Blocked),
        ]
    }

    /// The faults that have fired and not healed, in that order, and what each does now.
    type Holding = Vec<(usize, Vec<Harm>)>;

    /// What those faults would do to a ground that has seen nothing else.
    fn alone(network: &Network, holding: &Holding) -> Told {
        let (mut damage, mut ground) = (Damage::new(network), untouched(network));
        for (fault, harms) in holding {
            damage.hold(*fault, harms, &mut ground).unwrap();
        }
        ground
    }

    /// How the dead died is history; what they were told died with them.
    fn comparable(mut told: Told) -> Told {
        told.dead.values_mut().for_each(|how| *how = Death::Signal);
        let dead = told.dead.clone();
        told.frozen.retain(|node| !dead.contains_key(node));
        told.slow.retain(|node, _| !dead.contains_key(node));
        told
    }

    proptest! {
        /// A fault takes step after step, several at once, and heals at some time: what is there to be seen is always
        /// what those that hold now would have done without the others and without their own steps before.
        #[test]
        fn overlapping_faults_compose_step_by_step_and_each_heals_alone(
            steps in prop::collection::vec((0..5usize, prop::option::weighted(0.8, prop::collection::vec(harm(), 0..4))), 1..24),
        ) {
            let network = network();
            let (mut damage, mut ground) = (Damage::new(&network), untouched(&network));
            let mut holding: Holding = Vec::new();
            for (fault, step) in steps {
                match (step, holding.iter().position(|(other, _)| *other == fault)) {
                    (Some(harms), held) => {
                        damage.hold(fault, &harms, &mut ground).unwrap();
                        match held {
                            Some(held) => holding[held].1 = harms,
                            None => holding.push((fault, harms)),
                        }
                    }
                    (None, held) => {
                        damage.heal(fault, &mut ground).unwrap();
                        held.map(|held| holding.remove(held));
                    }
                }
                prop_assert_eq!(comparable(ground.clone()), comparable(alone(&network, &holding)));
            }
            for (fault, _) in holding {
                damage.heal(fault, &mut ground).unwrap();
            }
            prop_assert_eq!(ground, untouched(&network));
        }
    }
}
