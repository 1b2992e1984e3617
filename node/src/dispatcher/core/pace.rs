//! Which nodes are slow: what heartbeats tell of the stages in force is judged by [`planner::pace`], and what comes of it is
//! learned. A slow node is a reason to ask for a better plan, never to stop the one in force.

use super::learned::WELL;
use super::{Core, Phase};
use crate::telemetry::Event;
use crate::wire::message::Work;

impl Core {
    /// A node tells how much it has computed.
    pub(super) fn worked(&mut self, node: usize, work: Work) {
        let measures = matches!(self.phase, Phase::Serving | Phase::Planning { wish: true, .. });
        if work.epoch != self.epoch || !measures {
            return;
        }
        let now = self.now;
        let Some(judged) = self.paces.told(node, work.requests, work.computed, now.since_boot()) else { return };
        self.learned.measured(node, judged.times, judged.slower, now);
        let name = self.name(node);
        if judged.times > WELL {
            self.report(Event::Slow { node: name.clone(), factor: judged.times });
            self.wishes.push(format!("{name} computes {:.1} times slower than its device should", judged.times));
        } else {
            self.report(Event::Trusted { node: name.clone(), measured: true });
            self.wishes.push(format!("{name} computes as fast as it should again"));
        }
    }

    /// Nodes that were slow when they were last measured get another chance, after a while.
    pub(super) fn try_again(&mut self) {
        let plan = self.plan.as_ref();
        let has_stage = |node| plan.is_some_and(|plan| plan.stages.iter().any(|stage| stage.node == node));
        for node in self.learned.on_probation(self.now, has_stage) {
            let name = self.name(node);
            self.report(Event::Trusted { node: name.clone(), measured: false });
            self.wishes.push(format!("{name}, which was slow, is tried again"));
        }
    }
}
