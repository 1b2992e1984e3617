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

/// What a request takes at each stage.
pub const COMPUTE: Duration = Duration::from_millis(10);

type Pairs = BTreeSet<(usize, usize)>;

impl World {
    /// One to three chains over nodes that are free, avoiding severed pairs. A chain after the first is either of other
    /// nodes, or like one before it but for one stage: all others are shared.
    pub fn draw_plan(&mut self, question: &Question) -> Result<Plan, PlanError> {
        let Question { excluded, severed, lessons, .. } = question;
        let mut free: BTreeSet<usize> = (1..NODES).filter(|node| !excluded.contains(node)).collect();
        let fits = |node: usize, stage: usize| lessons.memory.get(&node).is_none_or(|memory| need(stage) <= *memory);
        let mut chains: Vec<Vec<usize>> = Vec::new();
        for _ in 0..1 + self.choose(3) {
            let chain = match self.choose(2) {
                0 if !chains.is_empty() => self.draw_variant(&chains, &free, severed, fits),
                _ => self.draw_chain(&free, severed, fits),
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
        let question = self.core.question();
        if let Ok(plan) = self.draw_plan(&question) {
            self.core.prepare_plan(plan, "another is better".to_owned(), wait);
        }
    }

    /// What would be in force without each node of the plan: any plan without it, of which some lies ready, or none.
    pub fn answer_rehearsal(&mut self) -> bool {
        let Some(question) = self.rehearsal.take() else { return false };
        let mut rehearsal = Rehearsal::default();
        for stage in question.current.iter().flat_map(|plan| &plan.stages) {
            let excluded = question.excluded.iter().copied().chain([stage.node]).collect();
            let without = Question { excluded, ..question.clone() };
            let Ok(plan) = self.draw_plan(&without) else { continue };
            rehearsal.ready.extend(plan.stages.iter().map(|stage| (stage.node, stage.segment)));
            rehearsal.without.push((stage.node, plan));
        }
        let kept = self.choose(rehearsal.ready.len() + 1);
        rehearsal.ready.truncate(kept);
        self.input(Input::Rehearsed { attempt: question.attempt, rehearsal });
        true
    }

    /// Two or three nodes.
    fn draw_chain(
        &mut self,
        free: &BTreeSet<usize>,
        severed: &Pairs,
        fits: impl Fn(usize, usize) -> bool,
    ) -> Option<Vec<usize>> {
        let (start, length) = (self.choose(NODES), 2 + self.choose(2));
        (0..NODES).find_map(|offset| chain_from((start + offset) % NODES, length, free, severed, &fits))
    }

    fn draw_variant(
        &mut self,
        chains: &[Vec<usize>],
        free: &BTreeSet<usize>,
        severed: &Pairs,
        fits: impl Fn(usize, usize) -> bool,
    ) -> Option<Vec<usize>> {
        let mut chain = chains[self.choose(chains.len())].clone();
        let stage = self.choose(chain.len());
        chain[stage] = *free.iter().nth(self.choose(free.len()))?;
        let around = [&[DISPATCHER], chain.as_slice(), &[DISPATCHER]].concat();
        let open = around.windows(2).all(|pair| !severed.contains(&(pair[0], pair[1])));
        (open && fits(chain[stage], stage)).then_some(chain)
    }
}

/// So many nodes one after the other, if there are two at least.
fn chain_from(
    start: usize,
    length: usize,
    free: &BTreeSet<usize>,
    severed: &Pairs,
    fits: impl Fn(usize, usize) -> bool,
) -> Option<Vec<usize>> {
    let mut chain = vec![DISPATCHER];
    for node in (0..NODES).map(|offset| (start + offset) % NODES).filter(|node| free.contains(node)) {
        let open = !severed.contains(&(chain[chain.len() - 1], node));
        if chain.len() <= length && open && fits(node, chain.len() - 1) {
            chain.push(node);
        }
    }
    while chain.len() > 1 && severed.contains(&(chain[chain.len() - 1], DISPATCHER)) {
        chain.pop();
    }
    chain.remove(0);
    (chain.len() >= 2).then_some(chain)
}

/// What the segment of a chain's so-manieth stage needs.
pub fn need(stage: usize) -> ByteSize {
    ByteSize::from_mib(10 * (stage as u64 + 1))
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
                let (memory, compute, receive) = (need(index), COMPUTE, Duration::ZERO);
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
