//! From a reason to plan anew, over a plan and its stages loaded, to requests that flow.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use planner::plan::{Chain, Plan};
use planner::strategy::PlanError;

use super::exchange::{Output, Question};
use super::workers::{Link, Start, Worker};
use super::{Core, Phase, Suspicion};
use crate::config::DATA_PORT;
use crate::dispatcher::journal::record::Record;
use crate::telemetry::Event;
use crate::wire::message::{NextHop, ToWorker};
use planner::chains::Chains;
use planner::pace::Paces;

/// How many times better a plan must be to be worth the change, if the plan in force can go on.
const WORTH: f64 = 1.2;
/// How long its segments may take to be loaded meanwhile.
const PREPARING: Duration = Duration::from_secs(10);

impl Core {
    /// The stage that the plan in force puts on `node`.
    pub(super) fn stage_of(&self, node: usize) -> Option<usize> {
        self.plan.as_ref()?.stages.iter().position(|stage| stage.node == node)
    }

    /// A plan is needed: a known one, or else the planner is asked. What is only a `wish` may be left unfulfilled.
    pub(super) fn plan_anew(&mut self, wish: bool) {
        // The reasons stay until a plan is made.
        for reason in std::mem::take(&mut self.reasons).into_iter().chain(std::mem::take(&mut self.wishes)) {
            if !self.pending_reasons.contains(&reason) {
                self.pending_reasons.push(reason);
            }
        }
        self.next = None;
        match self.rehearsed_plan() {
            Some((plan, lessons)) => {
                self.lessons = lessons;
                self.enter(plan, Duration::ZERO, true);
            }
            None => self.ask_for_plan(wish),
        }
    }

    /// What the planner is asked now, under the next number.
    pub(super) fn question(&mut self) -> Question {
        self.attempts += 1;
        let down = self.workers.iter().filter(|worker| !worker.is_up());
        let ready = |worker: &Worker| worker.ready.there().map(|segment| (worker.node, segment)).collect::<Vec<_>>();
        Question {
            attempt: self.attempts,
            excluded: down.map(|worker| worker.node).collect(),
            severed: self.severed.active(self.now),
            lessons: self.learned.lessons(self.now),
            current: self.plan.clone(),
            ready: self.workers.iter().flat_map(ready).collect(),
        }
    }

    /// Asks the planner, in place of any question that is open.
    fn ask_for_plan(&mut self, wish: bool) {
        let question = self.question();
        self.avoided = question.severed.len();
        self.lessons = question.lessons.clone();
        self.phase = Phase::Planning { attempt: question.attempt, news: None, wish };
        self.outputs.push(Output::FindPlan(question));
    }

    pub(super) fn plan_found(&mut self, attempt: u64, found: Result<Plan, PlanError>, gain: f64, took: Duration) {
        let Phase::Planning { attempt: asked, news, wish } = &mut self.phase else { return };
        if *asked != attempt {
            return;
        }
        let (news, wish) = (news.take(), *wish);
        match found {
            Ok(plan) if wish && gain >= WORTH && !self.can_be_held(&plan) => {
                // A node of it was lost meanwhile.
                self.phase = Phase::Serving;
                self.wishes.append(&mut self.pending_reasons);
            }
            Ok(plan) if wish && gain >= WORTH => {
                self.phase = Phase::Serving;
                let reason = std::mem::take(&mut self.pending_reasons).join("; ");
                self.prepare_plan(plan, reason, PREPARING);
            }
            _ if wish => self.keep_plan(),
            Ok(plan) if self.can_be_held(&plan) => self.enter(plan, took, false),
            _ if news.is_some() => self.reasons.extend(news),
            Ok(plan) => self.strand(format!("the strategy put stages on {:?}", nodes(&plan))),
            Err(error) => self.strand(error.to_string()),
        }
    }

    /// Puts a plan into force, as soon as the journal knows that its epoch begins.
    pub(super) fn enter(&mut self, plan: Plan, took: Duration, rehearsed: bool) {
        // Whatever becomes of this process, the next one's epochs are higher.
        let epoch = self.standing.epoch.saturating_add(1);
        self.record(Record::Epoch(epoch));
        self.phase = Phase::Entering { mark: self.promises.mark(), epoch, plan, took, rehearsed };
        if self.promises.is_given_up() {
            self.enter_epoch();
        }
    }

    /// Whether every stage's node is there and on a chain: a check on the strategy.
    pub(super) fn can_be_held(&self, plan: &Plan) -> bool {
        let up = |node: usize| self.workers.iter().any(|worker| worker.node == node && worker.is_up());
        let used = |index: usize| plan.chains.iter().any(|chain| chain.stages.contains(&index));
        let known = |chain: &Chain| !chain.stages.is_empty() && chain.stages.iter().all(|s| *s < plan.stages.len());
        (1..=usize::from(u16::MAX)).contains(&plan.chains.len())
            && plan.chains.iter().all(known)
            && plan.stages.iter().enumerate().all(|(index, stage)| used(index) && up(stage.node))
    }

