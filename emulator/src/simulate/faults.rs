//! The scenario's faults, done to a simulation. What a fault hits and how faults that overlap compose is the same as
//! in a run ([`crate::fault`]).

use std::time::Duration;

use planner::cluster::Path;
use planner::simulate::Simulation;

use crate::fabric::FabricError;
use crate::fault::damage::{Damage, Harm};
use crate::fault::{Ground, Holders, aim};
use crate::fleet::FleetError;
use crate::record::event::RunEvent;
use crate::scenario::network::{Direction, Shape};
use crate::scenario::{Role, Scenario};

/// What happened, and when, since load began.
type Told = Vec<(Duration, RunEvent)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Fire,
    Heal,
}

/// The faults of a scenario, in the order in which they are due.
#[derive(Debug)]
pub(super) struct Faults<'a> {
    scenario: &'a Scenario,
    names: Vec<String>,
    damage: Damage,
    /// When, which fault, what: the last is the next.
    due: Vec<(Duration, usize, Step)>,
    failed: Vec<usize>,
    now: Duration,
}

impl<'a> Faults<'a> {
    pub(super) fn new(scenario: &'a Scenario) -> Faults<'a> {
        let steps = scenario.faults.iter().enumerate().flat_map(|(fault, spec)| {
            let heal = spec.lasting.map(|lasting| (spec.at + lasting, fault, Step::Heal));
            [Some((spec.at, fault, Step::Fire)), heal].into_iter().flatten()
        });
        let mut due: Vec<(Duration, usize, Step)> = steps.collect();
        due.sort_unstable_by(|a, b| b.cmp(a));
        let damage = Damage::new(&scenario.network);
        let names = scenario.host_names();
        Faults { scenario, names, damage, due, failed: Vec::new(), now: Duration::ZERO }
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Option<Duration> {
        self.due.last().map(|(at, ..)| *at)
    }

    /// Until when everything due was done.
    pub(super) fn now(&self) -> Duration {
        self.now
    }

    /// Does what is due until now.
    pub(super) fn turn(&mut self, now: Duration, simulation: &mut Simulation<'_>) -> Told {
        let mut told = Vec::new();
        self.now = now;
        while let Some((at, fault, step)) = self.due.pop_if(|(at, ..)| *at <= now) {
            let events = match step {
                Step::Fire => self.fire(fault, simulation),
                Step::Heal if self.failed.contains(&fault) => Vec::new(),
                Step::Heal => {
                    // A simulation refuses nothing.
                    let _ = self.damage.heal(fault, &mut Ruin(simulation));
                    vec![RunEvent::FaultHealed { fault }]
                }
            };
            told.extend(events.into_iter().map(|event| (at, event)));
        }
        told
    }

    fn fire(&mut self, fault: usize, simulation: &mut Simulation<'_>) -> Vec<RunEvent> {
        let holders = Seen { scenario: self.scenario, simulation };
        let hit = aim(&self.scenario.faults[fault].kind, &self.names, &self.scenario.network, &holders);
        let reason = match &hit {
            Err(error) => Some(error.to_string()),
            Ok(hit) if hit.harms.iter().any(|harm| self.is_beyond(harm)) => {
                Some("only workers die or stand still in a simulation".to_owned())
            }
            Ok(_) => None,
        };
        let (Ok(hit), None) = (hit, reason.clone()) else {
            self.failed.push(fault);
            return vec![RunEvent::FaultFailed { fault, reason: reason.unwrap_or_default() }];
        };
        let nodes = hit.nodes.iter().map(|&node| self.names[node].clone()).collect();
        let _ = self.damage.inflict(fault, &hit.harms, &mut Ruin(simulation));
        vec![RunEvent::FaultFired { fault, target: hit.target, nodes }, RunEvent::FaultEffective { fault }]
    }

    /// Whether a harm is to a process that a simulation doesn't have.
    fn is_beyond(&self, harm: &Harm) -> bool {
        match harm {
            Harm::Dead(node) | Harm::Frozen(node) => {
                self.scenario.nodes.get(*node).is_none_or(|node| node.role != Role::Worker)
            }
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
    fn kill(&mut self, node: usize) -> Result<(), FleetError> {
        self.0.kill(node);
        Ok(())
    }

    fn start(&mut self, node: usize) -> Result<(), FleetError> {
        self.0.start(node);
        Ok(())
    }

    fn freeze(&mut self, node: usize, frozen: bool) -> Result<(), FleetError> {
        self.0.freeze(node, frozen);
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
