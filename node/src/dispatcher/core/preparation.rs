//! Segments that are loaded before a plan needs them, while the plan in force serves.
//!
//! [`Core::wanted`] says which and where. From it follows, whenever requests flow, what each worker is asked: it is one message that
//! names everything the worker is to hold beside its stage, so nothing is left of what was wanted before. A segment that is
//! assigned to a worker which has it ready has nothing to load.
//!
//! # A plan that is to come
//! [`Core::prepare_plan`] has all that a plan needs loaded first, and then puts it into force: when every stage has its segment
//! ready, or can't have it, or after a time. Whatever needs another plan in the meantime (a loss, say) comes before it, and it is
//! forgotten.

use std::time::Duration;

use planner::plan::Plan;
use planner::profile::Segment;

use super::exchange::Output;
use super::{Core, Phase};
use crate::clock::Instant;
use crate::wire::message::{ToWorker, Wanted};

/// Segments that are loaded at the same time for a plan that may come: what is loaded takes time from what serves, where they
/// share a machine.
const AT_ONCE: usize = 1;

/// A plan whose segments are being loaded.
#[derive(Debug)]
pub struct Next {
    plan: Plan,
    reason: String,
    /// It is put into force then, whatever is not ready.
    until: Instant,
}

impl Core {
    /// Has the segments loaded that `plan` needs, and puts it into force when that is done, or after `wait`. What other workers
    /// hold ready stays.
    pub(super) fn prepare_plan(&mut self, plan: Plan, reason: String, wait: Duration) {
        let stages: Vec<(usize, Segment)> = plan.stages.iter().map(|stage| (stage.node, stage.segment)).collect();
        self.workers.iter_mut().for_each(|worker| worker.ready.forgive());
        self.wanted.retain(|(node, _)| stages.iter().all(|(other, _)| other != node));
        self.wanted.splice(..0, stages);
        self.next = Some(Next { plan, reason, until: self.now + wait });
    }

    /// Says what is to be prepared, and puts the next plan into force when it is.
    pub(super) fn prepare(&mut self) {
        if !matches!(self.phase, Phase::Serving) {
            return;
        }
        self.enter_next();
        if !matches!(self.phase, Phase::Serving) {
            return;
        }
        self.give_up_unwanted();
        let at_once = if self.next.is_some() { usize::MAX } else { AT_ONCE };
        let mut loading = self.workers.iter().filter(|worker| worker.ready.is_loading(self.now)).count();
        for (node, segment) in self.wanted.clone() {
            if loading >= at_once {
                break;
            }
            let Some(worker) = self.worker(node).filter(|worker| worker.is_up()) else { continue };
            let asked = worker.ready.asked().contains(&segment) || worker.ready.has_refused(segment);
            if asked || worker.holds(segment) {
                continue;
            }
            let segments = [worker.ready.asked(), &[segment]].concat();
            self.ask(node, segments, Some(segment));
            loading += 1;
        }
    }

    /// Has workers drop what is not wanted any more.
    fn give_up_unwanted(&mut self) {
        for index in 0..self.workers.len() {
            let worker = &self.workers[index];
            let wanted = |segment: &Segment| self.wanted.contains(&(worker.node, *segment));
            let left: Vec<Segment> = worker.ready.asked().iter().copied().filter(wanted).collect();
            if left.len() < worker.ready.asked().len() {
                self.ask(worker.node, left, None);
            }
        }
    }

    fn ask(&mut self, node: usize, segments: Vec<Segment>, ship: Option<Segment>) {
        let now = self.now;
        let Some(worker) = self.worker(node) else { return };
        let Some(session) = worker.up_session() else { return };
        let order = worker.ready.ask(segments.clone(), now);
        let segments = segments.into_iter().map(|segment| Wanted { segment, file: None }).collect();
        let message = ToWorker::Prepare { order, segments };
        self.outputs.push(Output::Tell { node, session, message, ship });
    }

    pub(super) fn prepared(&mut self, node: usize, order: u64, segment: Segment, outcome: Result<(), String>) {
        let name = self.name(node);
        let Some(worker) = self.worker(node) else { return };
        if worker.ready.answered(order, segment, outcome.is_ok())
            && let Err(reason) = outcome
        {
            tracing::info!(node = name, ?segment, reason, "a segment can't be held ready");
        }
    }

    /// The plan that is to come.
    pub(super) fn next_plan(&self) -> Option<&Plan> {
        self.next.as_ref().map(|next| &next.plan)
    }

    /// Puts the next plan into force if nothing is to be waited for any more.
    fn enter_next(&mut self) {
        let Some(next) = &self.next else { return };
        let settled = |node: usize, segment: Segment| {
            let worker = self.workers.iter().find(|worker| worker.node == node);
            worker.is_some_and(|worker| worker.holds(segment) || worker.ready.has_refused(segment))
        };
        let due = self.now >= next.until || next.plan.stages.iter().all(|stage| settled(stage.node, stage.segment));
        // A worker of it that is gone says nothing any more; its plan is of no use then.
        let possible = self.can_be_held(&next.plan);
        if (due || !possible)
            && let Some(Next { plan, reason, .. }) = self.next.take()
            && possible
        {
            self.pending_reasons.push(reason);
            self.enter(plan, Duration::ZERO, false);
        }
    }
}
