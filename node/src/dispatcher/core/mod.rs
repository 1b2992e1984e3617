//! The dispatcher's decisions as a pure state machine: no sockets, no threads, no clock.
//!
//! [`Core::handle`] takes one [`Input`] and the time, and returns the [`Output`]s to carry out, in order.
//! Files: [`exchange`] inputs and outputs; [`ledger`] what became of each request; [`planner::chains`] which way the next one
//! takes; [`order`] which answer goes out next, if that matters; `promises` what the journal must hold first; [`workers`] who is alive; [`severed`] which pairs of
//! nodes to avoid; [`learned`] what nodes have proven to be; `pace` which are slow; `membership` (who comes and goes), `deployment`
//! (plan → stages loaded → requests flow), `preparation` (segments loaded before they are needed), `rehearsal` (which those are, and
//! what follows a loss) and `requests` hold the machine's transitions.

mod deployment;
pub mod exchange;
pub mod intervals;
pub mod learned;
pub mod ledger;
mod membership;
pub mod order;
mod pace;
mod preparation;
mod promises;
mod rehearsal;
mod requests;
pub mod severed;
#[cfg(test)]
mod simulation;
pub mod workers;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use planner::codec::Codec;
use planner::plan::Plan;
use planner::profile::Segment;
use planner::strategy::Spares;

use self::exchange::{Input, Output};
use self::learned::{Learned, Lessons};
use self::ledger::{Answer, Ledger};
use self::order::Order;
use self::preparation::Next;
use self::promises::Promises;
use self::rehearsal::Rehearsals;
use self::severed::Severed;
use self::workers::Worker;
use crate::clock::Instant;
use crate::config::DispatcherConfig;
use crate::dispatcher::journal::recovery::Recovered;
use crate::dispatcher::journal::segment::Standing;
use crate::telemetry::Event;
use planner::chains::Chains;
use planner::pace::Paces;

/// Answers kept beyond those that the queue can hold, for a client that comes back for them.
const KEPT_BEYOND_QUEUE: usize = 256;

/// What the core needs to know at start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of each node of the cluster.
    pub names: Vec<String>,
    /// Address of each node of the cluster.
    pub addresses: Vec<IpAddr>,
    /// Indices of the nodes that may hold stages.
    pub workers: Vec<usize>,
    /// Index of the dispatcher.
    pub dispatcher: usize,
    /// How tensors are encoded between stages.
    pub codec: Codec,
    /// How often a worker sends a heartbeat.
    pub heartbeat: Duration,
    /// How many in a row may be missing.
    pub missed: u32,
    /// Most requests in each chain; `None`: two for each stage and two more.
    pub window: Option<u32>,
    /// Whether answers go out in the order in which the requests were admitted.
    pub order: bool,
    /// How many segments are held ready beside the stages.
    pub spares: Spares,
    /// Most accepted requests in front of the pipeline.
    pub queue: usize,
    /// A stage that takes so many times longer than planned, compared with the others, is slow; infinite: none is.
    pub straggler: f64,
}

impl Settings {
    /// The part of the dispatcher's configuration that decisions depend on.
    pub fn of(config: &DispatcherConfig) -> Settings {
        let nodes = &config.cluster.nodes;
        Settings {
            names: nodes.iter().map(|node| node.name.clone()).collect(),
            addresses: config.addresses.clone(),
            workers: (0..nodes.len()).filter(|index| nodes[*index].worker).collect(),
            dispatcher: config.cluster.dispatcher,
            codec: config.codec,
            heartbeat: config.heartbeat,
            missed: config.missed_heartbeats.max(1),
            window: config.window,
            order: config.order,
            spares: config.spares,
            queue: config.queue.max(1) as usize,
            straggler: config.straggler.unwrap_or(f64::INFINITY),
        }
    }

    /// Silence after which a node is taken for dead.
    pub fn patience(&self) -> Duration {
        self.heartbeat * self.missed
    }

    /// Time between two [`Input::Tick`]s.
    pub fn tick(&self) -> Duration {
        (self.heartbeat / 4).clamp(Duration::from_millis(1), Duration::from_millis(100))
    }
}

/// Where the machine stands; `dispatcher/mod.rs` has the table.
#[derive(Debug)]
enum Phase {
    /// Waiting for the workers to come up.
    Gathering { until: Instant },
    /// Waiting for the planner's answer to this question; since it was asked, `news` may have come of a worker. If it is
    /// only a `wish`, the plan in force could go on.
    Planning { attempt: u64, news: Option<String>, wish: bool },
    /// Waiting until the journal holds the epoch of this plan.
    Entering { mark: u64, epoch: u32, plan: Plan, took: Duration, rehearsed: bool },
    /// Waiting for these nodes' stages to be loaded, and for the connections to these first ones.
    Deploying {
        planned: Instant,
        awaited: BTreeSet<usize>,
        /// Those that had to load their segments.
        loaded: Vec<String>,
        /// Those that had theirs prepared.
        prepared: BTreeSet<usize>,
        feeds: BTreeSet<usize>,
    },
    /// Requests flow.
    Serving,
    /// There is no plan, for this reason.
    Stranded { reason: String },
}

/// A path that is said to be broken; believed once the receiver has proven to be alive.
#[derive(Debug)]
struct Suspicion {
    from: usize,
    to: usize,
    since: Instant,
}

