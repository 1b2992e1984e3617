//! The simulated planner: any plan there may be.

use std::collections::BTreeSet;
use std::time::Duration;

use planner::plan::{Chain, Limit, Plan, Prediction, Stage};
use planner::profile::Segment;
use planner::strategy::{PlanError, Rehearsal};
use planner::units::ByteSize;

use super::super::Phase;
use super::super::exchange::{Input, Question};
use super::world::{DISPATCHER, NODES, World};

type Pairs = BTreeSet<(usize, usize)>;

impl World {
    /// One to three chains over nodes that are free, avoiding severed pairs. A chain after the first is either of other
    /// nodes, or like one before it but for one stage: all others are shared.
    pub fn draw_plan(&mut self, excluded: &BTreeSet<usize>, severed: &Pairs) -> Result<Plan, PlanError> {
        let mut free: BTreeSet<usize> = (1..NODES).filter(|node| !excluded.contains(node)).collect();
        let mut chains: Vec<Vec<usize>> = Vec::new();
        for _ in 0..1 + self.choose(3) {
            let chain = match self.choose(2) {
                0 if !chains.is_empty() => self.draw_variant(&chains, &free, severed),
                _ => self.draw_chain(&free, severed),
            };
            let Some(chain) = chain else { break };
            chain.iter().for_each(|node| _ = free.remove(node));
            chains.push(chain);
        }
        plan(&chains).ok_or(PlanError::NoWorker)
    }

    /// While requests flow, another plan is found to be better.
    pub fn plan_ahead(&mut self, wait: Duration) {
        if !matches!(self.core.phase, Phase::Serving) {
            return;
        }
        let down = self.core.workers.iter().filter(|worker| !worker.is_up()).map(|worker| worker.node).collect();
        let severed = self.core.severed.active(self.core.now);
        if let Ok(plan) = self.draw_plan(&down, &severed) {
            self.core.prepare_plan(plan, "another is better".to_owned(), wait);
        }
    }

    /// What would be in force without each node of the plan: any plan without it, of which some lies ready, or none.
    pub fn answer_rehearsal(&mut self) -> bool {
        let Some(Question { attempt, excluded, severed, current, .. }) = self.rehearsal.take() else { return false };
        let mut rehearsal = Rehearsal::default();
        for stage in current.iter().flat_map(|plan| &plan.stages) {
            let without = excluded.iter().copied().chain([stage.node]).collect();
            let Ok(plan) = self.draw_plan(&without, &severed) else { continue };
            rehearsal.ready.extend(plan.stages.iter().map(|stage| (stage.node, stage.segment)));
            rehearsal.without.push((stage.node, plan));
        }
        let kept = self.choose(rehearsal.ready.len() + 1);
        rehearsal.ready.truncate(kept);
        self.input(Input::Rehearsed { attempt, rehearsal });
        true
    }

    /// Two or three nodes.
    fn draw_chain(&mut self, free: &BTreeSet<usize>, severed: &Pairs) -> Option<Vec<usize>> {
        let mut chain = vec![DISPATCHER];
        let (start, length) = (self.choose(NODES), 2 + self.choose(2));
        for node in (0..NODES).map(|offset| (start + offset) % NODES).filter(|node| free.contains(node)) {
            if chain.len() <= length && !severed.contains(&(chain[chain.len() - 1], node)) {
                chain.push(node);
            }
        }
        while chain.len() > 1 && severed.contains(&(chain[chain.len() - 1], DISPATCHER)) {
            chain.pop();
        }
        chain.remove(0);
        (chain.len() >= 2).then_some(chain)
    }

    fn draw_variant(&mut self, chains: &[Vec<usize>], free: &BTreeSet<usize>, severed: &Pairs) -> Option<Vec<usize>> {
        let mut chain = chains[self.choose(chains.len())].clone();
        let stage = self.choose(chain.len());
        chain[stage] = *free.iter().nth(self.choose(free.len()))?;
        let around = [&[DISPATCHER], chain.as_slice(), &[DISPATCHER]].concat();
        let open = around.windows(2).all(|pair| !severed.contains(&(pair[0], pair[1])));
        open.then_some(chain)
    }
}

/// The plan of these chains; none if there are none.
pub fn plan(chains: &[Vec<usize>]) -> Option<Plan> {
    let mut stages: Vec<Stage> = Vec::new();
    let mut ways = Vec::new();
    for nodes in chains {
        let mut way = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            let segment = Segment { from: index, to: index + 1 };
            let known = stages.iter().position(|stage| stage.node == *node);
            way.push(known.unwrap_or(stages.len()));
            if known.is_none() {
                let (memory, compute, receive) = (ByteSize::ZERO, Duration::ZERO, Duration::ZERO);
                stages.push(Stage { node: *node, segment, memory, compute, receive });
            }
        }
        ways.push(Chain { stages: way, share: 1.0 / chains.len() as f64 });
    }
    let limit = Limit::Compute { node: stages.first()?.node };
    let bottleneck = Duration::from_millis(10);
    let prediction = Prediction { bottleneck, limit, latency: bottleneck, joules: 0.0 };
    Some(Plan { stages, chains: ways, prediction, proof: None })
}
