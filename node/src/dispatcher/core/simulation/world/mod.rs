//! The simulated cluster: what it is made of, and how what is under way arrives.

mod client;
mod disk;
mod workers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use planner::codec::Codec;
use planner::plan::{Plan, Stage};
use planner::profile::Segment;
use planner::strategy::Spares;
use planner::units::ByteSize;

use super::plans;
use crate::clock::Instant;
use crate::dispatcher::core::exchange::{Input, Output, Question};
use crate::dispatcher::core::ledger::Answer;
use crate::dispatcher::core::requests::TO_REFUSE;
use crate::dispatcher::core::{Core, Phase, Settings};
use crate::dispatcher::journal::record::Record;
use crate::dispatcher::journal::recovery::Recovered;
use crate::telemetry::{Detection, Event};
use crate::wire::message::{Heartbeat, Shortage, ToDispatcher, ToWorker, Work};

use super::memory::{Held, Memory};

pub const NODES: usize = 7;
pub const DISPATCHER: usize = 0;
const QUEUE: usize = 5;
/// The number that the client drew for itself.
const SESSION: u64 = 77;

/// What the journal is to do.
pub(super) enum Job {
    Append(Record),
    Begin(Recovered),
}

pub enum ToNode {
    Accepted(u64),
    /// With whether a segment was sent along.
    Message(u64, ToWorker, bool),
    Closed(u64),
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
    /// The dispatcher's process at the other end of the session has ended: what is said goes nowhere.
    pub cut: bool,
    pub memory: Memory,
    /// The highest epoch that this process has been in.
    pub newest: u32,
    pub refuse: bool,
    /// Whether it says no to what it is to prepare next.
    pub refuse_ready: bool,
    /// What the largest segment that it can hold may need; `None`: anything.
    pub limit: Option<ByteSize>,
    /// It does not refuse what is larger: its process ends while it loads it.
    pub overcommits: bool,
    /// How many times slower it computes, and what its stage has told of it.
    pub pace: f64,
    pub work: Option<Work>,
    /// Has never been disturbed: must never be suspected for its silence.
    pub blameless: bool,
}

/// A tensor on its way to a stage, or a result.
#[derive(Clone)]
pub struct Tensor {
    from: usize,
    to: usize,
    epoch: u32,
    chain: u16,
    request: u64,
    /// How many stages of the chain it has passed.
    passed: usize,
}

pub struct World {
    pub core: Core,
    settings: Settings,
    now: Instant,
    /// What the disk holds.
    pub disk: Recovered,
    /// What is on its way there, with its marks.
    jobs: VecDeque<(u64, Job)>,
    pub disk_fails: bool,
    /// Whether something was lost since the journal was begun.
    disk_torn: bool,
    /// Whether the dispatcher knows of what the disk can't take.
    journal_failed: bool,
    /// Accepted, and promised to survive.
    pub promised: BTreeSet<u64>,
    pub crashes: usize,
    stranded: bool,
    pub nodes: Vec<Node>,
    pub broken: BTreeSet<(usize, usize)>,
    pub ever_broken: BTreeSet<(usize, usize)>,
    pub tensors: Vec<Tensor>,
    pub question: Option<Question>,
    /// What is asked in the background.
    pub rehearsal: Option<Question>,
    pub plans: BTreeMap<u32, Plan>,
    /// By epoch: who had to load, and who had its segment prepared.
    pub deployed: BTreeMap<u32, (Vec<String>, Vec<String>)>,
    /// Nodes that refused a segment for want of memory: which process, what the segment needs, when the dispatcher heard.
    refused: Vec<(usize, u64, ByteSize, Instant)>,
    /// Nodes that were found to be slow.
    pub slow: Vec<usize>,
    /// How many times the plan was kept although a better one was looked for.
    pub kept: usize,
    /// How many times slower all nodes compute: they share a host.
    pub load: f64,
    /// Feed connections by node: the epoch, and whether its loss was told.
    feeds: BTreeMap<usize, (u32, bool)>,
    feed_inputs: VecDeque<Input>,
    clients: u64,
    client: Option<u64>,
    pub credit: usize,
    pub offered: u64,
    pub unanswered: BTreeSet<u64>,
    pub answers: BTreeMap<u64, u32>,
    to_client: VecDeque<u64>,
    /// What the client has sent over this connection.
    sent: Vec<u64>,
    /// What the client has yet to send again on this connection.
    pub resend: VecDeque<u64>,
    /// Acknowledgements on their way.
    acks: VecDeque<u64>,
    /// Requests in the order in which they were sent over the present connection, if answers must come in it.
    in_order: Option<VecDeque<u64>>,
    choice: u64,
}

