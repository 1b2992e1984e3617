//! What nodes say: of that, what the loop itself needs to know, and what a person wants to see at once.

use node::clock::Instant;
use node::telemetry::{Detection, Event};

use super::Watch;

impl Watch<'_> {
    /// What the loop itself needs to know of what nodes say, and what a person wants to see at once.
    pub(super) fn follow(&mut self, node: usize, event: &Event, at: Instant) {
        match event {
            Event::Ready => self.ready[node] = true,
            Event::Drained { .. } => _ = self.drained.insert(node),
            Event::Checked { passed, said } => {
                let (name, what) = (&self.scenario.nodes[node].name, if *passed { "holds" } else { "failed" });
                self.tell(at, &format!("the check of {name} {what}: {said}"));
            }
            Event::Unplannable { reason } => {
                self.tell(at, &format!("no plan is possible: {reason}"));
                self.unplannable = Some(reason.clone());
            }
            Event::NodeSuspected { node, by } => {
                let by = match by {
                    Detection::Connection => "its connection broke",
                    Detection::Heartbeat => "its heartbeats stopped",
                    Detection::Refused => "it can't hold its segment",
                };
                self.tell(at, &format!("dispatcher suspects {node}: {by}"));
            }
            Event::Resumed { open, answered, .. } => {
                self.tell(at, &format!("dispatcher resumes with {open} requests to run and {answered} to answer"));
            }
            Event::JournalFailed { reason } => self.tell(at, &format!("dispatcher can't write its journal: {reason}")),
            Event::SegmentUnreadable { .. } => {
                let name = &self.scenario.nodes[node].name;
                self.tell(at, &format!("{name} can't read its part of the model, and asks the dispatcher for it"));
            }
            Event::JournalRestored => self.tell(at, "dispatcher writes its journal again"),
            Event::PathSuspected { from, to } => self.tell(at, &format!("dispatcher suspects the path {from} to {to}")),
            Event::StageRefused { node, reason, .. } => self.tell(at, &format!("{node} refuses its stage: {reason}")),
            Event::Slow { node, factor } => {
                self.tell(at, &format!("dispatcher finds {node} {factor:.1} times slower than it should be"));
            }
            Event::Trusted { node, measured } => {
                let how = if *measured { "is as fast as it should be again" } else { "gets another chance to be fast" };
                self.tell(at, &format!("{node} {how}"));
            }
            Event::PlanKept { epoch, .. } => {
                self.tell(at, &format!("plan {epoch} stays in force: no other is much better"));
            }
            Event::Rejoined { node } => self.tell(at, &format!("{node} is back")),
            Event::Deployed { epoch, took, .. } if self.load_began.is_some() => {
                let took = took.as_secs_f64() * 1e3;
                self.tell(at, &format!("plan {epoch} is in force, deployed in {took:.0} ms"));
            }
            _ => {}
        }
    }
}
