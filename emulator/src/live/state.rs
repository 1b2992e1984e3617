//! What is known of a run while it goes on. It is told entries of the event log, in the order in which they were heard.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use node::clock::Instant;
use node::telemetry::Event;
use planner::units::{ByteSize, Rate};

use super::recent::Seconds;
use crate::fabric::Counters;
use crate::fault::{asked, name};
use crate::record::event::{Entry, RunEvent, TESTBED};
use crate::record::summary::NO_MODEL;
use crate::scenario::{FaultSpec, Role, Scenario};

/// Upper bounds of the buckets in which latencies are counted, in seconds; one more has all that is longer.
pub const BOUNDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0];
/// So much news is kept.
const NEWS: usize = 200;

/// A run so far.
#[derive(Debug, Clone)]
pub struct State {
    /// The scenario's name.
    pub scenario: String,
    /// The model: its name in the zoo, or its file; or that there is none.
    pub model: String,
    /// Whether programs of others run.
    pub foreign: bool,
    /// The scenario's seed.
    pub seed: u64,
    /// How long load is offered.
    pub duration: Duration,
    /// The phase of set-up or teardown that goes on.
    pub phase: String,
    /// What bears the links.
    pub carrier: Option<String>,
    /// When load began.
    pub began: Option<Instant>,
    /// When load ended.
    pub ended: Option<Instant>,
    /// Requests, counted.
    pub requests: Requests,
    /// Requests that wait for their answer.
    pub outstanding: u64,
    /// Results per second of late.
    pub per_second: f64,
    /// Latency from the scheduled instant, of all results.
    pub latency: Histogram,
    /// The last two minutes.
    pub seconds: Seconds,
    /// Names of the hosts: nodes, then switches.
    pub hosts: Vec<String>,
    /// The nodes, as the scenario numbers them.
    pub nodes: Vec<Node>,
    /// What passed from one host to its neighbour, by their numbers.
    pub links: BTreeMap<(usize, usize), Link>,
    /// The plan in force, or that is being deployed.
    pub plan: Option<Plan>,
    /// Plans made so far.
    pub plans: u64,
    /// Nodes and paths that the dispatcher took for broken.
    pub suspicions: u64,
    /// The faults, by index: the scenario's, then those by hand.
    pub faults: Vec<Fault>,
    /// Resident memory of this program, in bytes.
    pub own_memory: Option<u64>,
    /// What happened, for people: when since load began, and what. The latest is last.
    pub news: VecDeque<(Option<Duration>, String)>,
}

/// Requests, counted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Requests {
    /// Their scheduled instant came.
    pub offered: u64,
    /// The dispatcher said that it has them.
    pub accepted: u64,
    /// A first result arrived.
    pub completed: u64,
    /// An error arrived.
    pub errored: u64,
    /// Sent through the pipeline again after a failure.
    pub replayed: u64,
}

/// Values, counted in the buckets of [`BOUNDS`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Histogram {
    /// How many in each bucket.
    pub counts: [u64; BOUNDS.len() + 1],
    /// All values together, in seconds.
    pub sum: f64,
}

/// A node.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it does.
    pub role: Role,
    /// Memory its process may use.
    pub limit: ByteSize,
    /// How its process is.
    pub life: Life,
    /// Resident memory, in bytes; `None`: not looked at yet, or no process.
    pub resident: Option<u64>,
    /// Open file descriptors.
    pub descriptors: Option<u64>,
    /// How often a process was started.
    pub starts: u64,
    /// Requests that went through its stages.
    pub processed: u64,
    /// Time it computed for these.
    pub computed: Duration,
}

/// How a node's process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// There is none.
    Gone,
    /// It was started, and has not said that it is ready.
    Starting,
    /// It serves.
    Up,
}

/// A direction between neighbours.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    /// What it can carry, as the scenario has it; `None`: no limit.
    pub capacity: Option<Rate>,
    /// What passed, by the last count.
    pub counters: Counters,
    /// When that was counted.
    counted: Option<Instant>,
    /// Bytes per second between the last two counts.
    pub used: f64,
}

/// A plan.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its epoch.
    pub epoch: u32,
    /// The node of each stage.
    pub stages: Vec<usize>,
    /// The ways through the stages.
    pub chains: Vec<Vec<usize>>,
    /// Whether every stage is ready.
    pub deployed: bool,
}

