//! The simulated cluster: what nodes, network, planner and client do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use planner::codec::Codec;
use planner::plan::{Chain, Limit, Plan, Prediction, Stage};
use planner::profile::Segment;
use planner::strategy::PlanError;
use planner::units::ByteSize;

use crate::clock::Instant;
use crate::dispatcher::core::exchange::{Input, Output, Question};
use crate::dispatcher::core::ledger::Answer;
use crate::dispatcher::core::{Core, Settings};
use crate::telemetry::{Detection, Event};
use crate::wire::message::{Heartbeat, ToDispatcher, ToWorker};

pub const NODES: usize = 6;
pub const DISPATCHER: usize = 0;
const QUEUE: usize = 5;

pub enum ToNode {
    Accepted(u64),
    Message(u64, ToWorker),
    Closed(u64),
}

pub struct Held {
    epoch: u32,
    stage: u16,
    next: usize,
    loaded: bool,
    lost: bool,
}

#[derive(Default)]
pub struct Node {
    pub alive: bool,
    pub paused: bool,
    pub incarnation: u64,
    pub sequence: u64,
    /// The session this process serves.
    pub session: Option<u64>,
    /// The session whose connection exists.
    pub established: Option<u64>,
    pub inbox: VecDeque<ToNode>,
    pub outbox: VecDeque<Input>,
    pub held: Option<Held>,
    pub refuse: bool,
    /// Has never been disturbed: must never be suspected for its silence.
    pub blameless: bool,
}

/// A tensor on its way to stage `stage` of `epoch`, or a result.
#[derive(Clone)]
pub struct Tensor {
    from: usize,
    to: usize,
    epoch: u32,
    request: u64,
    stage: u16,
}

pub struct World {
    pub core: Core,
    now: Instant,
    pub nodes: Vec<Node>,
    pub broken: BTreeSet<(usize, usize)>,
    pub ever_broken: BTreeSet<(usize, usize)>,
    pub tensors: Vec<Tensor>,
    question: Option<Question>,
    plans: BTreeMap<u32, Plan>,
    /// Feed connection: epoch and node, and whether its loss was told.
    feed: Option<(u32, usize, bool)>,
    feed_inputs: VecDeque<Input>,
    clients: u64,
    client: Option<u64>,
    pub credit: usize,
    pub offered: u64,
    pub unanswered: BTreeSet<u64>,
    pub answers: BTreeMap<u64, u32>,
    to_client: VecDeque<(u64, u32)>,
    choice: u64,
}

impl World {
    pub fn new(seed: u64) -> World {
        let settings = Settings {
            names: (0..NODES).map(|node| format!("n{node}")).collect(),
            addresses: (0..NODES).map(|node| IpAddr::V4(Ipv4Addr::new(10, 0, 0, node as u8))).collect(),
            workers: (1..NODES).collect(),
            dispatcher: DISPATCHER,
            codec: Codec::Raw,
            heartbeat: Duration::from_millis(100),
            missed: 3,
            window: None,
            queue: QUEUE,
        };
        let now = Instant(1_000_000_000);
        let node = |_| Node { alive: true, incarnation: 1, blameless: true, ..Node::default() };
        let mut world = World {
            core: Core::new(settings, now),
            now,
            nodes: (0..NODES).map(node).collect(),
            broken: BTreeSet::new(),
            ever_broken: BTreeSet::new(),
            tensors: Vec::new(),
            question: None,
            plans: BTreeMap::new(),
            feed: None,
            feed_inputs: VecDeque::new(),
            clients: 0,
            client: None,
            credit: 0,
            offered: 0,
            unanswered: BTreeSet::new(),
            answers: BTreeMap::new(),
            to_client: VecDeque::new(),
            choice: seed | 1,
        };
        world.client_returns();
        world
    }

