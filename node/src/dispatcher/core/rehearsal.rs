//! What follows the loss of a node, known beforehand.
//!
//! When requests have flowed for a heartbeat and nothing has changed since (the plan, who is up, which paths are avoided), the
//! planner is asked in the background what would be in force without each node of the plan. Its answers say which segments lie ready
//! where, and are kept. If one node of that plan is lost and its answer can still be held, it is entered without a search; whoever
//! came or went besides only makes it less than the best. Everything else is planned as ever, with what lies ready in mind.

use std::collections::BTreeSet;

use planner::plan::Plan;
use planner::strategy::Rehearsal;

use super::exchange::Output;
use super::learned::Lessons;
use super::{Core, Phase};
use crate::clock::Instant;

type Pairs = BTreeSet<(usize, usize)>;

/// What the planner's answers assume: the epoch, who is up, which pairs are avoided, and what has been learned.
type Assumed = (u32, BTreeSet<usize>, Pairs, Lessons);

/// What was asked, and what is known.
#[derive(Debug, Default)]
pub struct Rehearsals {
    /// What is assumed at present, and since when.
    present: Option<(Assumed, Instant)>,
    /// The number of the newest question, and what it assumes.
    asked: Option<(u64, Assumed)>,
    /// For the plan of this epoch: what follows the loss of each node.
    epoch: u32,
    without: Vec<(usize, Plan)>,
    /// What they were made on.
    lessons: Lessons,
}

impl Rehearsals {
    /// The plans that may follow.
    pub fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.without.iter().map(|(_, plan)| plan)
    }
}

impl Core {
    /// Asks for a rehearsal if the last one assumed something else, and that for a heartbeat.
    pub(super) fn rehearse(&mut self) {
        if self.settings.spares.most() == 0 || self.next.is_some() || !matches!(self.phase, Phase::Serving) {
            return;
        }
        let up = self.workers.iter().filter(|worker| worker.is_up()).map(|worker| worker.node).collect();
        let assumed = (self.epoch, up, self.severed.active(self.now), self.learned.lessons(self.now));
        match &self.rehearsals.present {
            Some((present, since)) if *present == assumed => {
                let asked = self.rehearsals.asked.as_ref().is_some_and(|(_, asked)| *asked == assumed);
                if asked || self.now.since(*since) < self.settings.heartbeat {
                    return;
                }
            }
            _ => {
                self.rehearsals.present = Some((assumed, self.now));
                return;
            }
        }
        let question = self.question();
        self.rehearsals.asked = Some((question.attempt, assumed));
        self.outputs.push(Output::Rehearse(question));
    }

    pub(super) fn rehearsed(&mut self, attempt: u64, rehearsal: Rehearsal) {
        let Some((_, (epoch, .., lessons))) = self.rehearsals.asked.as_ref().filter(|(asked, _)| *asked == attempt)
        else {
            return;
        };
        if *epoch != self.epoch || self.next.is_some() {
            return;
        }
        self.rehearsals.lessons = lessons.clone();
        (self.rehearsals.epoch, self.rehearsals.without) = (*epoch, rehearsal.without);
        self.wanted = rehearsal.ready;
        self.workers.iter_mut().for_each(|worker| worker.ready.forgive());
    }

    /// The plan that follows what has happened to the one in force, if that was rehearsed and can be held, and what it
    /// was made on.
    pub(super) fn rehearsed_plan(&self) -> Option<(Plan, Lessons)> {
        if !matches!(self.phase, Phase::Deploying { .. } | Phase::Serving) || self.rehearsals.epoch != self.epoch {
            return None;
        }
        let up = |node: usize| self.workers.iter().any(|worker| worker.node == node && worker.is_up());
        let stages = &self.plan.as_ref()?.stages;
        let mut lost = stages.iter().map(|stage| stage.node).filter(|node| !up(*node));
        let (Some(node), None) = (lost.next(), lost.next()) else { return None };
        let (_, plan) = self.rehearsals.without.iter().find(|(without, _)| *without == node)?;
        let severed = self.severed.active(self.now);
        let memory = self.learned.lessons(self.now).memory;
        let fits = plan.stages.iter().all(|stage| memory.get(&stage.node).is_none_or(|most| stage.memory <= *most));
        let possible = fits && self.can_be_held(plan) && !self.uses(plan, &severed);
        possible.then(|| (plan.clone(), self.rehearsals.lessons.clone()))
    }

    /// Whether a plan has nodes speak to each other, one way or the other, that are `severed`.
    fn uses(&self, plan: &Plan, severed: &Pairs) -> bool {
        let dispatcher = self.settings.dispatcher;
        plan.chains.iter().any(|chain| {
            let stages = plan.chain(chain).into_iter().map(|(node, _)| node);
            let nodes: Vec<usize> = [dispatcher].into_iter().chain(stages).chain([dispatcher]).collect();
            nodes.windows(2).any(|pair| severed.contains(&(pair[0], pair[1])) || severed.contains(&(pair[1], pair[0])))
        })
    }
}