    /// There is nothing better: the plan in force goes on.
    fn keep_plan(&mut self) {
        self.phase = Phase::Serving;
        let reason = std::mem::take(&mut self.pending_reasons).join("; ");
        self.report(Event::PlanKept { epoch: self.epoch, reason });
    }

    /// No plan: waits for a worker or a path to come back.
    fn strand(&mut self, reason: String) {
        self.phase = Phase::Stranded { reason: reason.clone() };
        if self.severed.forgive(self.now) {
            self.reasons.push("a path that broke is tried again".to_owned());
        } else if self.unplannable.as_ref() != Some(&reason) {
            self.unplannable = Some(reason.clone());
            self.report(Event::Unplannable { reason });
        }
    }

    /// Whether a severed pair that was avoided when no plan was found may be used by now.
    pub(super) fn retry_stranded(&mut self) {
        if self.severed.forgive(self.now) || self.severed.active(self.now).len() < self.avoided {
            self.reasons.push("a path that broke is tried again".to_owned());
        }
        if self.learned.lessons(self.now).memory.len() < self.lessons.memory.len() {
            self.reasons.push("a node that had too little memory is tried again".to_owned());
        }
    }

    /// The journal knows of the epoch: it may begin.
    pub(super) fn enter_epoch(&mut self) {
        match std::mem::replace(&mut self.phase, Phase::Serving) {
            Phase::Entering { epoch, plan, took, rehearsed, .. } => self.deploy(epoch, plan, took, rehearsed),
            other => self.phase = other,
        }
    }

    fn deploy(&mut self, epoch: u32, plan: Plan, took: Duration, rehearsed: bool) {
        self.epoch = epoch;
        self.unplannable = None;
        self.suspicions.clear();
        self.ledger.recall();
        let reason = std::mem::take(&mut self.pending_reasons).join("; ");
        self.report(Event::Planned { epoch, reason, plan: plan.clone(), took, rehearsed });

        let free = |node: usize| plan.stages.iter().all(|stage| stage.node != node);
        for worker in self.workers.iter_mut().filter(|worker| worker.assigned && free(worker.node)) {
            let Link::Up { session, .. } = worker.link else { continue };
            (worker.assigned, worker.held) = (false, None);
            let message = ToWorker::Release { epoch };
            self.outputs.push(Output::Tell { node: worker.node, session, message, ship: None });
        }
        let mut prepared = BTreeSet::new();
        // From the last stage to the first, so that each finds the next one expecting it.
        let mut order: Vec<usize> = (0..plan.stages.len()).collect();
        order.sort_by_key(|index| std::cmp::Reverse(plan.stages[*index].segment.from));
        for index in order {
            let (stage, next) = (&plan.stages[index], self.next_hops(&plan, index));
            let codec = self.settings.codec;
            let Some(worker) = self.worker(stage.node) else { continue };
            let Link::Up { session, .. } = worker.link else { continue };
            let start = worker.assign(stage.segment);
            let message =
                ToWorker::Assign { epoch, stage: index as u16, segment: stage.segment, file: None, codec, next };
            let ship = (start == Start::Cold).then_some(stage.segment);
            self.outputs.push(Output::Tell { node: stage.node, session, message, ship });
            if start == Start::Prepared {
                prepared.insert(stage.node);
            }
        }
        let first = |chain: &Chain| chain.stages.first().and_then(|stage| plan.stages.get(*stage));
        let feeds: BTreeSet<usize> = plan.chains.iter().filter_map(first).map(|stage| stage.node).collect();
        self.outputs.extend(feeds.iter().map(|node| Output::OpenFeed { epoch, node: *node }));
        let awaited = plan.stages.iter().map(|stage| stage.node).collect();
        self.phase = Phase::Deploying { planned: self.now, awaited, loaded: Vec::new(), prepared, feeds };
        self.chains = Chains::of(&plan, self.settings.window, self.settings.dispatcher);
        let pace = &self.lessons.pace;
        self.paces = Paces::of(&plan, self.settings.straggler, |node| pace.get(&node).copied().unwrap_or(1.0));
        self.plan = Some(plan);
    }

    /// Where a stage's output goes: each node that is next on a chain, with the chains that lead there.
    fn next_hops(&self, plan: &Plan, stage: usize) -> Vec<NextHop> {
        let mut hops: BTreeMap<usize, Vec<u16>> = BTreeMap::new();
        for (number, chain) in plan.chains.iter().enumerate() {
            let Some(place) = chain.stages.iter().position(|other| *other == stage) else { continue };
            let next = chain.stages.get(place + 1).and_then(|next| plan.stages.get(*next));
            let node = next.map_or(self.settings.dispatcher, |next| next.node);
            hops.entry(node).or_default().push(number as u16);
        }
        let hop = |(node, chains): (usize, Vec<u16>)| {
            let address = SocketAddr::new(*self.settings.addresses.get(node)?, DATA_PORT);
            Some(NextHop { node: node as u32, address, chains })
        };
        hops.into_iter().filter_map(hop).collect()
    }

