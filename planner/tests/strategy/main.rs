//! Strategies against each other, against every possible plan, and against what a plan must be.

mod impossible;
mod made_up;
mod milp;
mod pareto;
mod replicas;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use made_up::{Dice, assert_valid, model, patience, wifi};
use planner::codec::Codec;
use planner::plan::Plan;
use planner::profile::Segment;
use planner::strategy::{
    Chain, Instance, MARGIN, Objective, Optimal, Problem, Rehearsal, Spares, Strategy, StrategyKind, rehearse,
};
use proptest::prelude::*;

/// The shortest bottleneck of all plans there are.
fn brute_force(problem: &Problem) -> Option<Duration> {
    fn extend(problem: &Problem, at: usize, placement: &mut Vec<(usize, Segment)>, best: &mut Option<Duration>) {
        let end = problem.profile.pieces.len();
        if at == end {
            if let Ok(plan) = Plan::evaluate(problem, placement) {
                let bottleneck = plan.prediction.bottleneck;
                *best = Some(best.map_or(bottleneck, |b| b.min(bottleneck)));
            }
            return;
        }
        for node in 0..problem.cluster.nodes.len() {
            if placement.iter().any(|(used, _)| *used == node) || !problem.cluster.nodes[node].worker {
                continue;
            }
            for to in at + 1..=end {
                placement.push((node, Segment { from: at, to }));
                extend(problem, to, placement, best);
                placement.pop();
            }
        }
    }
    let mut best = None;
    extend(problem, 0, &mut Vec::new(), &mut best);
    best
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_plan_is_valid_and_the_same_seed_gives_the_same_plan(
        seed in any::<u64>(), pieces in 1usize..40, workers in 1usize..12,
        excluded in prop::collection::btree_set(2usize..14, 0..4),
        severed in prop::collection::btree_set((1usize..14, 1usize..14), 0..12),
    ) {
        let mut dice = Dice::new(seed);
        let profile = model(pieces, &mut dice);
        let cluster = wifi(workers, 12, 64, &mut dice);
        let start = Problem::new(&profile, &cluster, Codec::Raw);
        let current = StrategyKind::Optimal.plan(&start, seed, &|| false).ok();
        let problem = Problem { excluded: &excluded, severed: &severed, current: current.as_ref(), ..start };
        for kind in StrategyKind::ALL {
            let plan = kind.plan(&problem, seed, &|| false);
            prop_assert_eq!(&plan, &kind.plan(&problem, seed, &|| false));
            if let Ok(plan) = plan {
                assert_valid(&problem, &plan);
                let recosted = Plan::evaluate(&problem, &plan.chain(&plan.chains[0]));
                prop_assert_eq!(recosted, Ok(Plan { proof: None, ..plan }));
            }
        }
    }
}

#[test]
fn the_proven_optimum_is_the_best_of_all_plans_there_are() {
    let (mut planned, mut impossible) = (0, 0);
    for seed in 0..2000 {
        let mut dice = Dice::new(seed);
        let profile = model(dice.between(2, 7) as usize, &mut dice);
        let memory = if seed % 4 == 0 { (12, 30) } else { (20, 40) };
        let cluster = wifi(dice.between(1, 5) as usize, memory.0, memory.1, &mut dice);
        let problem = Problem::new(&profile, &cluster, Codec::Raw);
        match (StrategyKind::Optimal.plan(&problem, seed, &|| false), brute_force(&problem)) {
            (Ok(plan), best) => {
                assert_eq!(Some(plan.prediction.bottleneck), best, "seed {seed}");
                assert!(plan.proof.is_some_and(|proof| proof.optimal()), "seed {seed}: {:?}", plan.proof);
                planned += 1;
            }
            (Err(error), best) => {
                assert_eq!(best, None, "seed {seed}: {error}");
                impossible += 1;
            }
        }
    }
    println!("{planned} instances planned, {impossible} without any plan");
    assert!(planned > 1000);
}

/// Calls `found` with every chain that respects memory.
fn every_chain(instance: &Instance, found: &mut dyn FnMut(&Chain)) {
    fn extend(instance: &Instance, at: usize, chain: &mut Chain, found: &mut dyn FnMut(&Chain)) {
        if at == instance.end {
            return found(chain);
        }
        for node in 0..instance.nodes.len() {
            if chain.iter().any(|(used, _)| *used == node) {
                continue;
            }
            for to in at + 1..=instance.fits(node, at) {
                chain.push((node, Segment { from: at, to }));
                extend(instance, to, chain, found);
                chain.pop();
            }
        }
    }
    extend(instance, 0, &mut Vec::new(), found);
}

