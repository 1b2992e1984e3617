//! The core against a simulated cluster: workers crash, restart and pause, paths break, results arrive late,
//! twice and out of order, the client comes and goes, the dispatcher itself is stopped for a while.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use planner::plan::{Limit, Plan, Prediction, Stage};
use planner::units::ByteSize;
use proptest::prelude::*;

use super::*;
use crate::telemetry::Detection;

const NODES: usize = 6;
const DISPATCHER: usize = 0;
const QUEUE: usize = 5;

/// What may happen next; the numbers choose among what is there.
#[derive(Debug, Clone, Copy)]
enum Step {
    Pass { millis: u64 },
    Pump { count: u8 },
    Request,
    Crash { node: usize, silent: bool },
    Restart { node: usize },
    Pause { node: usize },
    Resume { node: usize },
    Break { from: usize, to: usize },
    Mend { from: usize, to: usize },
    Duplicate,
    Forge { epoch: u32, request: u64 },
    ClientLeaves,
    ClientReturns,
    DispatcherStops { millis: u64 },
    RefuseNext { node: usize },
}

fn steps() -> impl Strategy<Value = Step> {
    let node = 1..NODES;
    prop_oneof![
        6 => (1u64..400).prop_map(|millis| Step::Pass { millis }),
        10 => (1u8..30).prop_map(|count| Step::Pump { count }),
        8 => Just(Step::Request),
        1 => (node.clone(), any::<bool>()).prop_map(|(node, silent)| Step::Crash { node, silent }),
        2 => node.clone().prop_map(|node| Step::Restart { node }),
        1 => node.clone().prop_map(|node| Step::Pause { node }),
        2 => node.clone().prop_map(|node| Step::Resume { node }),
        1 => (0..NODES, 0..NODES).prop_map(|(from, to)| Step::Break { from, to }),
        2 => (0..NODES, 0..NODES).prop_map(|(from, to)| Step::Mend { from, to }),
        2 => Just(Step::Duplicate),
        1 => (0u32..6, 0u64..40).prop_map(|(epoch, request)| Step::Forge { epoch, request }),
        1 => Just(Step::ClientLeaves),
        2 => Just(Step::ClientReturns),
        1 => (500u64..3000).prop_map(|millis| Step::DispatcherStops { millis }),
        1 => node.prop_map(|node| Step::RefuseNext { node }),
    ]
}

enum ToNode {
    Accepted(u64),
    Message(u64, ToWorker),
    Closed(u64),
}

struct Held {
    epoch: u32,
    stage: u16,
    next: usize,
    loaded: bool,
    lost: bool,
}

#[derive(Default)]
struct Node {
    alive: bool,
    paused: bool,
    incarnation: u64,
    sequence: u64,
    /// The session this process serves.
    session: Option<u64>,
    /// The session whose connection exists.
    established: Option<u64>,
    inbox: VecDeque<ToNode>,
    outbox: VecDeque<Input>,
    held: Option<Held>,
    refuse: bool,
    /// Has never been disturbed: must never be suspected for its silence.
    blameless: bool,
}

/// A tensor on its way to stage `stage` of `epoch`, or a result.
#[derive(Clone)]
struct Tensor {
    from: usize,
    to: usize,
    epoch: u32,
    request: u64,
    stage: u16,
}

struct World {
    core: Core,
    now: Instant,
    nodes: Vec<Node>,
    broken: BTreeSet<(usize, usize)>,
    tensors: Vec<Tensor>,
    question: Option<Question>,
    plans: BTreeMap<u32, Plan>,
    /// Feed connection: epoch and node, and whether its loss was told.
    feed: Option<(u32, usize, bool)>,
    feed_inputs: VecDeque<Input>,
    clients: u64,
    client: Option<u64>,
    credit: usize,
    offered: u64,
    unanswered: BTreeSet<u64>,
    answers: BTreeMap<u64, u32>,
    to_client: VecDeque<(u64, u32)>,
    choice: u64,
}

impl World {
    fn new(seed: u64) -> World {
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
    fn choose(&mut self, limit: usize) -> usize {
        self.choice = self.choice.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.choice >> 33) as usize % limit.max(1)
    }

