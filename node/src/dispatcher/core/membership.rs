//! Who comes and goes: control connections, heartbeats, and what is concluded from their absence.

use std::net::SocketAddr;
use std::time::Duration;

use planner::profile::Segment;
use planner::units::ByteSize;

use super::exchange::Output;
use super::ledger::Answer;
use super::workers::Link;
use super::{Core, Phase, Suspicion};
use crate::clock::Instant;
use crate::config::HEARTBEAT_PORT;
use crate::telemetry::{Detection, Event};
use crate::wire::message::{Heartbeat, Shortage, ToDispatcher, ToWorker};

/// Beyond the patience for heartbeats, how long the start waits for workers that are not up.
pub const GRACE: Duration = Duration::from_secs(2);
/// The same for a dispatcher that takes the place of one before it.
pub const GRACE_RESUMED: Duration = Duration::from_millis(250);
/// Time between attempts to reach a worker while all are still starting.
const RETRY_STARTING: Duration = Duration::from_millis(100);
/// Time between attempts to reach a worker that is taken for dead.
const RETRY_DEAD: Duration = Duration::from_millis(500);
/// How long a worker that refused a stage is left alone; doubles each time.
const RETRY_REFUSED: Duration = Duration::from_secs(5);
/// How long a connection waits at least for its worker's first heartbeat.
const GREETING: Duration = Duration::from_secs(2);

impl Core {
    pub(super) fn connected(&mut self, node: usize, session: u64) {
        let now = self.now;
        let Some(address) = self.settings.addresses.get(self.settings.dispatcher).copied() else { return };
        let (interval, missed) = (self.settings.heartbeat, self.settings.missed);
        let Some(worker) = self.worker_in(node, session) else { return };
        worker.link = Link::Greeted { session, since: now };
        let heartbeat_to = SocketAddr::new(address, HEARTBEAT_PORT);
        let message = ToWorker::Hello { worker: node as u32, heartbeat_to, interval, missed };
        self.outputs.push(Output::Tell { node, session, message, ship: None });
    }

    pub(super) fn disconnected(&mut self, node: usize, session: u64) {
        if self.worker_in(node, session).is_some() {
            self.lose(node, Detection::Connection, self.retry());
        }
    }

    pub(super) fn said(&mut self, node: usize, session: u64, message: ToDispatcher) {
        if self.worker_in(node, session).is_none() {
            return;
        }
        match message {
            ToDispatcher::Loaded { epoch, loaded, .. } => self.loaded(node, epoch, loaded),
            ToDispatcher::Unreadable { epoch } => self.send_segment(node, session, epoch),
            ToDispatcher::Refused { epoch, shortage, reason } => self.refused(node, epoch, shortage, reason),
            ToDispatcher::Prepared { order, segment } => self.prepared(node, order, segment, Ok(())),
            ToDispatcher::Unprepared { order, segment, reason } => self.prepared(node, order, segment, Err(reason)),
            ToDispatcher::Fenced { epoch, newest } => self.fenced(node, epoch, newest),
            ToDispatcher::NextLost { epoch, next } => self.next_lost(node, epoch, next as usize),
            ToDispatcher::Failed { epoch, chain, request, reason } => {
                self.settle(request, epoch, chain, Answer::Refused { reason });
            }
        }
    }

    pub(super) fn heartbeat(&mut self, heartbeat: &Heartbeat) {
        let now = self.now;
        let node = heartbeat.worker as usize;
        let Some(worker) = self.worker(node) else { return };
        if !worker.is_news(heartbeat) {
            return;
        }
        // Known before the first plan is made, so that no epoch is named twice though the journal was lost.
        self.standing.epoch = self.standing.epoch.max(heartbeat.epoch);
        let Some(worker) = self.worker(node) else { return };
        match &mut worker.link {
            Link::Up { heard, .. } => *heard = now,
            Link::Greeted { session, .. } => {
                worker.link = Link::Up { session: *session, heard: now };
                self.came_up(node);
            }
            Link::Down { .. } | Link::Connecting { .. } => return,
        }
        self.learned.process(node, heartbeat.incarnation);
        if let Some(work) = heartbeat.work {
            self.worked(node, work);
        }
        // The receiver of a path said to be broken is alive, so it is the path.
        let least = self.settings.heartbeat / 2;
        let proven = |suspicion: &Suspicion| suspicion.to == node && now.since(suspicion.since) >= least;
        let (broken, open): (Vec<_>, Vec<_>) = std::mem::take(&mut self.suspicions).into_iter().partition(proven);
        self.suspicions = open;
        for Suspicion { from, to, .. } in broken {
            self.sever(from, to);
        }
    }