/// A fault.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Its kind.
    pub kind: &'static str,
    /// What it hits: as the scenario says it and, once it has fired, what that was.
    pub target: String,
    /// When it is to fire, since load began.
    pub planned: Duration,
    /// For how long; `None`: for good.
    pub lasting: Option<Duration>,
    /// Whether the scenario doesn't have it.
    pub by_hand: bool,
    /// The nodes that it hit, by number.
    pub nodes: Vec<usize>,
    /// When it fired.
    pub fired: Option<Instant>,
    /// How far it is.
    pub stand: Stand,
}

/// How far a fault is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stand {
    /// It is to come.
    Planned,
    /// It has fired, and holds.
    Active,
    /// It was healed.
    Healed(Instant),
    /// It could not be fired, or could not go on.
    Failed(String),
}

impl State {
    pub(super) fn new(scenario: &Scenario) -> State {
        let node = |node: &crate::scenario::NodeSpec| Node {
            role: node.role,
            limit: node.memory,
            life: Life::Gone,
            resident: None,
            descriptors: None,
            starts: 0,
            processed: 0,
            computed: Duration::ZERO,
        };
        let link = |capacity| Link { capacity, counters: Counters::default(), counted: None, used: 0.0 };
        let links = scenario.network.directions();
        State {
            scenario: scenario.name.clone(),
            model: scenario.model_name().unwrap_or_else(|| NO_MODEL.to_owned()),
            foreign: scenario.commands().is_some(),
            seed: scenario.seed,
            duration: scenario.duration,
            phase: String::new(),
            carrier: None,
            began: None,
            ended: None,
            requests: Requests::default(),
            outstanding: 0,
            per_second: 0.0,
            latency: Histogram::default(),
            seconds: Seconds::default(),
            hosts: scenario.host_names(),
            nodes: scenario.nodes.iter().map(node).collect(),
            links: links.map(|(way, shape)| ((way.from, way.to), link(shape.rate))).collect(),
            plan: None,
            plans: 0,
            suspicions: 0,
            faults: scenario.faults.iter().map(|spec| Fault::of(spec, false)).collect(),
            own_memory: None,
            news: VecDeque::new(),
        }
    }

    pub(super) fn tell(&mut self, at: Option<Duration>, text: &str) {
        if self.news.len() == NEWS {
            self.news.pop_front();
        }
        self.news.push_back((at, text.to_owned()));
    }

    /// Takes in an entry, and keeps up which requests are `waiting`. Returns whether it is the first result of one.
    pub(super) fn take_in(&mut self, entry: &Entry, waiting: &mut HashMap<u64, Instant>) -> bool {
        match entry {
            Entry::Node { at, node, event } => return self.heard(*at, node, event, waiting),
            Entry::Run { at, event } => self.happened(*at, event),
        }
        false
    }

    fn heard(&mut self, at: Instant, teller: &str, event: &Event, waiting: &mut HashMap<u64, Instant>) -> bool {
        match event {
            Event::Ready => self.live(teller, Life::Up),
            Event::Offered { request, scheduled, .. } => {
                self.requests.offered += 1;
                waiting.insert(*request, *scheduled);
            }
            Event::Accepted { .. } => self.requests.accepted += 1,
            Event::Completed { request, .. } | Event::Answered { request } => {
                // A second result of the same request is not waited for.
                let Some(scheduled) = waiting.remove(request) else { return false };
                let latency = at.since(scheduled);
                self.requests.completed += 1;
                self.latency.add(latency.as_secs_f64());
                if let Some(began) = self.began {
                    self.seconds.completed(at.since(began), latency);
                }
                return true;
            }
            Event::Errored { request, .. } => {
                self.requests.errored += u64::from(waiting.remove(request).is_some());
            }
            Event::Planned { epoch, plan, .. } => {
                self.plans += 1;
                let stages = plan.stages.iter().map(|stage| stage.node).collect();
                let chains = plan.chains.iter().map(|chain| chain.stages.clone()).collect();
                self.plan = Some(Plan { epoch: *epoch, stages, chains, deployed: false });
            }
            Event::Deployed { epoch, .. } => {
                if let Some(plan) = self.plan.as_mut().filter(|plan| plan.epoch == *epoch) {
                    plan.deployed = true;
                }
            }
            Event::Replayed { requests, .. } => self.requests.replayed += requests.len() as u64,
            Event::NodeSuspected { .. } | Event::PathSuspected { .. } => self.suspicions += 1,
            Event::Processed { started, finished, .. } => {
                if let Some(node) = self.node(teller) {
                    node.processed += 1;
                    node.computed += finished.since(*started);
                }
            }
            _ => {}
        }
        false
    }