impl World {
    pub fn new(seed: u64) -> World {
        let ordered = seed.is_multiple_of(2);
        let settings = Settings {
            names: (0..NODES).map(|node| format!("n{node}")).collect(),
            addresses: (0..NODES).map(|node| IpAddr::V4(Ipv4Addr::new(10, 0, 0, node as u8))).collect(),
            workers: (1..NODES).collect(),
            dispatcher: DISPATCHER,
            codec: Codec::Raw,
            heartbeat: Duration::from_millis(100),
            missed: 3,
            window: None,
            order: ordered,
            spares: if seed.is_multiple_of(3) { Spares::Most(0) } else { Spares::Auto },
            queue: QUEUE,
            straggler: 2.0,
        };
        let now = Instant(1_000_000_000);
        let node = |_| Node { alive: true, incarnation: 1, blameless: true, pace: 1.0, ..Node::default() };
        let mut world = World {
            core: Core::new(settings.clone(), now, &Recovered::default()),
            settings,
            now,
            disk: Recovered::default(),
            jobs: VecDeque::new(),
            disk_fails: false,
            disk_torn: false,
            journal_failed: false,
            promised: BTreeSet::new(),
            crashes: 0,
            stranded: false,
            nodes: (0..NODES).map(node).collect(),
            broken: BTreeSet::new(),
            ever_broken: BTreeSet::new(),
            tensors: Vec::new(),
            question: None,
            rehearsal: None,
            plans: BTreeMap::new(),
            deployed: BTreeMap::new(),
            refused: Vec::new(),
            slow: Vec::new(),
            kept: 0,
            load: 1.0,
            feeds: BTreeMap::new(),
            feed_inputs: VecDeque::new(),
            clients: 0,
            client: None,
            credit: 0,
            offered: 0,
            unanswered: BTreeSet::new(),
            answers: BTreeMap::new(),
            to_client: VecDeque::new(),
            sent: Vec::new(),
            resend: VecDeque::new(),
            acks: VecDeque::new(),
            in_order: ordered.then(VecDeque::new),
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
        self.stranded |= matches!(self.core.phase, Phase::Stranded { .. });
        // Three chains of four stages at most. What was in them waits again after a crash.
        let more = if self.stranded { 2 * TO_REFUSE } else { 0 } + if self.crashes > 0 { 30 + QUEUE } else { 0 };
        let (waiting, credit) = (self.core.ledger.waiting(), self.credit);
        assert!(waiting + credit <= QUEUE + more, "{waiting} wait and {credit} may come, with {:?}", self.core.phase);
        // A client that comes back asks for what is kept as well.
        let held = self.core.order.as_ref().map_or(0, |order| order.held());
        assert!(held <= 2 * 30 + QUEUE + more, "{held} answers are held back");
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
                self.nodes[node].inbox.push_back(ToNode::Message(session, message, ship.is_some()));
            }
            Output::FindPlan(question) => self.question = Some(question),
            Output::Rehearse(question) => self.rehearsal = Some(question),
            Output::OpenFeed { epoch, node } => {
                self.feeds.retain(|_, feed| feed.0 == epoch);
                self.feeds.insert(node, (epoch, false));
                let open = self.nodes[node].alive && !self.broken.contains(&(DISPATCHER, node));
                self.feed_inputs.push_back(if open {
                    Input::FeedOpened { epoch, node }
                } else {
                    Input::FeedLost { epoch, node }
                });
            }
            Output::Feed { epoch, node, chain, request, payload } => {
                assert_eq!(payload, request.to_le_bytes().to_vec());
                assert_eq!((self.feeds[&node].0, epoch), (epoch, self.core.epoch()));
                let plan = &self.plans[&epoch];
                assert_eq!(plan.chain(&plan.chains[usize::from(chain)])[0].0, node);
                self.tensors.push(Tensor { from: DISPATCHER, to: node, epoch, chain, request, passed: 0 });
            }
            Output::Credit { requests } => self.credit += requests,
            Output::Accepted { request, volatile } => {
                assert!(request < self.offered);
                if volatile.is_none() {
                    self.promised.insert(request);
                    assert!(self.survives(request), "{request} is promised, but not on the disk");
                }
            }
            Output::Record { mark, record } => self.jobs.push_back((mark, Job::Append(record))),
            Output::Begin { mark, known } => self.jobs.push_back((mark, Job::Begin(*known))),
            Output::Answer { request, answer: Answer::Refused { .. } } => {
                assert!(self.stranded, "without a reason");
                self.in_order.iter_mut().for_each(|line| line.retain(|other| *other != request));
                // It is not remembered: a copy of it would be refused again.
                self.sent.retain(|other| *other != request);
                self.to_client.push_back(request);
            }
            Output::Answer { request, answer: Answer::Result { epoch, payload } } => {
                assert_eq!(payload, [request.to_le_bytes().to_vec(), epoch.to_le_bytes().to_vec()].concat());
                if let Some(line) = &mut self.in_order {
                    assert_eq!(line.pop_front(), Some(request), "answers come in order");
                }
                self.to_client.push_back(request);
            }
            Output::Report(Event::Planned { epoch, plan, .. }) => {
                assert!(self.plans.keys().all(|earlier| *earlier < epoch), "epochs strictly increase");
                assert!(self.journal_failed || self.disk.standing.epoch >= epoch, "the disk knows of it before");
                for stage in &plan.stages {
                    self.assert_not_refused(stage);
                }
                self.plans.insert(epoch, plan);
            }
            Output::Report(Event::Deployed { epoch, loaded, prepared, .. }) => {
                self.deployed.insert(epoch, (loaded, prepared));
            }
            Output::Report(Event::NodeSuspected { node, by: Detection::Heartbeat }) => {
                assert!(!self.nodes[number(&node)].blameless, "{node} was never silent");
            }
            Output::Report(Event::PathSuspected { from, to }) => {
                let pair = (number(&from), number(&to));
                let disturbed = self.ever_broken.contains(&pair) || !self.nodes[pair.1].blameless;
                assert!(disturbed, "nothing ever was wrong from {from} to {to}");
            }
            Output::Report(Event::StageRefused { node, epoch, shortage: Some(shortage), .. }) => {
                let node = number(&node);
                let planned = self.plans[&epoch].stages.iter().find(|stage| stage.node == node).unwrap().memory;
                assert_eq!(shortage.need, planned);
                self.refused.push((node, self.nodes[node].incarnation, planned, self.now));
            }
            Output::Report(Event::Slow { node, factor }) => {
                let node = number(&node);
                assert!(factor > 1.25);
                self.slow.push(node);
            }
            Output::Report(Event::PlanKept { epoch, .. }) => {
                assert_eq!(epoch, self.core.epoch());
                self.kept += 1;
            }
            Output::Report(Event::JournalFailed { .. }) => self.journal_failed = true,
            Output::Report(Event::JournalRestored) => self.journal_failed = false,
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
                    let (incarnation, sequence) = (it.incarnation, it.sequence);
                    let beat =
                        Heartbeat { worker: node as u32, incarnation, sequence, epoch: it.newest, work: it.work };
                    if !self.broken.contains(&(node, DISPATCHER)) {
                        heartbeats.push(beat);
                    }
                }
                self.watch_next(node);
            }
            if dispatcher_runs {
                std::mem::take(&mut heartbeats).into_iter().for_each(|beat| self.input(Input::Heartbeat(beat)));
                self.watch_feeds();
                self.input(Input::Tick);
            }
        }
        for beat in heartbeats {
            self.input(Input::Heartbeat(beat));
        }
        self.input(Input::Tick);
    }

    /// Lets one of the things that are under way arrive.
    pub fn pump(&mut self) -> bool {
        let kinds = self.choose(7);
        (0..7).any(|offset| match (kinds + offset) % 7 {
            4 => self.write_journal(),
            5 => self.pump_load(),
            0 => self.pump_node(),
            1 => self.pump_outbox(),
            2 => self.pump_tensor(),
            6 if self.choose(4) == 0 && self.answer_rehearsal() => true,
            3 => self.answer_question() || self.feed_inputs.pop_front().map(|input| self.input(input)).is_some(),
            _ => self.pump_client(),
        })
    }

    /// The same, but the planner is still thinking.
    pub fn pump_all_but_answers(&mut self) -> bool {
        let asked = (self.question.take(), self.rehearsal.take());
        let pumped = self.pump();
        self.question = self.question.take().or(asked.0);
        self.rehearsal = self.rehearsal.take().or(asked.1);
        pumped
    }

    pub fn answer_question(&mut self) -> bool {
        let Some(question) = self.question.take() else { return false };
        let found = self.draw_plan(&question);
        // As a plan may be worth a change or not.
        let gain = [1.0, 1.1, 1.5, f64::INFINITY][self.choose(4)];
        self.input(Input::PlanFound { attempt: question.attempt, found, gain, took: Duration::ZERO });
        true
    }
}

/// The number in a node's name.
fn number(name: &str) -> usize {
    name[1..].parse().unwrap()
}