    /// A number below `limit`.
    pub fn choose(&mut self, limit: usize) -> usize {
        self.choice = self.choice.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.choice >> 33) as usize % limit.max(1)
    }

    pub fn input(&mut self, input: Input) {
        let outputs = self.core.handle(self.now, input);
        for output in outputs {
            self.carry_out(output);
        }
        assert!(self.core.ledger.waiting() + self.credit <= QUEUE, "the queue is bounded");
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Connect { node, session } => {
                let alive = self.nodes[node].alive;
                let reachable =
                    !self.broken.contains(&(DISPATCHER, node)) && !self.broken.contains(&(node, DISPATCHER));
                let it = &mut self.nodes[node];
                if alive && reachable {
                    it.established = Some(session);
                    it.inbox.push_back(ToNode::Accepted(session));
                    it.outbox.push_back(Input::Connected { node, session });
                } else {
                    it.outbox.push_back(Input::Disconnected { node, session });
                }
            }
            Output::Close { node, session } => self.nodes[node].inbox.push_back(ToNode::Closed(session)),
            Output::Tell { node, session, message, ship } => {
                if let ToWorker::Assign { segment, .. } = &message {
                    assert!(ship.is_none_or(|ship| ship == *segment));
                }
                self.nodes[node].inbox.push_back(ToNode::Message(session, message));
            }
            Output::FindPlan(question) => self.question = Some(question),
            Output::OpenFeed { epoch, node } => {
                self.feed = Some((epoch, node, false));
                let open = self.nodes[node].alive && !self.broken.contains(&(DISPATCHER, node));
                self.feed_inputs.push_back(if open { Input::FeedOpened { epoch } } else { Input::FeedLost { epoch } });
            }
            Output::Feed { epoch, request, payload } => {
                assert_eq!(payload, request.to_le_bytes().to_vec());
                let (opened, node, _) = self.feed.unwrap();
                assert_eq!((opened, epoch), (epoch, self.core.epoch()));
                self.tensors.push(Tensor { from: DISPATCHER, to: node, epoch, request, stage: 0 });
            }
            Output::Credit { requests } => self.credit += requests,
            Output::Accepted { request } => assert!(request < self.offered),
            Output::Answer { request, answer } => {
                let Answer::Result { epoch, payload } = answer else { return };
                assert_eq!(payload, [request.to_le_bytes().to_vec(), epoch.to_le_bytes().to_vec()].concat());
                self.to_client.push_back((request, epoch));
            }
            Output::Report(Event::Planned { epoch, plan, .. }) => {
                assert!(self.plans.keys().all(|earlier| *earlier < epoch), "epochs strictly increase");
                self.plans.insert(epoch, plan);
            }
            Output::Report(Event::NodeSuspected { node, by: Detection::Heartbeat }) => {
                assert!(!self.nodes[number(&node)].blameless, "{node} was never silent");
            }
            Output::Report(Event::PathSuspected { from, to }) => {
                let pair = (number(&from), number(&to));
                let disturbed = self.ever_broken.contains(&pair) || !self.nodes[pair.1].blameless;
                assert!(disturbed, "nothing ever was wrong from {from} to {to}");
            }
            Output::Report(_) => {}
        }
    }

    pub fn pass(&mut self, millis: u64, dispatcher_runs: bool) {
        let mut heartbeats = Vec::new();
        for _ in 0..millis.div_ceil(25) {
            self.now = self.now + Duration::from_millis(25);
            for node in 1..NODES {
                let it = &mut self.nodes[node];
                let due = self.now.0 / 100_000_000 != (self.now.0 - 25_000_000) / 100_000_000;
                if due && it.alive && !it.paused && it.session.is_some() {
                    it.sequence += 1;
                    let beat = Heartbeat { worker: node as u32, incarnation: it.incarnation, sequence: it.sequence };
                    if !self.broken.contains(&(node, DISPATCHER)) {
                        heartbeats.push(beat);
                    }
                }
                self.watch_next(node);
            }
            if dispatcher_runs {
                std::mem::take(&mut heartbeats).into_iter().for_each(|beat| self.input(Input::Heartbeat(beat)));
                self.watch_feed();
                self.input(Input::Tick);
            }
        }
        for beat in heartbeats {
            self.input(Input::Heartbeat(beat));
        }
        self.input(Input::Tick);
    }

    /// What a worker does that finds its next stage silent or gone.
    fn watch_next(&mut self, node: usize) {
        let Some(held) = &self.nodes[node].held else { return };
        let next = held.next;
        if !self.nodes[next].alive || self.nodes[next].paused || self.broken.contains(&(node, next)) {
            self.lose_next(node);
        } else {
            self.report_loaded(node);
        }
    }

    fn report_loaded(&mut self, node: usize) {
        let it = &mut self.nodes[node];
        let (Some(held), Some(session)) = (&mut it.held, it.session) else { return };
        if !std::mem::replace(&mut held.loaded, true) {
            let message = ToDispatcher::Loaded { epoch: held.epoch, loaded: true, resident: ByteSize::ZERO };
            it.outbox.push_back(Input::Said { node, session, message });
        }
    }

    /// The data connection from `node` to its next stage is gone.
    fn lose_next(&mut self, node: usize) {
        let it = &mut self.nodes[node];
        let (Some(held), Some(session)) = (&mut it.held, it.session) else { return };
        if !held.lost && it.alive && !it.paused {
            held.lost = true;
            let message = ToDispatcher::NextLost { epoch: held.epoch };
            it.outbox.push_back(Input::Said { node, session, message });
        }
    }

    fn watch_feed(&mut self) {
        let Some((_, node, _)) = self.feed else { return };
        let it = &self.nodes[node];
        if !it.alive || it.paused || self.broken.contains(&(DISPATCHER, node)) {
            self.lose_feed();
        }
    }

    fn lose_feed(&mut self) {
        if let Some((epoch, _, told @ false)) = &mut self.feed {
            *told = true;
            self.feed_inputs.push_back(Input::FeedLost { epoch: *epoch });
        }
    }

    /// Lets one of the things that are under way arrive.
    pub fn pump(&mut self) -> bool {
        let kinds = self.choose(5);
        (0..5).any(|offset| match (kinds + offset) % 5 {
            0 => self.pump_node(),
            1 => self.pump_outbox(),
            2 => self.pump_tensor(),
            3 => self.answer_question() || self.feed_inputs.pop_front().map(|input| self.input(input)).is_some(),
            _ => self.pump_client(),
        })
    }

    fn pump_node(&mut self) -> bool {
        let ready =
            |node: &usize| self.nodes[*node].alive && !self.nodes[*node].paused && !self.nodes[*node].inbox.is_empty();
        let ready: Vec<usize> = (1..NODES).filter(ready).collect();
        let (false, index) = (ready.is_empty(), self.choose(ready.len())) else { return false };
        let node = ready[index];
        let it = &mut self.nodes[node];
        match it.inbox.pop_front().unwrap() {
            // A new control connection replaces the old one, and the stage goes with the old one.
            ToNode::Accepted(session) => (it.session, it.held) = (Some(session), None),
            ToNode::Closed(session) if it.session == Some(session) => (it.session, it.held) = (None, None),
            ToNode::Message(session, message) if it.session == Some(session) => self.obey(node, session, message),
            _ => {}
        }
        true
    }

    fn obey(&mut self, node: usize, session: u64, message: ToWorker) {
        let it = &mut self.nodes[node];
        match message {
            ToWorker::Hello { worker, .. } => {
                assert_eq!(worker as usize, node);
                it.sequence += 1;
                let beat = Heartbeat { worker, incarnation: it.incarnation, sequence: it.sequence };
                it.outbox.push_back(Input::Heartbeat(beat));
            }
            ToWorker::Assign { epoch, stage, segment, next, .. } => {
                assert!(it.held.as_ref().is_none_or(|held| held.epoch < epoch));
                if std::mem::take(&mut it.refuse) {
                    let message = ToDispatcher::Refused { epoch, reason: "no".to_owned() };
                    it.outbox.push_back(Input::Said { node, session, message });
                    return;
                }
                let IpAddr::V4(address) = next.ip() else { unreachable!() };
                let next = usize::from(address.octets()[3]);
                assert_eq!(segment, self.plans[&epoch].stages[usize::from(stage)].segment);
                let it = &mut self.nodes[node];
                it.held = Some(Held { epoch, stage, next, loaded: false, lost: false });
                if !self.broken.contains(&(node, next)) {
                    self.report_loaded(node);
                }
            }
            ToWorker::Release { .. } => it.held = None,
        }
    }

    fn pump_outbox(&mut self) -> bool {
        let ready: Vec<usize> = (1..NODES).filter(|node| !self.nodes[*node].outbox.is_empty()).collect();
        let (false, index) = (ready.is_empty(), self.choose(ready.len())) else { return false };
        let input = self.nodes[ready[index]].outbox.pop_front().unwrap();
        self.input(input);
        true
    }

    fn pump_tensor(&mut self) -> bool {
        if self.tensors.is_empty() {
            return false;
        }
        let index = self.choose(self.tensors.len());
        let tensor = self.tensors.swap_remove(index);
        let it = &self.nodes[tensor.to];
        if self.broken.contains(&(tensor.from, tensor.to)) || it.paused {
            self.tensors.push(tensor);
            return false;
        }
        let Tensor { from, epoch, request, stage, .. } = tensor;
        if tensor.to == DISPATCHER {
            assert_eq!(usize::from(stage), self.plans[&epoch].stages.len(), "it went through every stage");
            let payload = [request.to_le_bytes().to_vec(), epoch.to_le_bytes().to_vec()].concat().into();
            self.input(Input::Delivered { epoch, request, payload });
        } else if let Some(held) = it.held.as_ref().filter(|held| (held.epoch, held.stage) == (epoch, stage)) {
            self.tensors.push(Tensor { from: tensor.to, to: held.next, stage: stage + 1, ..tensor });
        } else if from == DISPATCHER && self.feed.is_some_and(|(current, ..)| current == epoch) {
            self.lose_feed();
        } else if from == DISPATCHER {
            // Of a connection that is closed already.
        } else if self.nodes[from].held.as_ref().is_some_and(|held| held.epoch == epoch) {
            self.lose_next(from);
        }
        true
    }

    /// Stages on as many of the free nodes as there are, three at most, avoiding severed pairs; needs two.
    fn answer_question(&mut self) -> bool {
        let Some(Question { attempt, excluded, severed, .. }) = self.question.take() else { return false };
        let mut chain = vec![DISPATCHER];
        let start = self.choose(NODES);
        for node in (0..NODES).map(|offset| (start + offset) % NODES) {
            let last = *chain.last().unwrap();
            if node != DISPATCHER && chain.len() < 4 && !excluded.contains(&node) && !severed.contains(&(last, node)) {
                chain.push(node);
            }
        }
        while chain.len() > 1 && severed.contains(&(*chain.last().unwrap(), DISPATCHER)) {
            chain.pop();
        }
        let nodes = &chain[1..];
        let found = if nodes.len() < 2 {
            Err(PlanError::NoWorker)
        } else {
            let stage = |(index, node): (usize, &usize)| Stage {
                node: *node,
                segment: Segment { from: index, to: index + 1 },
                memory: ByteSize::ZERO,
                compute: Duration::ZERO,
                receive: Duration::ZERO,
            };
            let limit = Limit::Compute { node: nodes[0] };
            let prediction = Prediction { bottleneck: Duration::ZERO, limit, latency: Duration::ZERO, joules: 0.0 };
            let stages: Vec<Stage> = nodes.iter().enumerate().map(stage).collect();
            let chains = vec![Chain { stages: (0..stages.len()).collect(), share: 1.0 }];
            Ok(Plan { stages, chains, prediction, proof: None })
        };
        self.input(Input::PlanFound { attempt, found, took: Duration::ZERO });
        true
    }

    fn pump_client(&mut self) -> bool {
        let Some((request, _)) = self.to_client.pop_front().filter(|_| self.client.is_some()) else { return false };
        *self.answers.entry(request).or_default() += 1;
        assert_eq!(self.answers[&request], 1, "request {request} was answered twice");
        self.unanswered.remove(&request);
        true
    }

    pub fn request(&mut self, request: u64) {
        if let (Some(client), true) = (self.client, self.credit > 0) {
            self.credit -= 1;
            self.offered = self.offered.max(request + 1);
            self.unanswered.insert(request);
            self.input(Input::Request { client, request, payload: request.to_le_bytes().to_vec().into() });
        }
    }

    pub fn client_leaves(&mut self) {
        if let Some(client) = self.client.take() {
            self.to_client.clear();
            self.credit = 0;
            self.input(Input::ClientLost { client });
        }
    }

    pub fn client_returns(&mut self) {
        if self.client.is_none() {
            self.clients += 1;
            (self.client, self.credit) = (Some(self.clients), 0);
            self.input(Input::ClientConnected { client: self.clients });
        }
    }
}

/// The number in a node's name.
fn number(name: &str) -> usize {
    name[1..].parse().unwrap()
}
