//! The core against a simulated cluster: plans have one chain or several, with and without stages in common;
//! workers crash, restart and pause, paths break, results arrive late, twice and out of order, messages are repeated,
//! the client comes and goes, the disk fails. Nodes have less memory than they should, and say so or die of it; they, or all of
//! them, become slow. The dispatcher itself is stopped for a while, or ends and resumes from
//! what its journal had written. In every second world answers must come in order.

mod learning;
mod memory;
mod plans;
mod world;

use std::time::Duration;

use proptest::prelude::*;

use self::world::{DISPATCHER, NODES, World};
use super::Phase;
use super::exchange::Input;
use bytes::Bytes;
use planner::profile::Segment;
use planner::strategy::{Rehearsal, Spares};
use planner::units::ByteSize;

/// What may happen next; the numbers choose among what is there.
#[derive(Debug, Clone, Copy)]
enum Step {
    Pass { millis: u64 },
    Pump { count: u8 },
    Request,
    Crash { node: usize, silent: bool },
    Restart { node: usize },
    Pause { node: usize },
    Resume { node: usize },
    Break { from: usize, to: usize },
    Mend { from: usize, to: usize },
    Duplicate,
    Forge { epoch: u32, chain: u16, request: u64 },
    ClientLeaves,
    ClientReturns,
    DispatcherStops { millis: u64 },
    RefuseNext { node: usize },
    PlanAhead { millis: u64 },
    RefuseToPrepare { node: usize },
    DispatcherCrashes,
    DiskFails,
    DiskWorks,
    Repeat,
    Limit { node: usize, limit: u64, overcommits: bool },
    Slow { node: usize, times: f64 },
    Load { times: f64 },
}

fn steps() -> impl Strategy<Value = Step> {
    let node = 1..NODES;
    prop_oneof![
        6 => (1u64..400).prop_map(|millis| Step::Pass { millis }),
        10 => (1u8..30).prop_map(|count| Step::Pump { count }),
        8 => Just(Step::Request),
        1 => (node.clone(), any::<bool>()).prop_map(|(node, silent)| Step::Crash { node, silent }),
        2 => node.clone().prop_map(|node| Step::Restart { node }),
        1 => node.clone().prop_map(|node| Step::Pause { node }),
        2 => node.clone().prop_map(|node| Step::Resume { node }),
        1 => (0..NODES, 0..NODES).prop_map(|(from, to)| Step::Break { from, to }),
        2 => (0..NODES, 0..NODES).prop_map(|(from, to)| Step::Mend { from, to }),
        2 => Just(Step::Duplicate),
        1 => (0u32..6, 0u16..4, 0u64..40).prop_map(|(epoch, chain, request)| Step::Forge { epoch, chain, request }),
        1 => Just(Step::ClientLeaves),
        2 => Just(Step::ClientReturns),
        1 => (500u64..3000).prop_map(|millis| Step::DispatcherStops { millis }),
        1 => node.clone().prop_map(|node| Step::RefuseNext { node }),
        2 => (0u64..2000).prop_map(|millis| Step::PlanAhead { millis }),
        1 => node.clone().prop_map(|node| Step::RefuseToPrepare { node }),
        1 => (node.clone(), 1u64..40, any::<bool>())
            .prop_map(|(node, limit, overcommits)| Step::Limit { node, limit, overcommits }),
        1 => (node, 1.0..10.0).prop_map(|(node, times)| Step::Slow { node, times }),
        1 => (1.0..10.0).prop_map(|times| Step::Load { times }),
        1 => Just(Step::DispatcherCrashes),
        1 => Just(Step::DiskFails),
        2 => Just(Step::DiskWorks),
        2 => Just(Step::Repeat),
    ]
}