    fn came_up(&mut self, node: usize) {
        let name = self.name(node);
        if self.worker(node).is_some_and(|worker| std::mem::take(&mut worker.suspected)) {
            self.report(Event::Rejoined { node: name.clone() });
        }
        match &mut self.phase {
            Phase::Gathering { .. } if self.workers.iter().all(|worker| worker.is_up()) => {
                self.reasons.push("start".to_owned());
            }
            Phase::Stranded { .. } => self.reasons.push(format!("{name} is back")),
            Phase::Planning { news, .. } => *news = Some(format!("{name} is back")),
            _ => {}
        }
    }

    /// A worker has been in a later epoch: the journal was lost, or an earlier dispatcher had none.
    fn fenced(&mut self, node: usize, epoch: u32, newest: u32) {
        self.standing.epoch = self.standing.epoch.max(newest);
        if epoch == self.epoch && !matches!(self.phase, Phase::Gathering { .. }) {
            self.reasons.push(format!("{} has been in epoch {newest}", self.name(node)));
        }
    }

    /// A worker can't hold its stage. For want of memory, it may hold another; otherwise it is not asked again for a while.
    fn refused(&mut self, node: usize, epoch: u32, shortage: Option<Shortage>, reason: String) {
        if epoch != self.epoch {
            return;
        }
        let planned = self.stage_of(node).and_then(|stage| self.plan.as_ref()?.stages.get(stage));
        let planned = planned.map(|stage| (stage.segment, stage.memory));
        let segment = planned.map(|(segment, _)| segment);
        self.report(Event::StageRefused { node: self.name(node), epoch, segment, shortage, reason });
        let now = self.now;
        let Some(worker) = self.worker(node) else { return };
        if let (Some(shortage), Some((_, memory))) = (shortage, planned) {
            let process = worker.process();
            worker.held = None;
            self.learned.refused(node, process, memory, shortage, now);
            let lost = self.chains.lose_node(node);
            self.chains_lost(&lost);
            return self.reasons.push(format!("{} refused its stage: {shortage}", self.name(node)));
        }
        let wait = RETRY_REFUSED * 2u32.pow(worker.refusals.min(6));
        worker.refusals += 1;
        self.lose(node, Detection::Refused, self.now + wait);
    }

    /// A worker is gone: closes what is left of its connection, and plans anew if the plan needs it.
    fn lose(&mut self, node: usize, by: Detection, retry: Instant) {
        let gathering = matches!(self.phase, Phase::Gathering { .. });
        let loading = self.loading(node);
        let Some(worker) = self.worker(node) else { return };
        let was_up = worker.is_up();
        let session = worker.link.session();
        worker.disconnect(retry);
        // At the start a worker may simply not be there yet.
        let news = was_up || (!worker.suspected && !gathering);
        worker.suspected |= news;
        if let Some(session) = session {
            self.outputs.push(Output::Close { node, session });
        }
        if news {
            let name = self.name(node);
            self.report(Event::NodeSuspected { node: name, by });
        }
        self.suspicions.retain(|suspicion| suspicion.from != node && suspicion.to != node);
        let lost = self.chains.lose_node(node);
        self.chains_lost(&lost);
        self.died_loading(node, loading);
        let needed = match self.phase {
            Phase::Gathering { .. } | Phase::Stranded { .. } => false,
            // The plan in force can go on, unless this node is in it.
            Phase::Planning { wish: true, .. } => self.stage_of(node).is_some(),
            Phase::Planning { .. } | Phase::Entering { .. } => was_up,
            Phase::Deploying { .. } | Phase::Serving => self.stage_of(node).is_some(),
        };
        if needed {
            let what = match by {
                Detection::Connection => "its connection broke",
                Detection::Heartbeat => "its heartbeats stopped",
                Detection::Refused => "it refused its stage",
            };
            self.reasons.push(format!("{} is lost: {what}", self.name(node)));
        }
    }

