//! From a reason to plan anew to requests that flow.

use std::collections::BTreeSet;
use std::time::Duration;

use super::agenda::Due;
use super::event::Event;
use super::network::Place;
use super::stages::benches;
use super::{Phase, Question, Simulation};
use crate::chains::Chains;
use crate::plan::{Plan, wire_size};
use crate::strategy::PlanError;

/// How often it is looked whether a stage that could not load its segment can by now, or a severed path be used.
const LOOK: Duration = Duration::from_millis(50);

impl Simulation<'_> {
    /// Asks the planner, in place of any question that is open.
    pub(super) fn plan_anew(&mut self, reason: String) {
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
        self.attempts += 1;
        (self.phase, self.news) = (Phase::Planning { attempt: self.attempts }, None);
        let due = self.in_time(self.setup.overheads.plan);
        self.agenda.put(due, Due::Plan { attempt: self.attempts });
    }

    /// What the planner says to those that are up now.
    pub(super) fn find_plan(&mut self) -> Result<Plan, PlanError> {
        let nodes = self.setup.cluster.nodes.len();
        let excluded: BTreeSet<usize> = (0..nodes).filter(|node| !self.workers[*node].up).collect();
        let severed = self.severed.active(self.now);
        let current = (self.epoch > 0).then_some(&self.plan);
        (self.setup.planner)(&Question { excluded: &excluded, severed: &severed, current })
    }

    pub(super) fn planned(&mut self, attempt: u64) {
        if !matches!(self.phase, Phase::Planning { attempt: asked } if asked == attempt) {
            return;
        }
        match self.find_plan() {
            Ok(plan) => self.deploy(plan),
            Err(error) => match self.news.take() {
                Some(news) => self.plan_anew(news),
                None => self.strand(&error),
            },
        }
    }

    /// No plan: waits for a worker or a path to come back.
    fn strand(&mut self, error: &PlanError) {
        let reason = error.to_string();
        if self.unplannable.as_ref() != Some(&reason) {
            self.unplannable = Some(reason.clone());
            self.tell(Event::Unplannable { reason });
        }
        self.avoided = self.severed.active(self.now).len();
        self.phase = Phase::Stranded { attempt: self.attempts };
        self.agenda.put(self.in_time(LOOK), Due::Stranded { attempt: self.attempts });
    }

    pub(super) fn look_for_a_way_out(&mut self, attempt: u64) {
        if !matches!(self.phase, Phase::Stranded { attempt: at } if at == attempt) {
            return;
        }
        if self.severed.forgive(self.now) || self.severed.active(self.now).len() < self.avoided {
            return self.plan_anew("a path that broke is tried again".to_owned());
        }
        // Once no path is avoided, only a worker's return helps, and that shows by itself.
        if self.avoided > 0 {
            self.agenda.put(self.in_time(LOOK), Due::Stranded { attempt });
        }
    }

    /// A new epoch: what is in flight is recalled, stages load what they don't hold.
    pub(super) fn deploy(&mut self, plan: Plan) {
        self.epoch += 1;
        self.unplannable = None;
        self.requests.recall();
        let inside = |parcel: &super::network::Parcel, _: usize, _: usize| {
            matches!(parcel.to, Place::Stage(_) | Place::Collector)
        };
        self.network.purge(inside, self.now, &mut self.agenda);
        let (epoch, reason) = (self.epoch, std::mem::take(&mut self.reasons).join("; "));
        self.tell(Event::Planned { epoch, reason, plan: plan.clone(), took: self.setup.overheads.plan });
        let (dispatcher, now) = (self.setup.cluster.dispatcher, self.now);
        self.chains = Chains::of(&plan, self.setup.window, dispatcher);
        let network = &mut self.network;
        let lines = |nodes: &[usize]| nodes.windows(2).map(|pair| network.line(pair[0], pair[1], now)).collect();
        self.lines = self.chains.routes().map(lines).collect();
        for (node, worker) in self.workers.iter_mut().enumerate() {
            worker.serves = worker.alive && plan.stages.iter().any(|stage| stage.node == node);
            if !worker.serves {
                worker.segment = None;
            }
        }
        (self.benches, self.plan, self.phase) = (benches(&plan), plan, Phase::Deploying);
        let took = self.time_to_deploy();
        (self.deployed_at, self.planned_at) = (self.in_time(took), self.now);
        self.agenda.put(self.deployed_at, Due::Deployed { epoch });
        self.watch_anew();
    }

    /// Until the last stage has its orders and its segment, is connected to the next and has said so.
    pub(super) fn time_to_deploy(&mut self) -> Duration {
        let dispatcher = self.setup.cluster.dispatcher;
        self.loading.clear();
        let mut longest = Duration::ZERO;
        for stage in 0..self.plan.stages.len() {
            let (node, segment) = (self.plan.stages[stage].node, self.plan.stages[stage].segment);
            let mut time = self.network.delay(dispatcher, node) + self.network.delay(node, dispatcher);
            if self.workers[node].segment != Some(segment) {
                self.loading.push(node);
                let pieces = &self.setup.profile.pieces[segment.pieces()];
                let weights: crate::units::ByteSize = pieces.iter().map(|piece| piece.parameters).sum();
                time += self.setup.overheads.load + self.setup.overheads.load_per_mib.mul_f64(weights.mib());
                if self.setup.ship {
                    let path = self.setup.cluster.path(dispatcher, node);
                    time += path.map_or(Duration::ZERO, |path| path.occupancy(wire_size(weights)));
                }
            }
            longest = longest.max(time);
        }
        // The connections to the next stages are made side by side.
        let pairs = self.chains.routes().flat_map(|nodes| nodes.windows(2).map(|pair| (pair[0], pair[1])));
        let there = pairs.map(|(from, to)| self.network.delay(from, to) + self.network.delay(to, from));
        longest + there.max().unwrap_or_default()
    }

    /// Every stage can have loaded: requests flow, if all could.
    pub(super) fn deployed(&mut self, epoch: u32) {
        if epoch != self.epoch || !matches!(self.phase, Phase::Deploying) {
            return;
        }
        let dispatcher = self.setup.cluster.dispatcher;
        let mut ready = self.broken.is_empty();
        for stage in 0..self.plan.stages.len() {
            let node = self.plan.stages[stage].node;
            let runs = self.workers[node].serves && !self.workers[node].asleep;
            ready &= runs && self.network.reaches(node, dispatcher) && self.network.reaches(dispatcher, node);
        }
        if !ready {
            // Until it can, or until somebody notices that it can't.
            return self.agenda.put(self.in_time(LOOK), Due::Deployed { epoch });
        }
        for stage in &self.plan.stages {
            self.workers[stage.node].segment = Some(stage.segment);
        }
        let (loaded, took) = (std::mem::take(&mut self.loading), self.now - self.planned_at);
        self.phase = Phase::Serving;
        self.tell(Event::Deployed { epoch, loaded, took });
        self.chains.open();
        self.feed();
    }

    pub(super) fn name(&self, node: usize) -> String {
        self.setup.cluster.nodes.get(node).map_or_else(|| node.to_string(), |device| device.name.clone())
    }
}