    fn happened(&mut self, at: Instant, event: &RunEvent) {
        match event {
            RunEvent::Host { carrier, .. } => self.carrier = Some(carrier.clone()),
            RunEvent::NodeStarted { node, .. } => {
                self.live(node, Life::Starting);
                self.node(node).into_iter().for_each(|node| node.starts += 1);
            }
            RunEvent::NodeExited { node, .. } => self.live(node, Life::Gone),
            RunEvent::LoadStarted => self.began = Some(at),
            RunEvent::LoadEnded => self.ended = Some(at),
            RunEvent::FaultInjected { spec, .. } => self.faults.push(Fault::of(spec, true)),
            RunEvent::FaultFired { fault, target, nodes } => {
                let numbers = nodes.iter().filter_map(|node| self.hosts.iter().position(|known| known == node));
                let numbers = numbers.collect();
                if let Some(fault) = self.faults.get_mut(*fault) {
                    (fault.target, fault.nodes) = (target.clone(), numbers);
                    (fault.fired, fault.stand) = (Some(at), Stand::Active);
                }
            }
            RunEvent::FaultHealed { fault } => self.stands(*fault, Stand::Healed(at)),
            RunEvent::FaultFailed { fault, reason } => self.stands(*fault, Stand::Failed(reason.clone())),
            RunEvent::Traffic { from, to, counters } => self.passed(at, [from, to], *counters),
            RunEvent::Held { processes } => {
                for held in processes {
                    if held.process == TESTBED {
                        self.own_memory = Some(held.resident);
                    } else if let Some(node) = self.node(&held.process) {
                        (node.resident, node.descriptors) = (Some(held.resident), Some(held.descriptors));
                    }
                }
            }
            _ => {}
        }
    }

    fn passed(&mut self, at: Instant, ends: [&String; 2], counters: Counters) {
        let [from, to] = ends.map(|name| self.hosts.iter().position(|known| known == name));
        let (Some(from), Some(to)) = (from, to) else { return };
        let Some(link) = self.links.get_mut(&(from, to)) else { return };
        let since = link.counted.or(self.began).map_or(0.0, |before| at.since(before).as_secs_f64());
        if since > 0.0 {
            link.used = counters.bytes.saturating_sub(link.counters.bytes) as f64 / since;
        }
        (link.counters, link.counted) = (counters, Some(at));
    }

    fn node(&mut self, name: &str) -> Option<&mut Node> {
        let number = self.hosts.iter().position(|known| known == name)?;
        self.nodes.get_mut(number)
    }

    fn live(&mut self, name: &str, life: Life) {
        if let Some(node) = self.node(name) {
            node.life = life;
            if life != Life::Up {
                (node.resident, node.descriptors) = (None, None);
            }
        }
    }

    fn stands(&mut self, fault: usize, stand: Stand) {
        if let Some(fault) = self.faults.get_mut(fault) {
            fault.stand = stand;
        }
    }

    /// Faults that hold now.
    pub fn active(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter().filter(|fault| matches!(fault.stand, Stand::Active))
    }

    /// The stages that a node holds, by number.
    pub fn stages_of(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        let stages = self.plan.iter().flat_map(|plan| plan.stages.iter().enumerate());
        stages.filter(move |(_, holder)| **holder == node).map(|(stage, _)| stage)
    }

    /// What a node does at this moment, for people: `stage 2`, `spare`, `client`, `dispatcher`.
    pub fn duty(&self, node: usize) -> String {
        match self.nodes.get(node).map(|node| node.role) {
            Some(Role::Client) => "client".to_owned(),
            Some(Role::Dispatcher) => "dispatcher".to_owned(),
            Some(Role::Worker) if self.foreign => "worker".to_owned(),
            Some(Role::Worker) => match self.stages_of(node).map(|stage| stage.to_string()).collect::<Vec<_>>() {
                stages if stages.is_empty() => "spare".to_owned(),
                stages => format!("stage {}", stages.join(", ")),
            },
            None => "switch".to_owned(),
        }
    }
}

impl Fault {
    fn of(spec: &FaultSpec, by_hand: bool) -> Fault {
        Fault {
            kind: name(&spec.kind),
            target: asked(&spec.kind),
            planned: spec.at,
            lasting: spec.lasting,
            by_hand,
            nodes: Vec::new(),
            fired: None,
            stand: Stand::Planned,
        }
    }
}

impl Histogram {
    fn add(&mut self, value: f64) {
        self.counts[BOUNDS.iter().position(|bound| value <= *bound).unwrap_or(BOUNDS.len())] += 1;
        self.sum += value;
    }
}