    fn input(&mut self, input: Input) {
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
                let node: usize = node[1..].parse().unwrap();
                assert!(!self.nodes[node].blameless, "n{node} was never silent");
            }
            Output::Report(_) => {}
        }
    }

    fn pass(&mut self, millis: u64, dispatcher_runs: bool) {
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
                heartbeats
                    .drain(..)
                    .collect::<Vec<_>>()
                    .into_iter()
                    .for_each(|beat| self.input(Input::Heartbeat(beat)));
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
    fn pump(&mut self) -> bool {
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
        } else if from == DISPATCHER {
            self.lose_feed();
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
            let prediction = Prediction { bottleneck: Duration::ZERO, limit, latency: Duration::ZERO };
            Ok(Plan { stages: nodes.iter().enumerate().map(stage).collect(), prediction })
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

    fn request(&mut self, request: u64) {
        if let (Some(client), true) = (self.client, self.credit > 0) {
            self.credit -= 1;
            self.offered = self.offered.max(request + 1);
            self.unanswered.insert(request);
            self.input(Input::Request { client, request, payload: request.to_le_bytes().to_vec().into() });
        }
    }

    fn client_leaves(&mut self) {
        if let Some(client) = self.client.take() {
            self.to_client.clear();
            self.credit = 0;
            self.input(Input::ClientLost { client });
        }
    }

    fn client_returns(&mut self) {
        if self.client.is_none() {
            self.clients += 1;
            (self.client, self.credit) = (Some(self.clients), 0);
            self.input(Input::ClientConnected { client: self.clients });
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Pass { millis } => self.pass(millis, true),
            Step::DispatcherStops { millis } => self.pass(millis, false),
            Step::Pump { count } => (0..count).for_each(|_| _ = self.pump()),
            Step::Request => self.request(self.offered),
            Step::Crash { node, silent } => {
                let it = &mut self.nodes[node];
                (it.alive, it.paused, it.blameless) = (false, false, false);
                (it.session, it.held) = (None, None);
                it.inbox.clear();
                if let (Some(session), false) = (it.established.take(), silent) {
                    it.outbox.push_back(Input::Disconnected { node, session });
                }
            }
            Step::Restart { node } if !self.nodes[node].alive => {
                let it = &mut self.nodes[node];
                it.alive = true;
                it.incarnation += 1;
                it.sequence = 0;
            }
            Step::Restart { .. } => {}
            Step::Pause { node } => (self.nodes[node].paused, self.nodes[node].blameless) = (true, false),
            Step::Resume { node } => self.nodes[node].paused = false,
            Step::Break { from, to } => {
                self.nodes[from].blameless &= to != DISPATCHER;
                self.nodes[to].blameless &= from != DISPATCHER;
                self.broken.insert((from, to));
            }
            Step::Mend { from, to } => _ = self.broken.remove(&(from, to)),
            Step::Duplicate if !self.tensors.is_empty() => {
                let index = self.choose(self.tensors.len());
                self.tensors.push(self.tensors[index].clone());
            }
            Step::Duplicate => {}
            Step::Forge { epoch, request } => {
                // Of an epoch that is over, or a request that was never sent: nothing in flight may match.
                if epoch < self.core.epoch() || request >= self.offered {
                    let open = self.core.open();
                    self.input(Input::Delivered { epoch, request, payload: Bytes::new() });
                    assert_eq!(self.core.open(), open);
                }
            }
            Step::ClientLeaves => self.client_leaves(),
            Step::ClientReturns => self.client_returns(),
            Step::RefuseNext { node } => self.nodes[node].refuse = true,
        }
    }

    /// The faults end: everything that was offered must be answered, once.
    fn settle(&mut self) {
        self.broken.clear();
        for node in 1..NODES {
            self.nodes[node].refuse = false;
            self.step(Step::Resume { node });
            self.step(Step::Restart { node });
        }
        // As a client does that comes back: whatever has no answer is sent again.
        self.client_leaves();
        self.client_returns();
        let mut again: VecDeque<u64> = self.unanswered.iter().copied().collect();
        for _ in 0..40_000 {
            while self.credit > 0
                && let Some(request) = again.pop_front()
            {
                self.request(request);
            }
            (0..50).for_each(|_| _ = self.pump());
            self.pass(25, true);
            if self.unanswered.is_empty() {
                break;
            }
        }
        assert!(self.unanswered.is_empty(), "{:?} have no answer; {:?}", self.unanswered, self.core.phase);
        assert_eq!(self.answers.len() as u64, self.offered);
        assert_eq!(self.core.open(), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]
    #[test]
    fn nothing_is_lost_and_nothing_comes_twice(seed in any::<u64>(), steps in prop::collection::vec(steps(), 0..150)) {
        let mut world = World::new(seed);
        for step in steps {
            world.step(step);
        }
        world.settle();
    }
}

#[test]
fn a_cluster_without_faults_serves_in_its_first_epoch() {
    let mut world = World::new(7);
    for _ in 0..200 {
        world.request(world.offered);
        (0..20).for_each(|_| _ = world.pump());
        world.pass(25, true);
    }
    world.pass(3000, false);
    world.settle();
    assert_eq!(world.core.epoch(), 1);
    assert!(world.offered > 100);
}