    pub(super) fn loaded(&mut self, node: usize, epoch: u32, had_to_load: bool) {
        if epoch != self.epoch {
            return;
        }
        let name = self.name(node);
        self.learned.loaded(node);
        let segment = self.stage_of(node).and_then(|stage| self.plan.as_ref()?.stages.get(stage).map(|s| s.segment));
        let Phase::Deploying { awaited, loaded, prepared, .. } = &mut self.phase else { return };
        if !awaited.remove(&node) {
            return;
        }
        if had_to_load {
            loaded.push(name);
            prepared.remove(&node);
        }
        if let Some(worker) = self.worker(node) {
            (worker.held, worker.refusals) = (segment, 0);
        }
        self.serve_if_deployed();
    }

    /// The worker at `node` can't read its segment: it is sent.
    pub(super) fn send_segment(&mut self, node: usize, session: u64, epoch: u32) {
        let segment = self.stage_of(node).and_then(|stage| self.plan.as_ref()?.stages.get(stage).map(|s| s.segment));
        if epoch == self.epoch && segment.is_some() {
            let message = ToWorker::File { epoch, file: None };
            self.outputs.push(Output::Tell { node, session, message, ship: segment });
        }
    }

    pub(super) fn feed_opened(&mut self, epoch: u32, node: usize) {
        if let (Phase::Deploying { feeds, .. }, true) = (&mut self.phase, epoch == self.epoch) {
            feeds.remove(&node);
            self.serve_if_deployed();
        }
    }

    fn serve_if_deployed(&mut self) {
        let Phase::Deploying { planned, awaited, loaded, prepared, feeds } = &mut self.phase else { return };
        if !awaited.is_empty() || !feeds.is_empty() {
            return;
        }
        let (took, loaded, epoch) = (self.now.since(*planned), std::mem::take(loaded), self.epoch);
        let prepared = std::mem::take(prepared).into_iter().map(|node| self.name(node)).collect();
        self.phase = Phase::Serving;
        self.report(Event::Deployed { epoch, loaded, prepared, took });
        self.chains.open();
    }

    /// The worker at `node` says that nothing comes back from `next`, which is behind it.
    pub(super) fn next_lost(&mut self, node: usize, epoch: u32, next: usize) {
        if epoch == self.epoch {
            self.path_lost(node, next);
        }
    }

    pub(super) fn feed_lost(&mut self, epoch: u32, node: usize) {
        if epoch == self.epoch {
            self.path_lost(self.settings.dispatcher, node);
        }
    }

    /// The connection from one node of the plan to the next is gone.
    fn path_lost(&mut self, from: usize, to: usize) {
        let lost = self.chains.lose_path(from, to);
        // While a plan is sought, only what is news is worth asking again for.
        if !lost.is_empty() || matches!(self.phase, Phase::Deploying { .. } | Phase::Serving) {
            self.suspect_path(from, to);
        }
        self.chains_lost(&lost);
    }

    /// What was in these chains goes into those that are left, or waits for the next epoch.
    pub(super) fn chains_lost(&mut self, chains: &[u16]) {
        self.ledger.recall_from(self.epoch, chains);
        if self.chains.is_open() {
            let epoch = self.epoch;
            chains.iter().for_each(|chain| self.report(Event::ChainLost { epoch, chain: *chain }));
        }
    }

    /// A path seems broken. If its receiver died, that shows by itself and soon; the path is blamed when the
    /// receiver is heard of again.
    fn suspect_path(&mut self, from: usize, to: usize) {
        if to == self.settings.dispatcher && self.has_slept() {
            // No fault of the path, but the connection is gone: the stages must be connected anew.
            self.reasons.push("the dispatcher was not running for a while".to_owned());
        } else if to == self.settings.dispatcher {
            self.sever(from, to);
        } else if !self.suspicions.iter().any(|suspicion| (suspicion.from, suspicion.to) == (from, to)) {
            self.suspicions.push(Suspicion { from, to, since: self.now });
        }
    }

    pub(super) fn sever(&mut self, from: usize, to: usize) {
        self.severed.sever((from, to), self.now);
        let (from, to) = (self.name(from), self.name(to));
        self.reasons.push(format!("nothing arrives from {from} at {to}"));
        self.report(Event::PathSuspected { from, to });
    }
}

fn nodes(plan: &Plan) -> Vec<usize> {
    plan.stages.iter().map(|stage| stage.node).collect()
}
