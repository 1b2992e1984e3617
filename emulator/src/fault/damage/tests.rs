//! Faults that overlap, on a ground that only listens.

use std::collections::BTreeSet;
use std::time::Duration;

use planner::units::Rate;
use proptest::prelude::*;

use super::*;
use crate::fabric::FabricError;
use crate::sandbox::layer::Access;
use crate::scenario::network::Link;

/// What the ground was told, nothing else.
#[derive(Debug, Clone, PartialEq, Default)]
struct Told {
    dead: BTreeMap<usize, Death>,
    frozen: BTreeSet<usize>,
    slow: BTreeMap<usize, f64>,
    cores: BTreeMap<usize, f64>,
    ahead: BTreeMap<usize, Duration>,
    defects: BTreeMap<usize, (bool, bool)>,
    disks: BTreeMap<usize, (Duration, Option<Rate>, usize)>,
    shapes: BTreeMap<Direction, Shape>,
    blocked: BTreeSet<(usize, usize)>,
}

impl Ground for Told {
    fn kill(&mut self, node: usize, how: Death) -> Result<(), FleetError> {
        match (how, self.dead.insert(node, how)) {
            (_, None) | (Death::Signal, Some(Death::Memory)) => {}
            // It died by a signal before it was to die for want of memory.
            (Death::Signal, Some(Death::Signal)) => return Err(FleetError::NotRunning { node: node.to_string() }),
            (Death::Memory, Some(_)) => panic!("node {node} is killed twice"),
        }
        self.frozen.remove(&node);
        self.slow.remove(&node);
        Ok(())
    }
    fn start(&mut self, node: usize) -> Result<(), FleetError> {
        assert!(self.dead.remove(&node).is_some(), "node {node} is started though it lives");
        Ok(())
    }
    fn advance(&mut self, node: usize, ahead: Duration) {
        match ahead.is_zero() {
            true => self.ahead.remove(&node),
            false => self.ahead.insert(node, ahead),
        };
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
    fn trouble(&mut self, node: usize, trouble: Trouble) -> Result<(), FleetError> {
        let slow = (trouble.delay, trouble.rate, trouble.errors.len());
        match trouble == Trouble::default() {
            true => self.disks.remove(&node),
            false => self.disks.insert(node, slow),
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
        Change::Values(ShapeChange(BTreeMap::from([("delay".to_owned(), serde_json::json!(format!("{millis} ms")))])))
    });
    prop_oneof![
        (0..3usize, prop::sample::select(vec![Death::Signal, Death::Memory]))
            .prop_map(|(node, how)| Harm::Dead(node, how)),
        (0..3usize, 1..5u32).prop_map(|(node, hours)| Harm::Ahead(node, Duration::from_secs(3600) * hours)),
        (0..3usize).prop_map(Harm::Frozen),
        // Powers of two: their products don't depend on the order.
        (0..3usize, 1..5).prop_map(|(node, power)| Harm::Slow(node, 2f64.powi(power))),
        (0..3usize, 1..5).prop_map(|(node, cores)| Harm::Cores(node, f64::from(cores))),
        (0..3usize).prop_map(Harm::Full),
        (0..3usize).prop_map(Harm::ReadOnly),
        (0..3usize, 0..3u64, prop::option::of(1..4u64)).prop_map(|(node, millis, rate)| {
            let rate = rate.map(Rate::from_bits_per_second);
            Harm::SlowDisk(node, DiskPace { delay: Duration::from_millis(millis + 1), rate })
        }),
        (0..3usize, any::<u64>()).prop_map(|(node, seed)| {
            Harm::FailingDisk(node, Errors { share: 0.5, operations: vec![Access::Sync], seed })
        }),
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