impl World {
    fn step(&mut self, step: Step) {
        match step {
            Step::Pass { millis } => self.pass(millis, true),
            Step::DispatcherStops { millis } => {
                // Its last stage notices if it takes long, and must not lose it for that.
                self.nodes[DISPATCHER].paused = millis > 500;
                self.nodes[DISPATCHER].blameless &= millis <= 500;
                self.pass(millis, false);
                self.nodes[DISPATCHER].paused = false;
            }
            Step::Pump { count } => (0..count).for_each(|_| _ = self.pump()),
            Step::Request => self.request_next(),
            Step::DispatcherCrashes => self.dispatcher_crashes(),
            Step::DiskFails => self.disk_fails = true,
            Step::DiskWorks => self.disk_fails = false,
            Step::Repeat => self.repeat(),
            Step::Crash { node, silent } => self.crash(node, silent),
            Step::Restart { node } => self.restart(node),
            Step::Limit { node, limit, overcommits } => {
                let it = &mut self.nodes[node];
                (it.limit, it.overcommits) = (Some(ByteSize::from_mib(limit)), overcommits);
                it.blameless &= !overcommits;
            }
            Step::Slow { node, times } => self.nodes[node].pace = times,
            Step::Load { times } => self.load = times,
            Step::Pause { node } => (self.nodes[node].paused, self.nodes[node].blameless) = (true, false),
            Step::Resume { node } => self.nodes[node].paused = false,
            Step::Break { from, to } => {
                self.nodes[from].blameless &= to != DISPATCHER;
                self.nodes[to].blameless &= from != DISPATCHER;
                self.broken.insert((from, to));
                self.ever_broken.insert((from, to));
            }
            Step::Mend { from, to } => _ = self.broken.remove(&(from, to)),
            Step::Duplicate if !self.tensors.is_empty() => {
                let index = self.choose(self.tensors.len());
                self.tensors.push(self.tensors[index].clone());
            }
            Step::Duplicate => {}
            Step::Forge { epoch, chain, request } => {
                // Of an epoch that is over, a chain there is not or a request that was never sent: nothing may match.
                if epoch < self.core.epoch() || chain == 3 || request >= self.offered {
                    let open = self.core.open();
                    self.input(Input::Delivered { epoch, chain, request, payload: Bytes::new() });
                    assert_eq!(self.core.open(), open);
                }
            }
            Step::ClientLeaves => self.client_leaves(),
            Step::ClientReturns => self.client_returns(),
            Step::PlanAhead { millis } => self.plan_ahead(Duration::from_millis(millis)),
            Step::RefuseToPrepare { node } => self.nodes[node].refuse_ready = true,
            Step::RefuseNext { node } => (self.nodes[node].refuse, self.nodes[node].blameless) = (true, false),
        }
    }

    /// The faults end: everything that was offered must be answered, once.
    fn settle(&mut self) {
        self.broken.clear();
        self.disk_fails = false;
        for node in 1..NODES {
            self.nodes[node].refuse = false;
            // Half of them stay as small as they are.
            if node <= NODES / 2 {
                self.nodes[node].limit = None;
            }
            self.step(Step::Resume { node });
            self.step(Step::Restart { node });
        }
        // As a client does that comes back: whatever has no answer is sent again.
        self.client_leaves();
        self.client_returns();
        for _ in 0..40_000 {
            while self.credit > 0 && !self.resend.is_empty() {
                self.request_next();
            }
            (0..50).for_each(|_| _ = self.pump());
            self.pass(25, true);
            // As an init system does with what has ended.
            (1..NODES).for_each(|node| self.restart(node));
            if self.unanswered.is_empty() {
                break;
            }
        }
        assert!(self.unanswered.is_empty(), "{:?} have no answer; {:#?}", self.unanswered, self.core);
        assert_eq!(self.answers.len() as u64, self.offered);
        // And all of it is acknowledged in the end: nothing has to be remembered.
        self.client_leaves();
        self.client_returns();
        while self.pump() {}
        assert_eq!(self.core.open(), 0);
        assert_eq!(self.core.ledger.known(), Default::default());
        if !self.journal_failed() {
            assert_eq!((self.disk.open.len(), self.disk.answered.len()), (0, 0), "the journal holds nothing");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60000))]
    #[test]
    fn nothing_is_lost_and_nothing_comes_twice(seed in any::<u64>(), steps in prop::collection::vec(steps(), 0..150)) {
        let mut world = World::new(seed);
        for step in steps {
            world.step(step);
        }
        world.settle();
    }
}

#[test]
fn a_cluster_without_faults_serves_in_its_first_epoch() {
    let mut world = World::new(7);
    for _ in 0..200 {
        world.request_next();
        (0..20).for_each(|_| _ = world.pump());
        world.pass(25, true);
    }
    world.pass(3000, false);
    world.settle();
    assert_eq!(world.core.epoch(), 1);
    assert!(world.offered > 100);
}

/// Serves until the plan in force has chains of these nodes.
fn serving(seed: u64, chains: &[Vec<usize>]) -> World {
    let mut world = World::new(seed);
    world.core.settings.spares = Spares::Most(0);
    while world.question.is_none() {
        (0..20).for_each(|_| _ = world.pump_all_but_answers());
        world.pass(25, true);
    }
    let attempt = world.question.take().unwrap().attempt;
    let found = Ok(plans::plan(chains).unwrap());
    world.input(Input::PlanFound { attempt, found, gain: f64::INFINITY, took: Duration::ZERO });
    while !matches!(world.core.phase, Phase::Serving) {
        (0..20).for_each(|_| _ = world.pump());
        world.pass(25, true);
    }
    world
}

