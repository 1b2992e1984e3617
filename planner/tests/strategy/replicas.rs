//! Plans of several chains: what the nodes do that one chain leaves idle.

use std::collections::{BTreeMap, BTreeSet};

use planner::codec::Codec;
use planner::plan::{Limit, Plan};
use planner::strategy::{Problem, Replicas, StrategyKind};
use proptest::prelude::*;

use super::made_up::{Dice, assert_valid, model, patience, wifi};

fn throughput(plan: &Plan) -> f64 {
    plan.prediction.throughput_per_s()
}

/// However the plan came about: for each request that passes, nothing is busy for longer than is predicted.
fn assert_nothing_is_overbooked(problem: &Problem, plan: &Plan) {
    let mut busy: BTreeMap<Limit, f64> = BTreeMap::new();
    for (placement, share) in plan.placements() {
        for (limit, time) in Plan::occupancy(problem, &placement).unwrap() {
            *busy.entry(limit).or_default() += share * time.as_secs_f64();
        }
    }
    let most = busy.values().copied().fold(0.0, f64::max);
    let predicted = plan.prediction.bottleneck.as_secs_f64();
    assert!((most / predicted - 1.0).abs() < 1e-6, "{most} s busy, {predicted} s predicted");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn more_chains_are_never_worse_than_one_and_never_better_than_the_bound(
        seed in any::<u64>(), pieces in 2usize..30, workers in 1usize..14, most in 1u32..4,
    ) {
        let mut dice = Dice::new(seed);
        let profile = model(pieces, &mut dice);
        let cluster = wifi(workers, 20, 64, &mut dice);
        let one = Problem::new(&profile, &cluster, Codec::Raw);
        let plan = |replicas| StrategyKind::Optimal.plan(&Problem { replicas, ..one }, 0, &|| false).ok();
        let (single, some, all) = (plan(Replicas::One), plan(Replicas::Most(most)), plan(Replicas::Auto));
        prop_assert_eq!(single.is_some(), all.is_some());
        if let (Some(single), Some(some), Some(all)) = (single, some, all) {
            for plan in [&some, &all] {
                assert_valid(&one, plan);
                assert_nothing_is_overbooked(&one, plan);
                prop_assert!(throughput(plan) >= throughput(&single) * 0.999_999);
                let proof = plan.proof.unwrap();
                prop_assert!(proof.bound <= proof.value * 1.000_001, "{:?}", proof);
            }
            prop_assert!(some.chains.len() <= most as usize);
            prop_assert_eq!(plan(Replicas::Auto), Some(all));
        }
    }
}

#[test]
fn spare_nodes_multiply_the_throughput() {
    let mut gains = Vec::new();
    for seed in 0..8 {
        let mut dice = Dice::new(seed);
        let profile = model(30, &mut dice);
        let cluster = wifi(20, 40, 64, &mut dice);
        let one = Problem::new(&profile, &cluster, Codec::Raw);
        let single = StrategyKind::Optimal.plan(&one, 0, &|| false).unwrap();
        let all = StrategyKind::Optimal.plan(&Problem { replicas: Replicas::Auto, ..one }, 0, &|| false).unwrap();
        let (gain, proof) = (throughput(&all) / throughput(&single), all.proof.unwrap());
        println!(
            "{} chains of {} stages: {gain:.2} times one chain of {}, at most {:.2}",
            all.chains.len(),
            all.stages.len(),
            single.stages.len(),
            gain * (1.0 + proof.gap())
        );
        gains.push(gain);
    }
    assert!(gains.iter().sum::<f64>() / 8.0 > 1.5, "{gains:?}");
}