/// The lowest value of the objective over all chains there are that sustain its floor.
fn least(instance: &Instance, objective: Objective) -> f64 {
    let mut least = f64::INFINITY;
    every_chain(instance, &mut |chain| {
        if instance.value(Objective::Throughput, chain) <= objective.longest() {
            least = least.min(instance.value(objective, chain));
        }
    });
    least
}

#[test]
fn whatever_the_objective_the_optimum_is_the_best_of_all_chains() {
    let mut planned = 0;
    for seed in 0..500 {
        let mut dice = Dice::new(seed);
        let profile = model(dice.between(2, 7) as usize, &mut dice);
        let workers = dice.between(1, 5) as usize;
        let cluster = wifi(workers, 16, 40, &mut dice);
        let instance =
            Instance::new(&Problem::new(&profile, &cluster, Codec::Raw), &(2..2 + workers).collect::<Vec<_>>());
        let floor_per_s = dice.between(1, 80) as f64 / 10.0;
        for objective in [
            Objective::Throughput,
            Objective::Latency { floor_per_s: 0.0 },
            Objective::Latency { floor_per_s },
            Objective::Energy { floor_per_s },
            Objective::Nodes { floor_per_s },
        ] {
            let least = least(&instance, objective);
            match Optimal::THOROUGH.place(&instance, objective, 0, &|| false) {
                Ok(found) => {
                    let close = |value: f64| (value / least - 1.0).abs() < 1e-9;
                    assert!(close(found.value) && close(found.bound), "seed {seed}, {objective:?}: {found:?}, {least}");
                    planned += 1;
                }
                Err(unplaced) => assert!(unplaced.proven && least.is_infinite(), "seed {seed}, {objective:?}, {least}"),
            }
        }
    }
    println!("{planned} instances planned");
    assert!(planned > 1000);
}

#[test]
fn no_strategy_is_better_than_the_optimum() {
    for seed in 0..200 {
        let mut dice = Dice::new(seed);
        let profile = model(dice.between(5, 40) as usize, &mut dice);
        let workers = dice.between(2, 12) as usize;
        let cluster = wifi(workers, 24, 64, &mut dice);
        let instance =
            Instance::new(&Problem::new(&profile, &cluster, Codec::Raw), &(2..2 + workers).collect::<Vec<_>>());
        for objective in [Objective::Throughput, Objective::Latency { floor_per_s: 0.0 }] {
            let optimum = Optimal::THOROUGH.place(&instance, objective, 0, &patience(100));
            for kind in StrategyKind::ALL {
                let Ok(found) = kind.strategy().place(&instance, objective, seed, &patience(100)) else { continue };
                let optimum = optimum.as_ref().unwrap();
                assert!(found.value >= optimum.bound * 0.999_999, "seed {seed}: {kind} {objective:?}");
                assert!(instance.value(objective, &found.chain) == found.value);
            }
        }
    }
}

#[test]
fn optimal_beats_random_on_clusters_of_twenty() {
    let (mut worse, mut quotients) = (0, Vec::new());
    let mut slowest = Duration::ZERO;
    for seed in 0..50 {
        let mut dice = Dice::new(seed);
        let profile = model(60, &mut dice);
        let cluster = wifi(18, 32, 64, &mut dice);
        let problem = Problem::new(&profile, &cluster, Codec::Raw);
        let began = Instant::now();
        let optimal = StrategyKind::Optimal.plan(&problem, seed, &patience(200)).unwrap().prediction.bottleneck;
        slowest = slowest.max(began.elapsed());
        let random = StrategyKind::Random.plan(&problem, seed, &patience(200)).unwrap().prediction.bottleneck;
        worse += usize::from(optimal > random);
        quotients.push(random.as_secs_f64() / optimal.as_secs_f64());
    }
    quotients.sort_by(f64::total_cmp);
    println!("random is {:.2} times optimal in the middle of 50; optimal took at most {slowest:?}", quotients[25]);
    assert_eq!(worse, 0);
}

#[test]
fn after_a_failure_survivors_keep_their_stages() {
    let (mut moved, mut total, mut replans) = (0, 0, 0);
    let mut slowest = Duration::ZERO;
    for seed in 0..50 {
        let mut dice = Dice::new(seed);
        let profile = model(60, &mut dice);
        let cluster = wifi(18, 32, 64, &mut dice);
        let start = Problem::new(&profile, &cluster, Codec::Raw);
        let optimal = StrategyKind::Optimal;
        let plan = optimal.plan(&start, 0, &patience(200)).unwrap();
        let victim = plan.stages[dice.between(0, plan.stages.len() as u64 - 1) as usize].node;
        let excluded = BTreeSet::from([victim]);
        let problem = Problem { excluded: &excluded, ..start };
        let fresh = optimal.plan(&problem, 0, &patience(200)).unwrap();
        let problem = Problem { current: Some(&plan), ..problem };
        let began = Instant::now();
        let kept = optimal.plan(&problem, 0, &patience(200)).unwrap();
        slowest = slowest.max(began.elapsed());
        assert!(kept.prediction.bottleneck.as_secs_f64() <= 1.2501 * fresh.prediction.bottleneck.as_secs_f64());
        assert!(kept.moved_from(&plan) <= fresh.moved_from(&plan));
        moved += kept.moved_from(&plan);
        total += kept.stages.len();
        replans += 1;
    }
    println!("{replans} failures: {moved} of {total} stages moved; a plan took at most {slowest:?}");
    assert!(moved < 2 * replans);
}

