//! The scenario's faults, done to a simulation. What a fault hits and how faults that overlap compose is the same as
//! in a run ([`crate::fault`]).

use std::collections::BTreeMap;
use std::time::Duration;

use planner::cluster::Path;
use planner::simulate::Simulation;

use crate::fabric::FabricError;
use crate::fault::catalogue::entry;
use crate::fault::damage::{Damage, Death, Harm, Spoil};
use crate::fault::steps::Step;
use crate::fault::{Ground, Hit, Holders, aim};
use crate::fleet::FleetError;
use crate::record::event::RunEvent;
use crate::sandbox::Defects;
use crate::sandbox::layer::Trouble;
use crate::scenario::network::{Direction, Shape};
use crate::scenario::{Role, Scenario};

/// What happened, and when, since load began.
type Told = Vec<(Duration, RunEvent)>;

#[derive(Debug, Clone, PartialEq)]
enum Due {
    Fire,
    Step(Step),
    Heal,
}

/// When something is due, of which fault, and its number among what is due of that.
type When = (Duration, usize, usize);
/// The number of healing: what else is due at its instant comes before it.
const LAST: usize = usize::MAX;

/// The faults of a scenario, in the order in which they are due.
#[derive(Debug)]
pub(super) struct Faults<'a> {
    scenario: &'a Scenario,
    names: Vec<String>,
    damage: Damage,
    due: BTreeMap<When, Due>,
    now: Duration,
}

