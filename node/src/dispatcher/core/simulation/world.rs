//! The simulated cluster: what nodes, network, planner and client do.

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
pub enum Job {
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

    /// A process that has said that something is too large for it is not asked for as much soon.
    fn assert_not_refused(&self, stage: &Stage) {
        let process = self.nodes[stage.node].incarnation;
        let believed = |at: Instant| self.now.since(at) < Duration::from_secs(10);
        let said = |(node, of, need, at): &&(usize, u64, ByteSize, Instant)| {
            (*node, *of) == (stage.node, process) && *need <= stage.memory && believed(*at)
        };
        assert_eq!(self.refused.iter().find(said), None, "{stage:?} is too large");
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

    /// What a worker does that finds a node behind it silent or gone.
    fn watch_next(&mut self, node: usize) {
        let Some(held) = &self.nodes[node].memory.stage else { return };
        let hops: BTreeSet<usize> = held.next.values().copied().collect();
        let gone =
            |next: &usize| !self.nodes[*next].alive || self.nodes[*next].paused || self.broken.contains(&(node, *next));
        let (gone, there): (Vec<usize>, Vec<usize>) = hops.into_iter().partition(gone);
        gone.iter().for_each(|next| self.lose_next(node, *next));
        if gone.is_empty() && !there.is_empty() && self.nodes[node].memory.is_ready() {
            self.report_loaded(node);
        }
    }

    fn report_loaded(&mut self, node: usize) {
        let it = &mut self.nodes[node];
        let Some(held) = it.memory.stage.as_mut().filter(|held| !held.loaded) else { return };
        held.loaded = true;
        let message = ToDispatcher::Loaded { epoch: held.epoch, loaded: held.cold, resident: ByteSize::ZERO };
        self.say(node, Some(message));
    }

    /// The data connection from `node` to a node behind it is gone.
    fn lose_next(&mut self, node: usize, next: usize) {
        let it = &mut self.nodes[node];
        let Some(held) = &mut it.memory.stage else { return };
        if it.alive && !it.paused && held.lost.insert(next) {
            let message = ToDispatcher::NextLost { epoch: held.epoch, next: next as u32 };
            self.say(node, Some(message));
        }
    }

    fn watch_feeds(&mut self) {
        for node in self.feeds.keys().copied().collect::<Vec<_>>() {
            let it = &self.nodes[node];
            if !it.alive || it.paused || self.broken.contains(&(DISPATCHER, node)) {
                self.lose_feed(node);
            }
        }
    }

    fn lose_feed(&mut self, node: usize) {
        if let Some((epoch, told @ false)) = self.feeds.get_mut(&node) {
            *told = true;
            self.feed_inputs.push_back(Input::FeedLost { epoch: *epoch, node });
        }
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

    fn pump_node(&mut self) -> bool {
        let ready =
            |node: &usize| self.nodes[*node].alive && !self.nodes[*node].paused && !self.nodes[*node].inbox.is_empty();
        let ready: Vec<usize> = (1..NODES).filter(ready).collect();
        let (false, index) = (ready.is_empty(), self.choose(ready.len())) else { return false };
        let node = ready[index];
        let it = &mut self.nodes[node];
        match it.inbox.pop_front().unwrap() {
            // A new control connection replaces the old one, and the stage goes with the old one.
            ToNode::Accepted(session) => {
                (it.session, it.cut) = (Some(session), false);
                it.memory.end_session();
            }
            ToNode::Closed(session) if it.session == Some(session) => {
                it.session = None;
                it.memory.end_session();
            }
            ToNode::Message(session, message, shipped) if it.session == Some(session) => {
                self.obey(node, session, message, shipped);
            }
            _ => {}
        }
        self.load_next(node);
        true
    }

    /// A segment is loaded somewhere.
    fn pump_load(&mut self) -> bool {
        let loads = |node: &usize| {
            let it = &self.nodes[*node];
            it.alive && !it.paused && it.memory.is_loading()
        };
        let loading: Vec<usize> = (1..NODES).filter(loads).collect();
        let (false, index) = (loading.is_empty(), self.choose(loading.len())) else { return false };
        let node = loading[index];
        let said = self.nodes[node].memory.loaded();
        self.say(node, said);
        self.watch_next(node);
        self.load_next(node);
        true
    }

    /// A worker that loads nothing begins with the next, if there is something to be loaded.
    fn load_next(&mut self, node: usize) {
        let it = &mut self.nodes[node];
        let refuse = &mut it.refuse_ready;
        let limit = it.limit;
        let too_large = |segment: Segment| limit.is_some_and(|limit| plans::need(segment.from) > limit);
        let said = it.memory.load_next(|segment| std::mem::take(refuse) || too_large(segment));
        said.into_iter().for_each(|said| self.say(node, Some(said)));
    }

    fn say(&mut self, node: usize, said: Option<ToDispatcher>) {
        let it = &mut self.nodes[node];
        if let (Some((session, message)), false) = (it.session.zip(said), it.cut) {
            it.outbox.push_back(Input::Said { node, session, message });
        }
    }

    fn obey(&mut self, node: usize, session: u64, message: ToWorker, shipped: bool) {
        let it = &mut self.nodes[node];
        match message {
            ToWorker::Hello { worker, .. } => {
                assert_eq!(worker as usize, node);
                it.sequence += 1;
                let (incarnation, sequence) = (it.incarnation, it.sequence);
                let beat = Heartbeat { worker, incarnation, sequence, epoch: it.newest, work: it.work };
                it.outbox.push_back(Input::Heartbeat(beat));
            }
            ToWorker::Assign { epoch, .. } if epoch <= it.newest => {
                let message = ToDispatcher::Fenced { epoch, newest: it.newest };
                it.outbox.push_back(Input::Said { node, session, message });
            }
            ToWorker::Assign { epoch, stage, segment, next, .. } => {
                assert!(it.memory.stage.as_ref().is_none_or(|held| held.epoch < epoch));
                it.newest = epoch;
                let cold = it.memory.assign(segment);
                assert!(shipped || !cold, "the dispatcher took {segment:?} for held by {node}, and it is not");
                // What is there can be held.
                if cold && std::mem::take(&mut it.refuse) {
                    it.memory.drop_all();
                    let message = ToDispatcher::Refused { epoch, shortage: None, reason: "no".to_owned() };
                    it.outbox.push_back(Input::Said { node, session, message });
                    return;
                }
                let plan = &self.plans[&epoch];
                let it = &mut self.nodes[node];
                let Stage { segment: planned, memory: need, .. } = plan.stages[usize::from(stage)];
                assert_eq!(segment, planned);
                match it.limit.filter(|limit| cold && need > *limit) {
                    Some(_) if it.overcommits => return self.crash(node, false),
                    Some(limit) => {
                        it.memory.drop_all();
                        let (shortage, reason) = (Some(Shortage { need, limit }), "too large".to_owned());
                        let message = ToDispatcher::Refused { epoch, shortage, reason };
                        it.outbox.push_back(Input::Said { node, session, message });
                        return;
                    }
                    None => {}
                }
                let mut chains = BTreeMap::new();
                for hop in next {
                    assert_eq!(hop.address.ip(), IpAddr::V4(Ipv4Addr::new(10, 0, 0, hop.node as u8)));
                    chains.extend(hop.chains.into_iter().map(|chain| (chain, hop.node as usize)));
                }
                let through = |chain: &u16| plan.chains[usize::from(*chain)].stages.contains(&usize::from(stage));
                assert!((0..plan.chains.len() as u16).filter(through).eq(chains.keys().copied()));
                let unreadable = self.choose(4) == 0;
                let it = &mut self.nodes[node];
                let held = Held {
                    epoch,
                    stage,
                    segment,
                    next: chains,
                    ready: !cold,
                    cold,
                    unreadable: unreadable && cold,
                    waits: false,
                    loaded: false,
                    lost: BTreeSet::new(),
                };
                it.memory.stage = Some(held);
                self.watch_next(node);
            }
            ToWorker::File { epoch, .. } => it.memory.receive(epoch),
            ToWorker::Release { epoch } => {
                it.newest = it.newest.max(epoch);
                it.memory.release();
            }
            ToWorker::Prepare { order, segments } => {
                let said = it.memory.prepare(order, segments.into_iter().map(|wanted| wanted.segment).collect());
                said.into_iter().for_each(|said| self.say(node, Some(said)));
            }
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
        let Tensor { from, to, epoch, chain, request, passed } = tensor;
        let stages = &self.plans[&epoch].chains[usize::from(chain)].stages;
        let held = it.memory.stage.as_ref().filter(|held| held.epoch == epoch);
        if to == DISPATCHER {
            assert_eq!(passed, stages.len(), "it went through every stage of its chain");
            let payload = [request.to_le_bytes().to_vec(), epoch.to_le_bytes().to_vec()].concat().into();
            self.input(Input::Delivered { epoch, chain, request, payload });
        } else if let Some(held) = held {
            assert_eq!(usize::from(held.stage), stages[passed], "it came to the stage that is next on its chain");
            self.tensors.push(Tensor { from: to, to: held.next[&chain], passed: passed + 1, ..tensor });
            self.compute(to, epoch);
        } else if from == DISPATCHER && self.feeds.get(&to).is_some_and(|feed| feed.0 == epoch) {
            self.lose_feed(to);
        } else if from == DISPATCHER {
            // Of a connection that is closed already.
        } else if self.nodes[from].memory.stage.as_ref().is_some_and(|held| held.epoch == epoch) {
            self.lose_next(from, to);
        }
        true
    }

    /// A node has computed a request of its stage.
    fn compute(&mut self, node: usize, epoch: u32) {
        let time = plans::COMPUTE.mul_f64(self.nodes[node].pace * self.load);
        let work = &mut self.nodes[node].work;
        let (requests, computed) =
            work.filter(|work| work.epoch == epoch).map_or((0, Duration::ZERO), |work| (work.requests, work.computed));
        *work = Some(Work { epoch, requests: requests + 1, computed: computed + time });
    }

    pub fn answer_question(&mut self) -> bool {
        let Some(question) = self.question.take() else { return false };
        let found = self.draw_plan(&question);
        // As a plan may be worth a change or not.
        let gain = [1.0, 1.1, 1.5, f64::INFINITY][self.choose(4)];
        self.input(Input::PlanFound { attempt: question.attempt, found, gain, took: Duration::ZERO });
        true
    }

    /// A node's process ends.
    pub fn crash(&mut self, node: usize, silent: bool) {
        let it = &mut self.nodes[node];
        (it.alive, it.paused, it.blameless) = (false, false, false);
        (it.session, it.memory, it.newest, it.work) = (None, Memory::default(), 0, None);
        it.inbox.clear();
        if let (Some(session), false) = (it.established.take(), silent) {
            it.outbox.push_back(Input::Disconnected { node, session });
        }
    }

    pub fn restart(&mut self, node: usize) {
        let it = &mut self.nodes[node];
        if !it.alive {
            it.alive = true;
            it.incarnation += 1;
            it.sequence = 0;
        }
    }

    /// The disk takes some of what is on its way there, or fails.
    fn write_journal(&mut self) -> bool {
        let count = 1 + self.choose(self.jobs.len());
        let (written, mark) = (self.take_jobs(count), self.disk.newest);
        match (written, self.disk_torn) {
            (false, _) => return false,
            (true, true) => self.input(Input::JournalFailed { mark, reason: "no space".to_owned() }),
            (true, false) => self.input(Input::Journaled { mark }),
        }
        true
    }

    /// So many jobs reach the disk, or are lost if it fails; `newest` is the mark of the last.
    fn take_jobs(&mut self, count: usize) -> bool {
        let jobs: Vec<_> = self.jobs.drain(..count.min(self.jobs.len())).collect();
        let any = !jobs.is_empty();
        for (mark, job) in jobs {
            match job {
                _ if self.disk_fails => self.disk_torn = true,
                // A journal that has failed takes nothing until it is begun anew.
                Job::Append(_) if self.disk_torn => {}
                Job::Append(record) => self.disk.take(record),
                Job::Begin(known) => (self.disk, self.disk_torn) = (known, false),
            }
            self.disk.newest = mark;
        }
        any
    }

    pub fn journal_failed(&self) -> bool {
        self.journal_failed
    }

    /// Whether a request needs no memory but the disk's.
    fn survives(&self, request: u64) -> bool {
        let disk = &self.disk;
        disk.open.contains_key(&request) || disk.answered.contains_key(&request) || !self.unanswered.contains(&request)
    }

    /// The dispatcher's process ends and another begins. Of what was on its way to the disk, some is there.
    pub fn dispatcher_crashes(&mut self) {
        // What it had learned is forgotten with it.
        self.refused.clear();
        self.client_leaves();
        let written = self.choose(self.jobs.len() + 1);
        self.take_jobs(written);
        self.jobs.clear();
        for request in &self.promised {
            assert!(self.survives(*request), "{request} was promised and is gone");
        }
        (self.question, self.rehearsal, self.crashes) = (None, None, self.crashes + 1);
        self.feeds.clear();
        self.feed_inputs.clear();
        for it in self.nodes.iter_mut().skip(1) {
            // Its heartbeats to the process before count, but they stop while it changes over, which may take it long here.
            it.blameless = false;
            it.outbox.clear();
            it.inbox.clear();
            it.inbox.extend(it.session.map(ToNode::Closed));
            it.established = None;
            it.cut = true;
        }
        if self.journal_failed {
            // Nothing says that the next one's epochs are higher, but those that are over are fenced off.
            self.tensors.clear();
            self.plans.retain(|epoch, _| *epoch <= self.disk.standing.epoch);
        }
        (self.journal_failed, self.disk_torn) = (false, false);
        self.core = Core::new(self.settings.clone(), self.now, &self.disk);
    }

    fn pump_client(&mut self) -> bool {
        let Some(client) = self.client else { return false };
        if let (0, Some(request)) = (self.choose(2), self.acks.pop_front()) {
            self.input(Input::Acknowledged { client, request });
            return true;
        }
        let Some(request) = self.to_client.pop_front() else { return false };
        *self.answers.entry(request).or_default() += 1;
        assert_eq!(self.answers[&request], 1, "request {request} was answered twice");
        self.unanswered.remove(&request);
        self.acks.push_back(request);
        true
    }

    /// The client sends what it has to send again, or else a new request.
    pub fn request_next(&mut self) {
        let request = self.resend.front().copied().unwrap_or(self.offered);
        if self.request(request) {
            self.resend.pop_front();
        }
    }

    /// A message comes once more.
    pub fn repeat(&mut self) {
        let Some(client) = self.client else { return };
        if !self.sent.is_empty() && self.credit > 0 {
            self.credit -= 1;
            let index = self.choose(self.sent.len());
            let request = self.sent[index];
            self.input(Input::Request { client, request, payload: request.to_le_bytes().to_vec().into() });
            if self.answers.contains_key(&request) {
                self.input(Input::Acknowledged { client, request });
            }
        }
        self.input(Input::Journaled { mark: 0 });
        let node = 1 + self.choose(NODES - 1);
        if let Some(said @ Input::Said { .. }) = self.nodes[node].outbox.front().cloned() {
            self.nodes[node].outbox.push_front(said);
        }
    }

    pub fn request(&mut self, request: u64) -> bool {
        let (Some(client), true) = (self.client, self.credit > 0) else { return false };
        self.credit -= 1;
        self.in_order.iter_mut().for_each(|line| line.push_back(request));
        self.offered = self.offered.max(request + 1);
        self.unanswered.insert(request);
        self.sent.push(request);
        self.input(Input::Request { client, request, payload: request.to_le_bytes().to_vec().into() });
        true
    }

    pub fn client_leaves(&mut self) {
        if let Some(client) = self.client.take() {
            self.to_client.clear();
            self.sent.clear();
            self.acks.clear();
            self.in_order.iter_mut().for_each(VecDeque::clear);
            self.credit = 0;
            self.input(Input::ClientLost { client });
        }
    }

    pub fn client_returns(&mut self) {
        if self.client.is_none() {
            self.clients += 1;
            (self.client, self.credit) = (Some(self.clients), 0);
            self.resend = self.unanswered.iter().copied().collect();
            let floor = self.resend.front().copied().unwrap_or(self.offered);
            self.acks = self.answers.keys().copied().filter(|request| *request >= floor).collect();
            self.input(Input::ClientConnected { client: self.clients, session: SESSION, floor });
        }
    }
}

/// The number in a node's name.
fn number(name: &str) -> usize {
    name[1..].parse().unwrap()
}