#[test]
fn equal_nodes_that_only_compute_come_close_to_what_they_can_compute_together() {
    let mut shares = Vec::new();
    for seed in 0..6 {
        let mut dice = Dice::new(seed);
        let profile = model(30, &mut dice);
        let mut cluster = wifi(10, 40, 40, &mut dice);
        cluster.nodes.iter_mut().for_each(|device| device.slowdown = 4.0);
        cluster.paths.iter_mut().flatten().flatten().for_each(|path| path.rate = None);
        let problem = Problem { replicas: Replicas::Auto, ..Problem::new(&profile, &cluster, Codec::Raw) };
        let plan = StrategyKind::Optimal.plan(&problem, 0, &|| false).unwrap();
        let ideal = 10.0 / (4.0 * profile.time(profile.whole()).as_secs_f64());
        shares.push(throughput(&plan) / ideal);
        // No plan has more than that, and the bound knows it.
        assert!(1.0 / plan.proof.unwrap().bound <= ideal * 1.001, "{:?}", plan.proof);
    }
    println!("{shares:?}");
    assert!(shares.iter().sum::<f64>() / 6.0 > 0.85, "{shares:?}");
}

#[test]
fn a_search_that_is_stopped_at_once_still_has_a_plan() {
    let mut dice = Dice::new(7);
    let profile = model(40, &mut dice);
    let cluster = wifi(16, 32, 64, &mut dice);
    let one = Problem::new(&profile, &cluster, Codec::Raw);
    let problem = Problem { replicas: Replicas::Auto, ..one };
    let whole = StrategyKind::Optimal.plan(&problem, 0, &|| false).unwrap();
    for questions in [1, 5, 50] {
        let plan = StrategyKind::Optimal.plan(&problem, 0, &patience(questions)).unwrap();
        assert_valid(&problem, &plan);
        assert_nothing_is_overbooked(&problem, &plan);
        let proof = plan.proof.unwrap();
        assert!(proof.bound <= whole.prediction.bottleneck.as_secs_f64() * 1.000_001, "{proof:?}");
    }
}

#[test]
fn where_all_share_the_air_more_replicas_do_not_help() {
    let mut dice = Dice::new(5);
    let profile = model(20, &mut dice);
    let mut cluster = wifi(16, 48, 64, &mut dice);
    cluster.nodes.iter_mut().for_each(|device| device.slowdown = 1.0);
    let independent = cluster.clone();
    cluster.paths.iter_mut().flatten().flatten().for_each(|path| path.air = Some(0));
    let plan = |cluster, replicas| {
        let problem = Problem { replicas, ..Problem::new(&profile, cluster, Codec::Raw) };
        StrategyKind::Optimal.plan(&problem, 0, &|| false).unwrap()
    };
    let gain = |cluster| throughput(&plan(cluster, Replicas::Auto)) / throughput(&plan(cluster, Replicas::One));
    let shared = plan(&cluster, Replicas::Auto);
    println!("independent {:.2}, shared {:.2}: {:?}", gain(&independent), gain(&cluster), shared.prediction.limit);
    assert_eq!(shared.prediction.limit, Limit::Air { medium: 0 });
    assert!(gain(&independent) > gain(&cluster));
}

#[test]
fn when_a_chain_is_lost_the_others_stay_as_they_are() {
    let mut dice = Dice::new(2);
    let profile = model(30, &mut dice);
    let cluster = wifi(20, 40, 64, &mut dice);
    let start = Problem { replicas: Replicas::Auto, ..Problem::new(&profile, &cluster, Codec::Raw) };
    let plan = StrategyKind::Optimal.plan(&start, 0, &|| false).unwrap();
    assert!(plan.chains.len() > 2);
    let victim = plan.stages[plan.chains[0].stages[0]].node;
    let excluded = BTreeSet::from([victim]);
    let problem = Problem { excluded: &excluded, current: Some(&plan), ..start };
    let after = StrategyKind::Optimal.plan(&problem, 0, &|| false).unwrap();
    assert_valid(&problem, &after);
    let kept = plan
        .stages
        .iter()
        .filter(|stage| after.stages.iter().any(|s| (s.node, s.segment) == (stage.node, stage.segment)));
    let unhurt = plan.chains.iter().filter(|chain| plan.chain(chain).iter().all(|(node, _)| *node != victim));
    assert!(kept.count() >= unhurt.flat_map(|chain| &chain.stages).collect::<BTreeSet<_>>().len());
}