#[test]
fn a_plan_that_still_holds_is_not_changed() {
    let mut dice = Dice::new(1);
    let profile = model(30, &mut dice);
    let cluster = wifi(10, 24, 48, &mut dice);
    let start = Problem::new(&profile, &cluster, Codec::Raw);
    let optimal = StrategyKind::Optimal;
    let plan = optimal.plan(&start, 0, &|| false).unwrap();
    let spare = (2..12).find(|node| plan.stages.iter().all(|stage| stage.node != *node)).unwrap();
    let excluded = BTreeSet::from([spare]);
    let again = optimal.plan(&Problem { excluded: &excluded, current: Some(&plan), ..start }, 0, &|| false).unwrap();
    assert_eq!(Plan { proof: None, ..again }, Plan { proof: None, ..plan });
}

#[test]
fn a_dispatcher_that_is_a_worker_too_can_hold_the_whole_model() {
    let mut dice = Dice::new(3);
    let profile = model(5, &mut dice);
    let mut cluster = wifi(1, 64, 64, &mut dice);
    cluster.nodes[1].worker = true;
    cluster.nodes[2].worker = false;
    for kind in StrategyKind::ALL {
        let plan = kind.plan(&Problem::new(&profile, &cluster, Codec::Raw), 0, &|| false).unwrap();
        assert_eq!(plan.chain(&plan.chains[0]), [(1, profile.whole())], "{kind}");
    }
}

#[test]
fn what_is_rehearsed_is_good_and_what_lies_ready_fits_and_suffices() {
    let (mut losses, mut ready_for, mut ready_again, mut ready, mut kept) = (0, 0, 0, 0, 0);
    for seed in 0..300 {
        let mut dice = Dice::new(seed);
        let profile = model(12, &mut dice);
        let cluster = wifi(9, 12, 64, &mut dice);
        let start = Problem::new(&profile, &cluster, Codec::Raw);
        let Ok(plan) = StrategyKind::Optimal.plan(&start, seed, &|| false) else { continue };
        let problem = Problem { current: Some(&plan), ..start };
        let rehearse = |held: &[_], spares| rehearse(StrategyKind::Optimal, &problem, held, spares, seed, &|_| false);
        let rehearsal = rehearse(&[], Spares::Auto);
        for (lost, next) in &rehearsal.without {
            losses += 1;
            let excluded = BTreeSet::from([*lost]);
            let question = Problem { excluded: &excluded, ..problem };
            assert_valid(&question, next);
            let best = StrategyKind::Optimal.plan(&question, seed, &|| false).unwrap();
            assert!(next.prediction.bottleneck.as_secs_f64() <= MARGIN * best.prediction.bottleneck.as_secs_f64());
        }
        let suffices = |rehearsal: &Rehearsal| {
            let there = |stage: &planner::plan::Stage| {
                let pair = (stage.node, stage.segment);
                rehearsal.ready.contains(&pair) || plan.stages.iter().any(|stage| (stage.node, stage.segment) == pair)
            };
            rehearsal.without.iter().filter(|(_, next)| next.stages.iter().all(there)).count()
        };
        ready_for += suffices(&rehearsal);
        for (number, node) in cluster.nodes.iter().enumerate() {
            let stage = plan.stages.iter().filter(|stage| stage.node == number).map(|stage| stage.segment);
            let beside = rehearsal.ready.iter().filter(|pair| pair.0 == number).map(|pair| pair.1);
            let together: Vec<_> = stage.chain(beside).collect();
            assert!(together.is_empty() || profile.memory_together(&together) <= node.memory);
        }
        // What lies ready is made use of, and there are never more than were asked for.
        let again = rehearse(&rehearsal.ready, Spares::Auto);
        kept += again.ready.iter().filter(|pair| rehearsal.ready.contains(pair)).count();
        (ready_again, ready) = (ready_again + suffices(&again), ready + again.ready.len());
        assert!(rehearse(&[], Spares::Most(1)).ready.len() <= 1);
    }
    println!("{ready_for}, then {ready_again} of {losses} losses need no loading; {kept} of {ready} lay ready already");
    assert!(losses > 300 && ready_for * 10 > losses * 8 && ready_again >= ready_for);
    assert!(kept * 10 > ready * 9);
}
