//! Fires and heals faults on time.

use std::time::Duration;

use node::clock::Instant;

use super::damage::Damage;
use super::{Ground, Harm, Holders, aim};
use crate::record::event::RunEvent;
use crate::scenario::network::Network;
use crate::scenario::{FaultSpec, Scenario};

/// The faults of a run, in the order in which they are due.
#[derive(Debug)]
pub struct Timeline {
    names: Vec<String>,
    network: Network,
    faults: Vec<Planned>,
    damage: Damage,
    began: Option<Instant>,
}

#[derive(Debug)]
struct Planned {
    spec: FaultSpec,
    state: State,
}

#[derive(Debug, Clone, PartialEq)]
enum State {
    Waiting,
    /// Fired; not all of its effects have been seen.
    Striking(Vec<Awaited>),
    Holding,
    Over,
}

/// An effect that takes a moment to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    End(usize),
    Pause(usize),
}

impl Timeline {
    /// The faults of a scenario; none is due before [`Timeline::begin`].
    pub fn new(scenario: &Scenario) -> Timeline {
        Timeline {
            names: scenario.host_names(),
            network: scenario.network.clone(),
            faults: scenario.faults.iter().map(|spec| Planned { spec: spec.clone(), state: State::Waiting }).collect(),
            damage: Damage::new(&scenario.network),
            began: None,
        }
    }

    /// Load has begun: times of faults count from now.
    pub fn begin(&mut self, now: Instant) {
        self.began = Some(now);
    }

    /// When something is due next.
    pub fn next(&self) -> Option<Instant> {
        let began = self.began?;
        self.faults.iter().filter_map(Planned::due).min().map(|due| began + due)
    }

    /// Fires and heals what is due. The events are in order; each has its own instant.
    pub fn turn(&mut self, ground: &mut dyn Ground, holders: &dyn Holders) -> Vec<(Instant, RunEvent)> {
        let mut events = Vec::new();
        let Some(began) = self.began else { return events };
        let now = Instant::now();
        for fault in 0..self.faults.len() {
            if self.faults[fault].due().is_some_and(|due| began + due <= now) {
                match self.faults[fault].state {
                    State::Waiting => self.fire(fault, ground, holders, &mut events),
                    _ => self.heal(fault, ground, &mut events),
                }
            }
        }
        events
    }

    /// A node's process was seen to end.
    pub fn ended(&mut self, node: usize) -> Vec<RunEvent> {
        self.seen(Awaited::End(node))
    }

    /// A node's process was seen to stand still.
    pub fn paused(&mut self, node: usize) -> Vec<RunEvent> {
        self.seen(Awaited::Pause(node))
    }

    fn seen(&mut self, sight: Awaited) -> Vec<RunEvent> {
        let mut events = Vec::new();
        for (fault, planned) in self.faults.iter_mut().enumerate() {
            let State::Striking(awaited) = &mut planned.state else { continue };
            awaited.retain(|other| *other != sight);
            if awaited.is_empty() {
                planned.state = State::Holding;
                events.push(RunEvent::FaultEffective { fault });
            }
        }
        events
    }

    fn fire(
        &mut self,
        fault: usize,
        ground: &mut dyn Ground,
        holders: &dyn Holders,
        events: &mut Vec<(Instant, RunEvent)>,
    ) {
        let hit = match aim(&self.faults[fault].spec.kind, &self.names, &self.network, holders) {
            Ok(hit) => hit,
            Err(error) => return self.fail(fault, &error, events),
        };
        let nodes = hit.nodes.iter().map(|&node| self.names[node].clone()).collect();
        events.push((Instant::now(), RunEvent::FaultFired { fault, target: hit.target, nodes }));
        let awaited: Vec<Awaited> = hit.harms.iter().filter_map(|harm| self.awaited(harm)).collect();
        if let Err(error) = self.damage.inflict(fault, &hit.harms, ground) {
            return self.fail(fault, &error, events);
        }
        if awaited.is_empty() {
            events.push((Instant::now(), RunEvent::FaultEffective { fault }));
            self.faults[fault].state = State::Holding;
        } else {
            self.faults[fault].state = State::Striking(awaited);
        }
    }

    /// What must be seen before a harm has its effect; nothing, if it acts at once or another fault has done it already.
    fn awaited(&self, harm: &Harm) -> Option<Awaited> {
        match *harm {
            Harm::Dead(node) if !self.damage.is_dead(node) => Some(Awaited::End(node)),
            Harm::Frozen(node) if !self.damage.is_frozen(node) => Some(Awaited::Pause(node)),
            _ => None,
        }
    }

    fn heal(&mut self, fault: usize, ground: &mut dyn Ground, events: &mut Vec<(Instant, RunEvent)>) {
        match self.damage.heal(fault, ground) {
            Ok(()) => {
                self.faults[fault].state = State::Over;
                events.push((Instant::now(), RunEvent::FaultHealed { fault }));
            }
            Err(error) => self.fail(fault, &error, events),
        }
    }

    fn fail(&mut self, fault: usize, error: &super::FaultError, events: &mut Vec<(Instant, RunEvent)>) {
        self.faults[fault].state = State::Over;
        events.push((Instant::now(), RunEvent::FaultFailed { fault, reason: error.to_string() }));
    }
}

impl Planned {
    /// When it is to be fired or, once fired, healed, since load began.
    fn due(&self) -> Option<Duration> {
        match self.state {
            State::Waiting => Some(self.spec.at),
            // A process must have been seen to end before it can be started again.
            State::Striking(_) | State::Over => None,
            State::Holding => self.spec.lasting.map(|lasting| self.spec.at + lasting),
        }
    }
}
