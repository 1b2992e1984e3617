//! Who is up, who seems to be, and what is concluded from silence.

use std::time::Duration;

use super::agenda::Due;
use super::event::Event;
use super::network::next_try;
use super::{Phase, Simulation};
use crate::profile::Segment;

/// Time between attempts to reach a worker that is taken for dead.
const RETRY: Duration = Duration::from_millis(500);
/// Within this a connection to the next stage is made at least.
const CONNECT_LIMIT: Duration = Duration::from_millis(1500);

/// A node of the cluster, as it is and as the dispatcher sees it.
#[derive(Debug, Clone)]
pub(super) struct Worker {
    /// It has a process.
    pub(super) alive: bool,
    /// That process is frozen.
    pub(super) asleep: bool,
    /// How many times slower it computes than its device does by itself.
    pub(super) pace: f64,
    /// Its process is ready from then on.
    ready: Duration,
    /// It has the stage that the plan in force gives it.
    pub(super) serves: bool,
    /// The segment it has loaded.
    pub(super) segment: Option<Segment>,
    /// The dispatcher takes it for alive.
    pub(super) up: bool,
    /// Since when its heartbeats don't arrive.
    mute: Option<Duration>,
}

impl Worker {
    /// A process that is up, without a stage.
    pub(super) fn up() -> Worker {
        Worker {
            alive: true,
            asleep: false,
            pace: 1.0,
            ready: Duration::ZERO,
            serves: false,
            segment: None,
            up: true,
            mute: None,
        }
    }
}