/// Offers requests and lets things happen, but the planner gives no answer.
fn go_on_without_planner(world: &mut World, rounds: usize) -> usize {
    let before = world.answers.len();
    for _ in 0..rounds {
        world.request_next();
        (0..20).for_each(|_| _ = world.pump_all_but_answers());
        world.pass(25, true);
    }
    world.answers.len() - before
}

#[test]
fn the_chains_that_are_left_serve_while_a_plan_is_sought() {
    for (seed, chains, victim) in [
        (1, vec![vec![1, 2], vec![3, 4, 5]], 2),
        (2, vec![vec![1, 2], vec![3, 4, 5]], 4),
        (3, vec![vec![1, 2, 4], vec![1, 3, 4]], 3),
        (4, vec![vec![1, 2, 4], vec![1, 3, 4]], 2),
    ] {
        let mut world = serving(seed, &chains);
        assert!(go_on_without_planner(&mut world, 20) > 0);
        world.step(Step::Crash { node: victim, silent: false });
        // What was on its way through the victim is gone with it.
        assert!(go_on_without_planner(&mut world, 100) > 50, "{chains:?} without {victim}");
        assert!(world.question.is_some() && world.core.epoch() == 1);
        world.settle();
        assert!(world.core.epoch() > 1);
    }
}

#[test]
fn without_a_chain_that_is_left_requests_wait_for_the_next_epoch() {
    let mut world = serving(5, &[vec![1, 2, 4], vec![1, 3, 4]]);
    go_on_without_planner(&mut world, 20);
    world.step(Step::Crash { node: 4, silent: true });
    go_on_without_planner(&mut world, 100);
    assert!(world.core.open() > 0);
    world.settle();
}

#[test]
fn a_plan_that_is_prepared_takes_over_without_loading_anything() {
    let mut world = serving(6, &[vec![1, 2, 3]]);
    let plan = plans::plan(&[vec![1, 4, 5]]).unwrap();
    world.core.prepare_plan(plan, "another is better".to_owned(), Duration::from_secs(60));
    assert!(go_on_without_planner(&mut world, 100) > 50);
    assert_eq!(world.deployed[&2], (vec![], vec!["n4".to_owned(), "n5".to_owned()]));
    world.settle();
    assert_eq!(world.core.epoch(), 2);
}

#[test]
fn a_plan_takes_over_in_time_though_a_worker_is_slow_or_refuses_to_prepare() {
    let mut world = serving(8, &[vec![1, 2, 3]]);
    let plan = plans::plan(&[vec![1, 4, 5]]).unwrap();
    world.nodes[4].refuse_ready = true;
    world.core.prepare_plan(plan, "another is better".to_owned(), Duration::from_secs(60));
    assert!(go_on_without_planner(&mut world, 100) > 50);
    assert_eq!(world.deployed[&2], (vec!["n4".to_owned()], vec!["n5".to_owned()]));
    let plan = plans::plan(&[vec![1, 2, 5]]).unwrap();
    world.core.prepare_plan(plan, "another is better".to_owned(), Duration::ZERO);
    assert!(go_on_without_planner(&mut world, 100) > 50);
    assert_eq!(world.core.epoch(), 3);
    world.settle();
}

/// Serves with a rehearsal: if 2 is lost, 4 takes its place, which holds its segment ready.
fn rehearsed(seed: u64) -> World {
    let mut world = serving(seed, &[vec![1, 2, 3]]);
    world.core.settings.spares = Spares::Auto;
    go_on_without_planner(&mut world, 20);
    let attempt = world.rehearsal.take().expect("a rehearsal is asked for").attempt;
    let without = vec![(2, plans::plan(&[vec![1, 4, 3]]).unwrap())];
    let rehearsal = Rehearsal { without, ready: vec![(4, Segment { from: 1, to: 2 })] };
    world.input(Input::Rehearsed { attempt, rehearsal });
    go_on_without_planner(&mut world, 20);
    world
}

#[test]
fn a_lost_node_is_replaced_as_rehearsed_and_nothing_is_searched_or_loaded() {
    let mut world = rehearsed(10);
    world.step(Step::Crash { node: 2, silent: false });
    assert!(go_on_without_planner(&mut world, 60) > 30);
    assert!(world.question.is_none() && world.core.epoch() == 2);
    assert_eq!(world.deployed[&2], (vec![], vec!["n4".to_owned()]));
    world.settle();
}

#[test]
fn what_was_not_rehearsed_is_planned() {
    for also in [1, 4] {
        let mut world = rehearsed(12);
        world.step(Step::Crash { node: also, silent: false });
        world.step(Step::Crash { node: 2, silent: false });
        go_on_without_planner(&mut world, 60);
        assert!(world.question.is_some(), "2 is lost together with {also}");
        world.settle();
    }
}