impl<'a> Faults<'a> {
    pub(super) fn new(scenario: &'a Scenario) -> Faults<'a> {
        let due = scenario.faults.iter().enumerate().map(|(fault, spec)| ((spec.at, fault, 0), Due::Fire)).collect();
        let damage = Damage::new(&scenario.network);
        Faults { scenario, names: scenario.host_names(), damage, due, now: Duration::ZERO }
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Option<Duration> {
        self.due.keys().next().map(|(at, ..)| *at)
    }

    /// Until when everything due was done.
    pub(super) fn now(&self) -> Duration {
        self.now
    }

    /// Does what is due until now.
    pub(super) fn turn(&mut self, now: Duration, simulation: &mut Simulation<'_>) -> Told {
        let mut told = Vec::new();
        self.now = now;
        while let Some(first) = self.due.first_entry().filter(|first| first.key().0 <= now) {
            let ((at, fault, _), due) = first.remove_entry();
            let events = match due {
                Due::Fire => self.fire(fault, simulation),
                // A simulation refuses nothing.
                Due::Step(step) => {
                    let _ = self.damage.hold(fault, &step.harms, &mut Ruin(simulation));
                    vec![RunEvent::FaultStepped { fault, what: step.what }]
                }
                Due::Heal => {
                    let _ = self.damage.heal(fault, &mut Ruin(simulation));
                    vec![RunEvent::FaultHealed { fault }]
                }
            };
            told.extend(events.into_iter().map(|event| (at, event)));
        }
        told
    }

    fn fire(&mut self, fault: usize, simulation: &mut Simulation<'_>) -> Vec<RunEvent> {
        let hit = match self.hit(fault, simulation) {
            Ok(hit) => hit,
            Err(reason) => return vec![RunEvent::FaultFailed { fault, reason }],
        };
        let spec = &self.scenario.faults[fault];
        let nodes = hit.nodes.iter().map(|&node| self.names[node].clone()).collect();
        let mut steps = hit.steps.into_iter();
        let first = steps.next().map(|step| step.harms).unwrap_or_default();
        let _ = self.damage.hold(fault, &first, &mut Ruin(simulation));
        let later =
            steps.enumerate().map(|(number, step)| ((spec.at + step.after, fault, number + 1), Due::Step(step)));
        self.due.extend(later);
        self.due.extend(spec.lasting.map(|lasting| ((spec.at + lasting, fault, LAST), Due::Heal)));
        vec![RunEvent::FaultFired { fault, target: hit.target, nodes }, RunEvent::FaultEffective { fault }]
    }

    /// What a fault does if it fires now, or why it can't be simulated.
    fn hit(&self, fault: usize, simulation: &Simulation<'_>) -> Result<Hit, String> {
        let spec = &self.scenario.faults[fault];
        let entry = entry(&spec.kind);
        if !entry.simulated {
            return Err(format!("a simulation has no faults of kind {:?}", entry.kind));
        }
        let span =
            spec.lasting.unwrap_or_else(|| (self.scenario.duration + self.scenario.drain).saturating_sub(spec.at));
        let holders = Seen { scenario: self.scenario, simulation };
        let hit = aim(&spec.kind, (span, spec.lasting.is_some()), &self.names, &self.scenario.network, &holders)
            .map_err(|error| error.to_string())?;
        if hit.steps.iter().flat_map(|step| &step.harms).any(|harm| self.is_beyond(harm)) {
            return Err("only workers die or stand still in a simulation".to_owned());
        }
        Ok(hit)
    }

    /// Whether a harm is to a process that a simulation doesn't have.
    fn is_beyond(&self, harm: &Harm) -> bool {
        match harm {
            Harm::Dead(node, _)
            | Harm::Ahead(node, _)
            | Harm::Frozen(node)
            | Harm::Slow(node, _)
            | Harm::Cores(node, _) => self.scenario.nodes.get(*node).is_none_or(|node| node.role != Role::Worker),
            // Kinds that do this were refused.
            Harm::Full(_) | Harm::ReadOnly(_) | Harm::SlowDisk(..) | Harm::FailingDisk(..) | Harm::Spoilt(..) => true,
            Harm::Shape(..) | Harm::Blocked(_) => false,
        }
    }
}

/// A simulation, seen as the holders of its stages.
struct Seen<'a, 's> {
    scenario: &'a Scenario,
    simulation: &'a Simulation<'s>,
}

impl Holders for Seen<'_, '_> {
    fn stage(&self, stage: u16) -> Option<usize> {
        self.simulation.plan().stages.get(usize::from(stage)).map(|stage| stage.node)
    }

    fn behind(&self, stage: u16) -> Option<usize> {
        self.simulation.plan().behind(usize::from(stage), self.scenario.node_with(Role::Dispatcher))
    }

    fn spare(&self) -> Option<usize> {
        let free = |node: &usize| {
            self.scenario.nodes[*node].role == Role::Worker
                && self.simulation.is_alive(*node)
                && self.simulation.plan().stages.iter().all(|stage| stage.node != *node)
        };
        (0..self.scenario.nodes.len()).find(free)
    }
}

/// A simulation, as faults see it.
struct Ruin<'a, 's>(&'a mut Simulation<'s>);

impl Ground for Ruin<'_, '_> {
    fn kill(&mut self, node: usize, _how: Death) -> Result<(), FleetError> {
        self.0.kill(node);
        Ok(())
    }

    fn start(&mut self, node: usize) -> Result<(), FleetError> {
        self.0.start(node);
        Ok(())
    }

    fn advance(&mut self, _node: usize, _ahead: Duration) {
        // A simulation has one clock, and nobody in it compares two.
    }

    fn freeze(&mut self, node: usize, frozen: bool) -> Result<(), FleetError> {
        self.0.freeze(node, frozen);
        Ok(())
    }

    fn slow(&mut self, node: usize, factor: f64) -> Result<(), FleetError> {
        self.0.slow(node, factor);
        Ok(())
    }

    fn throttle(&mut self, _node: usize, _cores: Option<f64>) -> Result<(), FleetError> {
        // Kinds that do this were refused: what a device computes in its time is all that a simulation knows of it.
        Ok(())
    }

    fn store(&mut self, _node: usize, _defects: Defects) -> Result<(), FleetError> {
        Ok(())
    }

    fn trouble(&mut self, _node: usize, _trouble: Trouble) -> Result<(), FleetError> {
        Ok(())
    }

    fn spoil(&mut self, _node: usize, _spoil: &Spoil) -> Result<(), FleetError> {
        Ok(())
    }

    fn shape(&mut self, direction: Direction, shape: &Shape) -> Result<(), FabricError> {
        let path = Path { rate: shape.rate, delay: shape.delay, air: None };
        self.0.reshape(direction.from, direction.to, path, !shape.is_severed());
        Ok(())
    }

    fn block(&mut self, from: usize, to: usize, blocked: bool) -> Result<(), FabricError> {
        self.0.block(from, to, blocked);
        Ok(())
    }
}
