//! Is there a plan whose bottleneck is at most so long? Each stage is extended as far as memory, time
//! and the next transfer allow; where that leads nowhere, a bounded number of other ways is tried.

use super::{Chain, Instance, Stop};
use crate::profile::Segment;

/// Stages that must stay where they are: `pins[cut]` is the node (by its number in the instance) that
/// holds the segment beginning at `cut`, and where that segment ends.
pub(super) type Pins = Vec<Option<(usize, usize)>>;

pub(super) struct Search<'a> {
    instance: &'a Instance,
    pins: &'a Pins,
    /// For each cut, the first pinned segment's beginning at or behind it, or the end.
    limit: Vec<usize>,
    /// Nothing may take longer.
    bottleneck: f64,
    /// Nodes that neither are pinned nor hold a stage yet.
    free: Vec<bool>,
    stages: Vec<(usize, Segment)>,
    /// Stages that may still be tried before giving up.
    budget: usize,
    /// When even that is too long.
    stop: Stop<'a>,
}

/// A way to go on: this node, up to this cut.
struct Step {
    /// Not the furthest cut, but the one behind which the least is sent.
    short: bool,
    to: usize,
    receive: f64,
    node: usize,
}

impl<'a> Search<'a> {
    pub fn new(instance: &'a Instance, pins: &'a Pins, bottleneck: f64, stop: Stop<'a>) -> Search<'a> {
        let mut limit = vec![instance.end; instance.end + 1];
        for cut in (0..instance.end).rev() {
            limit[cut] = if pins[cut].is_some() { cut } else { limit[cut + 1] };
        }
        let mut free = vec![true; instance.nodes.len()];
        for (node, _) in pins.iter().flatten() {
            free[*node] = false;
        }
        // Plans are costed in whole nanoseconds, rounded down, and must not fail by that.
        // However long it may take, it may not take for ever.
        let bottleneck = (bottleneck * (1.0 + 1e-9) + 2e-9).min(f64::MAX);
        Search { instance, pins, limit, bottleneck, free, stages: Vec::new(), budget: 0, stop }
    }

    /// Calls `found` with a placement for each node that the first stage can be on, if there is one,
    /// trying at most `budget` stages for each, until `found` says that it has enough.
    pub fn search_each_start(&mut self, budget: usize, mut found: impl FnMut(Chain) -> bool) {
        for first in self.steps(0, self.instance.dispatcher()) {
            if (self.stop)() {
                return;
            }
            self.budget = budget;
            self.stages.clear();
            if self.take(&first, 0) && found(self.chain()) {
                return;
            }
        }
    }

    fn chain(&mut self) -> Chain {
        let stages: Vec<_> = self.stages.drain(..).collect();
        for (node, segment) in &stages {
            self.free[*node] = self.pins[segment.from].is_none();
        }
        stages
    }

    fn extend(&mut self, cut: usize, before: usize) -> bool {
        cut == self.instance.end || self.steps(cut, before).iter().any(|step| self.take(step, cut))
    }

    fn take(&mut self, step: &Step, cut: usize) -> bool {
        // In a large cluster a single step takes a while.
        if self.budget == 0 || (!self.stages.is_empty() && (self.stop)()) {
            return false;
        }
        self.budget -= 1;
        let was_free = std::mem::replace(&mut self.free[step.node], false);
        self.stages.push((step.node, Segment { from: cut, to: step.to }));
        if self.extend(step.to, step.node) {
            return true;
        }
        self.stages.pop();
        self.free[step.node] = was_free;
        false
    }

    /// The ways to go on from `cut`, whose tensor is at `before`; the most promising first.
    fn steps(&self, cut: usize, before: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        if let Some((node, to)) = self.pins[cut] {
            let (receive, segment) = (self.instance.transfer(before, node, cut), Segment { from: cut, to });
            let possible = receive.max(self.instance.compute(node, segment)) <= self.bottleneck;
            // Whether its output can go on shows one step later, unless it is the last.
            if possible && (to < self.instance.end || self.leaving(node)(to)) {
                steps.push(Step { short: false, to, receive, node });
            }
            return steps;
        }
        for node in (0..self.free.len()).filter(|node| self.free[*node]) {
            let receive = self.instance.transfer(before, node, cut);
            if receive > self.bottleneck {
                continue;
            }
            let reach = self.instance.reach(node, cut, self.bottleneck).min(self.limit[cut]);
            let can_leave = self.leaving(node);
            let Some(furthest) = (cut + 1..=reach).rev().find(|to| can_leave(*to)) else { continue };
            steps.push(Step { short: false, to: furthest, receive, node });
            let leave = |to: &usize| self.instance.wire_bits(*to);
            let lightest = (cut + 1..furthest).rev().min_by(|a, b| leave(a).total_cmp(&leave(b)));
            if let Some(to) = lightest.filter(|to| leave(to) < leave(&furthest) && can_leave(*to)) {
                steps.push(Step { short: true, to, receive, node });
            }
        }
        steps.sort_by(|a, b| {
            let key = |step: &Step| (step.short, std::cmp::Reverse(step.to));
            key(a).cmp(&key(b)).then(a.receive.total_cmp(&b.receive)).then(a.node.cmp(&b.node))
        });
        steps
    }

    /// Whether the tensor at each cut that is asked for can go on from `node` in time to some node that may take it.
    fn leaving(&self, node: usize) -> impl Fn(usize) -> bool + '_ {
        let free = (0..self.free.len()).filter(move |next| *next != node && self.free[*next]);
        let onward = self.instance.best_transfer(node, free);
        move |cut| {
            let onward = if cut == self.instance.end {
                self.instance.transfer(node, self.instance.dispatcher(), cut)
            } else if let Some((next, _)) = self.pins[cut] {
                self.instance.transfer(node, next, cut)
            } else {
                onward(cut)
            };
            onward <= self.bottleneck
        }
    }
}