    /// The segment that a worker is loading, for its stage or beside it, and what plans expect it to need.
    fn loading(&self, node: usize) -> Option<(Segment, ByteSize)> {
        let worker = self.workers.iter().find(|worker| worker.node == node)?;
        let awaited = matches!(&self.phase, Phase::Deploying { awaited, .. } if awaited.contains(&node));
        let plans = || self.plan.iter().chain(self.next_plan()).chain(self.rehearsals.plans());
        let stages = || plans().flat_map(|plan| &plan.stages).filter(|stage| stage.node == node);
        let stage = stages().next().filter(|stage| awaited && !worker.holds(stage.segment));
        let beside =
            || stages().find(|stage| worker.ready.asked().contains(&stage.segment) && !worker.ready.has(stage.segment));
        stage.or_else(beside).map(|stage| (stage.segment, stage.memory))
    }

    /// A worker is lost that was loading a segment: that may be why.
    fn died_loading(&mut self, node: usize, loading: Option<(Segment, ByteSize)>) {
        let Some((segment, memory)) = loading else { return };
        if self.learned.died_loading(node, memory, self.now) {
            let (node, epoch) = (self.name(node), self.epoch);
            let reason = "its process ended twice while it was loading".to_owned();
            self.report(Event::StageRefused { node, epoch, segment: Some(segment), shortage: None, reason });
        }
    }

    pub(super) fn tick(&mut self) {
        let now = self.now;
        // Had the dispatcher itself been stopped or starved, nobody else is to blame for the silence.
        let gap = now.since(self.ticked);
        self.ticked = now;
        if gap > self.settings.tick() * 2 {
            if gap > self.settings.patience() / 2 {
                self.slept = Some(now);
            }
            self.promises.forgive(now);
            let slept = gap.saturating_sub(self.settings.tick());
            self.workers.iter_mut().for_each(|worker| worker.forgive(slept, now));
            if let Phase::Gathering { until } = &mut self.phase {
                *until = *until + slept;
            }
        }
        let patience = self.settings.patience();
        for index in 0..self.workers.len() {
            let (node, link) = (self.workers[index].node, self.workers[index].link);
            match link {
                Link::Up { heard, .. } if now.since(heard) > patience => {
                    self.lose(node, Detection::Heartbeat, now + RETRY_DEAD);
                }
                Link::Greeted { since, .. } if now.since(since) > patience.max(GREETING) => {
                    self.lose(node, Detection::Heartbeat, now + RETRY_DEAD);
                }
                Link::Down { retry } if now >= retry => {
                    self.sessions += 1;
                    let session = self.sessions;
                    self.workers[index].link = Link::Connecting { session };
                    self.outputs.push(Output::Connect { node, session });
                }
                _ => {}
            }
        }
        self.tend_journal();
        self.try_again();
        self.rehearse();
        match self.phase {
            Phase::Gathering { until } if now >= until => self.stop_gathering(),
            Phase::Stranded { .. } => self.retry_stranded(),
            _ => {}
        }
    }

    /// The start has waited long enough: goes on without those that are not up.
    fn stop_gathering(&mut self) {
        for index in 0..self.workers.len() {
            let worker = &mut self.workers[index];
            if !worker.is_up() && !std::mem::replace(&mut worker.suspected, true) {
                let node = self.settings.names[worker.node].clone();
                self.report(Event::NodeSuspected { node, by: Detection::Connection });
            }
        }
        self.reasons.push("start".to_owned());
    }

    /// Whether the dispatcher itself has not been running for so long, until just now, that others noticed.
    pub(super) fn has_slept(&self) -> bool {
        let patience = self.settings.patience();
        self.now.since(self.ticked) > patience / 2 || self.slept.is_some_and(|slept| self.now.since(slept) <= patience)
    }

    fn retry(&self) -> Instant {
        let starting = matches!(self.phase, Phase::Gathering { .. });
        self.now + if starting { RETRY_STARTING } else { RETRY_DEAD }
    }
}
