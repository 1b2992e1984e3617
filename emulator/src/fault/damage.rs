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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::fabric::FabricError;
    use crate::fleet::FleetError;
    use crate::scenario::network::Link;

    /// What the ground was told, nothing else.
    #[derive(Debug, Clone, PartialEq, Default)]
    struct Told {
        dead: BTreeSet<usize>,
        frozen: BTreeSet<usize>,
        shapes: BTreeMap<Direction, Shape>,
        blocked: BTreeSet<(usize, usize)>,
    }

    impl Ground for Told {
        fn kill(&mut self, node: usize) -> Result<(), FleetError> {
            assert!(self.dead.insert(node), "node {node} is killed twice");
            self.frozen.remove(&node);
            Ok(())
        }
        fn start(&mut self, node: usize) -> Result<(), FleetError> {
            assert!(self.dead.remove(&node), "node {node} is started though it lives");
            Ok(())
        }
        fn freeze(&mut self, node: usize, frozen: bool) -> Result<(), FleetError> {
            assert!(!self.dead.contains(&node), "node {node} has no process to freeze");
            if frozen {
                self.frozen.insert(node)
            } else {
                self.frozen.remove(&node)
            };
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
            (0..3usize).prop_map(Harm::Dead),
            (0..3usize).prop_map(Harm::Frozen),
            (direction.clone(), prop_oneof![Just(Change::Severed), slower])
                .prop_map(|(direction, change)| Harm::Shape(direction, change)),
            direction.prop_map(Harm::Blocked),
        ]
    }

    proptest! {
        #[test]
        fn overlapping_faults_compose_and_each_heals_alone(
            faults in prop::collection::vec(prop::collection::vec(harm(), 1..4), 1..6),
            order in Just((0..6usize).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let network = network();
            let (mut damage, mut ground) = (Damage::new(&network), untouched(&network));
            for (fault, harms) in faults.iter().enumerate() {
                damage.inflict(fault, harms, &mut ground).unwrap();
            }
            let mut held: BTreeSet<usize> = (0..faults.len()).collect();
            for fault in order.into_iter().filter(|fault| *fault < faults.len()) {
                damage.heal(fault, &mut ground).unwrap();
                held.remove(&fault);
                // What is left is what the faults that still hold would have done without the others.
                let (mut alone, mut wanted) = (Damage::new(&network), untouched(&network));
                for other in &held {
                    alone.inflict(*other, &faults[*other], &mut wanted).unwrap();
                }
                let dead = wanted.dead.clone();
                wanted.frozen.retain(|node| !dead.contains(node));
                prop_assert_eq!(&ground, &wanted);
            }
            prop_assert_eq!(ground, untouched(&network));
        }
    }
}
