//! Fires faults on time, takes them from step to step, and heals them.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use node::clock::Instant;

use super::damage::{Damage, Harm};
use super::steps::Step;
use super::{FaultError, Ground, Holders, aim};
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
    /// Nodes that a fault holds dead and whose process was seen to end.
    ended: BTreeSet<usize>,
    /// When the run is over, since load began.
    end: Duration,
    began: Option<Instant>,
}

#[derive(Debug)]
struct Planned {
    spec: FaultSpec,
    state: State,
}

#[derive(Debug, PartialEq)]
enum State {
    Waiting,
    Holding(Holding),
    Over,
}

/// A fault that has fired.
#[derive(Debug, PartialEq)]
struct Holding {
    /// What it will do yet.
    steps: VecDeque<Step>,
    /// What of this step has not been seen yet.
    awaited: Vec<Awaited>,
    /// Whether all of the first step has been seen.
    effective: bool,
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
            ended: BTreeSet::new(),
            end: scenario.duration + scenario.drain,
            began: None,
        }
    }

    /// Load has begun: times of faults count from now.
    pub fn begin(&mut self, now: Instant) {
        self.began = Some(now);
    }

    /// Adds a fault that is due now. Returns its index, behind all others.
    pub fn inject(&mut self, spec: FaultSpec) -> usize {
        self.faults.push(Planned { spec, state: State::Waiting });
        self.faults.len() - 1
    }

    /// What a fault was planned to be.
    pub fn spec(&self, fault: usize) -> &FaultSpec {
        &self.faults[fault].spec
    }

    /// When something is due next.
    pub fn next(&self) -> Option<Instant> {
        let began = self.began?;
        self.faults.iter().filter_map(Planned::due).min().map(|due| began + due)
    }

    /// Fires, goes on with and heals what is due. The events are in order; each has its own instant.
    pub fn turn(&mut self, ground: &mut dyn Ground, holders: &dyn Holders) -> Vec<(Instant, RunEvent)> {
        let mut events = Vec::new();
        let Some(began) = self.began else { return events };
        let now = Instant::now();
        for fault in 0..self.faults.len() {
            if self.faults[fault].due().is_some_and(|due| began + due <= now) {
                let done = match self.faults[fault].state {
                    State::Waiting => self.fire(fault, ground, holders, &mut events),
                    _ if self.faults[fault].is_to_heal() => self.heal(fault, ground, &mut events),
                    _ => self.step(fault, ground, &mut events),
                };
                if let Err(error) = done {
                    self.fail(fault, &error, ground, &mut events);
                }
            }
        }
        events
    }

    /// A node's process was seen to end.
    pub fn ended(&mut self, node: usize) -> Vec<RunEvent> {
        self.ended.insert(node);
        // What has ended won't stand still any more.
        self.seen(&[Awaited::End(node), Awaited::Pause(node)])
    }

    /// A node's process was seen to stand still.
    pub fn paused(&mut self, node: usize) -> Vec<RunEvent> {
        self.seen(&[Awaited::Pause(node)])
    }

    fn seen(&mut self, sights: &[Awaited]) -> Vec<RunEvent> {
        let mut events = Vec::new();
        for (fault, planned) in self.faults.iter_mut().enumerate() {
            let State::Holding(holding) = &mut planned.state else { continue };
            holding.awaited.retain(|awaited| !sights.contains(awaited));
            if holding.awaited.is_empty() && !holding.effective {
                holding.effective = true;
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
    ) -> Result<(), FaultError> {
        let FaultSpec { at, lasting, kind, .. } = &self.faults[fault].spec;
        let span = lasting.unwrap_or_else(|| self.end.saturating_sub(*at));
        let hit = aim(kind, (span, lasting.is_some()), &self.names, &self.network, holders)?;
        let nodes = hit.nodes.iter().map(|&node| self.names[node].clone()).collect();
        events.push((Instant::now(), RunEvent::FaultFired { fault, target: hit.target, nodes }));
        let mut steps = VecDeque::from(hit.steps);
        let first = steps.pop_front();
        let awaited = self.hold(fault, first.as_ref().map_or(&[], |step| &step.harms), ground)?;
        let effective = awaited.is_empty();
        if effective {
            events.push((Instant::now(), RunEvent::FaultEffective { fault }));
        }
        self.faults[fault].state = State::Holding(Holding { steps, awaited, effective });
        Ok(())
    }

    fn step(
        &mut self,
        fault: usize,
        ground: &mut dyn Ground,
        events: &mut Vec<(Instant, RunEvent)>,
    ) -> Result<(), FaultError> {
        let State::Holding(holding) = &mut self.faults[fault].state else { return Ok(()) };
        let Some(step) = holding.steps.pop_front() else { return Ok(()) };
        let awaited = self.hold(fault, &step.harms, ground)?;
        if let State::Holding(holding) = &mut self.faults[fault].state {
            holding.awaited = awaited;
        }
        events.push((Instant::now(), RunEvent::FaultStepped { fault, what: step.what }));
        Ok(())
    }

    /// Does the harms of a step instead of those of the step before. Returns what of them must be seen to happen yet.
    fn hold(&mut self, fault: usize, harms: &[Harm], ground: &mut dyn Ground) -> Result<Vec<Awaited>, FaultError> {
        let awaited = harms.iter().filter_map(|harm| match *harm {
            Harm::Dead(node, _) if !(self.damage.is_dead(node) && self.ended.contains(&node)) => {
                Some(Awaited::End(node))
            }
            Harm::Frozen(node) if !self.damage.is_frozen(node) && !self.damage.is_dead(node) => {
                Some(Awaited::Pause(node))
            }
            // It acts at once, or another fault has done it already.
            _ => None,
        });
        let awaited: Vec<Awaited> = awaited.collect();
        self.ended.retain(|node| !awaited.contains(&Awaited::End(*node)));
        self.damage.hold(fault, harms, ground)?;
        Ok(awaited)
    }

    fn heal(
        &mut self,
        fault: usize,
        ground: &mut dyn Ground,
        events: &mut Vec<(Instant, RunEvent)>,
    ) -> Result<(), FaultError> {
        self.damage.heal(fault, ground)?;
        self.faults[fault].state = State::Over;
        events.push((Instant::now(), RunEvent::FaultHealed { fault }));
        Ok(())
    }

    /// A fault that can't go on ends, and leaves nothing behind that can be taken away.
    fn fail(
        &mut self,
        fault: usize,
        error: &FaultError,
        ground: &mut dyn Ground,
        events: &mut Vec<(Instant, RunEvent)>,
    ) {
        // The first refusal is the one to tell.
        let _ = self.damage.heal(fault, ground);
        self.faults[fault].state = State::Over;
        events.push((Instant::now(), RunEvent::FaultFailed { fault, reason: error.to_string() }));
    }
}

impl Planned {
    /// When it is to be fired or, once fired, to go on or be healed, since load began.
    fn due(&self) -> Option<Duration> {
        match &self.state {
            State::Waiting => Some(self.spec.at),
            // A process must have been seen to end before it can be started again.
            State::Holding(Holding { awaited, .. }) if !awaited.is_empty() => None,
            State::Holding(holding) => [self.next_step(holding), self.healing()].into_iter().flatten().min(),
            State::Over => None,
        }
    }

    /// Whether it is to be healed before it goes on.
    fn is_to_heal(&self) -> bool {
        match &self.state {
            State::Holding(holding) => match (self.next_step(holding), self.healing()) {
                (Some(step), Some(healing)) => healing <= step,
                (_, healing) => healing.is_some(),
            },
            State::Waiting | State::Over => false,
        }
    }

    fn next_step(&self, holding: &Holding) -> Option<Duration> {
        holding.steps.front().map(|step| self.spec.at + step.after)
    }

    fn healing(&self) -> Option<Duration> {
        self.spec.lasting.map(|lasting| self.spec.at + lasting)
    }
}

#[cfg(test)]
mod tests;
