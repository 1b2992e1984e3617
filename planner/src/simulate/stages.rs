//! Nodes that compute: one request after the other, in the order in which they arrived.

use std::collections::VecDeque;
use std::time::Duration;

use super::Simulation;
use super::agenda::Due;
use super::network::{Parcel, Place, Work};
use crate::plan::{Plan, Stage};

/// A stage of the plan in force.
#[derive(Debug, Default)]
pub(super) struct Bench {
    /// Arrived, each with its instant.
    waiting: VecDeque<(Parcel, Duration)>,
    busy: Option<(Parcel, Work)>,
    /// Computing ended while the process stood still.
    overdue: bool,
}

/// The benches of a plan's stages.
pub(super) fn benches(plan: &Plan) -> Vec<Bench> {
    plan.stages.iter().map(|_| Bench::default()).collect()
}

impl Simulation<'_> {
    /// A tensor has arrived at a stage.
    pub(super) fn receive(&mut self, parcel: Parcel, place: u16) {
        let Some(stage) = self.stage_at(&parcel, place) else { return };
        if parcel.epoch != self.epoch || !self.workers[self.plan.stages[stage].node].serves {
            return;
        }
        self.benches[stage].waiting.push_back((parcel, self.now));
        self.compute(stage);
    }

    fn stage_at(&self, parcel: &Parcel, place: u16) -> Option<usize> {
        self.plan.chains.get(usize::from(parcel.chain))?.stages.get(usize::from(place)).copied()
    }

    /// Begins with the next request, if there is one and the node is free.
    fn compute(&mut self, stage: usize) {
        let asleep = self.workers[self.plan.stages[stage].node].asleep;
        let bench = &mut self.benches[stage];
        if bench.busy.is_some() || asleep {
            return;
        }
        let Some((parcel, received)) = bench.waiting.pop_front() else { return };
        let work = Work { stage, received, started: self.now, finished: self.now };
        bench.busy = Some((parcel, work));
        let &Stage { compute, node, .. } = &self.plan.stages[stage];
        let stretched = Duration::try_from_secs_f64(compute.as_secs_f64() * self.workers[node].pace).unwrap_or(compute);
        let due = self.in_time(stretched);
        self.agenda.put(due, Due::Computed { epoch: self.epoch, stage });
    }

    /// A stage is done with what it computes.
    pub(super) fn computed(&mut self, epoch: u32, stage: usize) {
        if epoch != self.epoch {
            return;
        }
        if self.workers[self.plan.stages[stage].node].asleep {
            self.benches[stage].overdue = true;
            return;
        }
        let Some((parcel, work)) = self.benches[stage].busy.take() else { return };
        let way = &self.plan.chains[usize::from(parcel.chain)].stages;
        let Some(place) = way.iter().position(|other| *other == stage) else { return };
        let to = if place + 1 == way.len() { Place::Collector } else { Place::Stage(place as u16 + 1) };
        let line = self.lines[usize::from(parcel.chain)][place + 1];
        let cut = self.plan.stages[stage].segment.to;
        let fresh = self.parcel(parcel.request, epoch, parcel.chain, to, cut);
        let output = Parcel { work: Some(Work { finished: self.now, ..work }), ..fresh };
        self.network.send(line, output, self.now, &mut self.agenda);
        self.compute(stage);
    }

    /// A node's process has ended: what it held is gone.
    pub(super) fn forget(&mut self, node: usize) {
        for stage in (0..self.plan.stages.len()).filter(|stage| self.plan.stages[*stage].node == node) {
            self.benches[stage] = Bench::default();
        }
        let client = self.setup.cluster.client;
        let held = |_: &Parcel, from: usize, to: usize| from == node || (to == node && from != client);
        self.network.purge(held, self.now, &mut self.agenda);
    }

    /// A node's process goes on.
    pub(super) fn wake(&mut self, node: usize) {
        for stage in 0..self.plan.stages.len() {
            if self.plan.stages[stage].node == node {
                if std::mem::take(&mut self.benches[stage].overdue) {
                    self.computed(self.epoch, stage);
                }
                self.compute(stage);
            }
        }
    }
}