impl Simulation<'_> {
    /// Silence after which something is taken for dead.
    fn patience(&self) -> Duration {
        self.setup.heartbeat * self.setup.missed.max(1)
    }

    /// A node's process is ended by SIGKILL.
    pub fn kill(&mut self, node: usize) {
        let dispatcher = self.setup.cluster.dispatcher;
        if !self.workers[node].alive {
            return;
        }
        // The kernel closes its connections, which the dispatcher hears if anything of it arrives.
        if self.network.reaches(node, dispatcher) {
            let heard = self.now + self.network.delay(node, dispatcher);
            self.agenda.put(heard, Due::Closed { node });
        }
        let worker = &mut self.workers[node];
        (worker.alive, worker.asleep, worker.serves, worker.segment) = (false, false, false, None);
        self.network.sleep(node, false, self.now, &mut self.agenda);
        self.forget(node);
        self.listen();
    }

    /// A node's process is started again.
    pub fn start(&mut self, node: usize) {
        let ready = self.in_time(self.setup.overheads.start);
        let worker = &mut self.workers[node];
        (worker.alive, worker.ready) = (true, ready);
        self.listen();
    }

    /// A node's process is frozen or thawed.
    pub fn freeze(&mut self, node: usize, frozen: bool) {
        self.workers[node].asleep = frozen;
        self.network.sleep(node, frozen, self.now, &mut self.agenda);
        if !frozen {
            self.wake(node);
        }
        self.listen();
    }

    /// A node computes so many times slower than its device does by itself, from the next request on.
    pub fn slow(&mut self, node: usize, factor: f64) {
        self.workers[node].pace = factor.max(1.0);
    }

    /// What one node sends to another vanishes, or arrives again.
    pub fn block(&mut self, from: usize, to: usize, blocked: bool) {
        self.network.block(from, to, blocked, self.now, &mut self.agenda);
        self.listen();
    }

    /// The direction between two neighbouring hosts has another rate and delay; nothing passes it if it is not `up`.
    pub fn reshape(&mut self, from: usize, to: usize, path: crate::cluster::Path, up: bool) {
        self.network.reshape(from, to, path, up, self.now, &mut self.agenda);
        self.listen();
    }

    /// Whether a node has a process.
    pub fn is_alive(&self, node: usize) -> bool {
        self.workers.get(node).is_some_and(|worker| worker.alive)
    }

    /// Something has changed: puts down when the dispatcher will notice what it hears no more.
    fn listen(&mut self) {
        let (dispatcher, now) = (self.setup.cluster.dispatcher, self.now);
        // On average, the last heartbeat was half an interval ago.
        let noticed = self.in_time(self.patience().saturating_sub(self.setup.heartbeat / 2));
        for node in 0..self.workers.len() {
            if !self.setup.cluster.nodes[node].worker {
                continue;
            }
            let Worker { alive, asleep, mute, .. } = self.workers[node];
            let silent = !alive || asleep || !self.network.reaches(node, dispatcher);
            if silent && mute.is_none() {
                self.agenda.put(noticed, Due::Silent { node, since: now });
            }
            self.workers[node].mute = silent.then(|| mute.unwrap_or(now));
        }
        self.watch(self.patience());
    }

    /// Puts down when nodes will notice that nothing comes back from the next.
    pub(super) fn watch(&mut self, patience: Duration) {
        let pairs: Vec<(usize, usize)> =
            self.chains.routes().flat_map(|nodes| nodes.windows(2).map(|pair| (pair[0], pair[1]))).collect();
        for pair in pairs {
            let whole = self.network.reaches(pair.0, pair.1) && self.network.reaches(pair.1, pair.0);
            match self.broken.get(&pair) {
                None if !whole => {
                    self.broken.insert(pair, self.now);
                    let (epoch, since, (from, to)) = (self.epoch, self.now, pair);
                    self.agenda.put(self.in_time(patience), Due::PathSilent { from, to, epoch, since });
                }
                // Signs of life that were lost come when TCP repeats them.
                Some(since) if whole && next_try(*since, self.now) < *since + self.patience() => {
                    self.broken.remove(&pair);
                }
                _ => {}
            }
        }
    }

    /// Forgets what was noticed of connections of an epoch that is over.
    pub(super) fn watch_anew(&mut self) {
        self.broken.clear();
        self.watch(self.patience().max(CONNECT_LIMIT));
    }

    pub(super) fn silent(&mut self, node: usize, since: Duration) {
        if self.workers[node].mute == Some(since) {
            self.lose(node, false);
        }
    }

    /// A worker is gone: its chains are lost, and a plan that needs it is made anew.
    pub(super) fn lose(&mut self, node: usize, connection: bool) {
        if !std::mem::replace(&mut self.workers[node].up, false) {
            return;
        }
        self.tell(Event::NodeSuspected { node, connection });
        self.agenda.put(self.in_time(RETRY), Due::Retry { node });
        let lost = self.chains.lose_node(node);
        self.requests.recall_from(self.epoch, &lost);
        let needed = match self.phase {
            Phase::Stranded { .. } => false,
            Phase::Planning { .. } => true,
            Phase::Deploying | Phase::Serving => self.plan.stages.iter().any(|stage| stage.node == node),
        };
        if needed {
            let what = if connection { "its connection broke" } else { "its heartbeats stopped" };
            self.plan_anew(format!("{} is lost: {what}", self.name(node)));
        }
        self.feed();
    }

    /// Nothing has come back from the next node for as long as a node has patience.
    pub(super) fn path_silent(&mut self, from: usize, to: usize, epoch: u32, since: Duration) {
        if epoch != self.epoch || self.broken.get(&(from, to)) != Some(&since) {
            return;
        }
        let gone = |node: usize| node != self.setup.cluster.dispatcher && !self.workers[node].up;
        // That a node is silent because it is dead shows by itself.
        if gone(from) || gone(to) || self.workers[to].mute.is_some() {
            return;
        }
        let lost = self.chains.lose_path(from, to);
        self.requests.recall_from(self.epoch, &lost);
        if !matches!(self.phase, Phase::Stranded { .. }) {
            self.severed.sever((from, to), self.now);
            self.tell(Event::PathSuspected { from, to });
            self.plan_anew(format!("nothing arrives from {} at {}", self.name(from), self.name(to)));
        }
        self.feed();
    }

    /// The dispatcher tries to reach a worker again.
    pub(super) fn retry(&mut self, node: usize) {
        let Worker { alive, asleep, ready, .. } = self.workers[node];
        let dispatcher = self.setup.cluster.dispatcher;
        let answers = alive && !asleep && ready <= self.now;
        if !answers || !self.network.reaches(node, dispatcher) || !self.network.reaches(dispatcher, node) {
            return self.agenda.put(self.in_time(RETRY), Due::Retry { node });
        }
        self.workers[node].up = true;
        self.tell(Event::Rejoined { node });
        let reason = format!("{} is back", self.name(node));
        match &mut self.phase {
            Phase::Stranded { .. } => self.plan_anew(reason),
            Phase::Planning { .. } => self.news = Some(reason),
            _ => {}
        }
    }
}