/// The state machine.
#[derive(Debug)]
pub struct Core {
    settings: Settings,
    now: Instant,
    ticked: Instant,
    /// When it was last noticed that the dispatcher itself had not been running.
    slept: Option<Instant>,
    workers: Vec<Worker>,
    sessions: u64,
    phase: Phase,
    epoch: u32,
    plan: Option<Plan>,
    attempts: u64,
    /// Why a new plan must be asked for; not empty: it is about to be.
    reasons: Vec<String>,
    /// Why a better plan may be possible; asked for when nothing else is under way.
    wishes: Vec<String>,
    /// Why the plan that was asked for is needed.
    pending_reasons: Vec<String>,
    suspicions: Vec<Suspicion>,
    severed: Severed,
    /// Why there was no plan, when that was last reported.
    unplannable: Option<String>,
    /// How many pairs the last question avoided.
    avoided: usize,
    /// What is to be held ready beside the stages, and by whom; the most wanted first.
    wanted: Vec<(usize, Segment)>,
    /// The plan that all this is done for, if it is one that is to come.
    next: Option<Next>,
    rehearsals: Rehearsals,
    learned: Learned,
    /// What the last question was told of it.
    lessons: Lessons,
    /// How fast the stages in force are.
    paces: Paces,
    ledger: Ledger,
    chains: Chains,
    /// The client's session and the highest epoch, as the journal remembers them.
    standing: Standing,
    promises: Promises,
    /// Nothing if answers go out as they come.
    order: Option<Order>,
    client: Option<u64>,
    credit: usize,
    outputs: Vec<Output>,
}

impl Core {
    /// A machine that knows no worker yet, but what is known from before; the first [`Input::Tick`] sets it going.
    pub fn new(settings: Settings, now: Instant, known: &Recovered) -> Core {
        let workers = settings.workers.iter().map(|node| Worker::new(*node, now)).collect();
        let ledger = Ledger::new(settings.queue + KEPT_BEYOND_QUEUE, known);
        let order = settings.order.then(Order::default);
        // Where nodes run already, whoever lives answers at once.
        let resumes = known.standing != Standing::default();
        let grace = if resumes { membership::GRACE_RESUMED } else { membership::GRACE };
        let until = now + settings.patience() + grace;
        Core {
            settings,
            now,
            ticked: now,
            slept: None,
            workers,
            sessions: 0,
            phase: Phase::Gathering { until },
            epoch: known.standing.epoch,
            plan: None,
            attempts: 0,
            reasons: Vec::new(),
            wishes: Vec::new(),
            pending_reasons: Vec::new(),
            suspicions: Vec::new(),
            severed: Severed::default(),
            unplannable: None,
            avoided: 0,
            wanted: Vec::new(),
            next: None,
            rehearsals: Rehearsals::default(),
            learned: Learned::default(),
            lessons: Lessons::default(),
            paces: Paces::default(),
            ledger,
            chains: Chains::default(),
            standing: known.standing,
            promises: Promises::default(),
            order,
            client: None,
            credit: 0,
            outputs: Vec::new(),
        }
    }

    /// Handles one input; the outputs are to be carried out in order.
    pub fn handle(&mut self, now: Instant, input: Input) -> Vec<Output> {
        self.now = self.now.max(now);
        match input {
            Input::ClientConnected { client, session, floor } => self.client_connected(client, session, floor),
            Input::ClientLost { client } => self.client_lost(client),
            Input::Request { client, request, payload } => self.request(client, request, payload),
            Input::Acknowledged { client, request } => self.acknowledged(client, request),
            Input::Journaled { mark } => self.journaled(mark),
            Input::JournalFailed { mark, reason } => self.journal_failed(mark, reason),
            Input::Connected { node, session } => self.connected(node, session),
            Input::Disconnected { node, session } => self.disconnected(node, session),
            Input::Said { node, session, message } => self.said(node, session, message),
            Input::Heartbeat(heartbeat) => self.heartbeat(&heartbeat),
            Input::PlanFound { attempt, found, gain, took } => self.plan_found(attempt, found, gain, took),
            Input::Rehearsed { attempt, rehearsal } => self.rehearsed(attempt, rehearsal),
            Input::FeedOpened { epoch, node } => self.feed_opened(epoch, node),
            Input::FeedLost { epoch, node } => self.feed_lost(epoch, node),
            Input::Delivered { epoch, chain, request, payload } => {
                self.settle(request, epoch, chain, Answer::Result { epoch, payload });
            }
            Input::Tick => self.tick(),
        }
        let wish = self.reasons.is_empty();
        if !wish || (!self.wishes.is_empty() && matches!(self.phase, Phase::Serving)) {
            self.plan_anew(wish);
        }
        self.prepare();
        self.feed();
        self.grant_credit();
        std::mem::take(&mut self.outputs)
    }

    /// The epoch of the plan in force; before the first, the highest of the process before, or zero.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Requests that were accepted and have no answer yet.
    pub fn open(&self) -> usize {
        self.ledger.waiting() + self.ledger.in_flight()
    }

    fn name(&self, node: usize) -> String {
        self.settings.names.get(node).cloned().unwrap_or_else(|| node.to_string())
    }

    fn worker(&mut self, node: usize) -> Option<&mut Worker> {
        self.workers.iter_mut().find(|worker| worker.node == node)
    }

    /// The worker, if `session` is its present one.
    fn worker_in(&mut self, node: usize, session: u64) -> Option<&mut Worker> {
        self.worker(node).filter(|worker| worker.link.session() == Some(session))
    }

    fn report(&mut self, event: Event) {
        self.outputs.push(Output::Report(event));
    }
}
