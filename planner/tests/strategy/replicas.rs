//! Plans of several chains: what the nodes do that one chain leaves idle.

use std::collections::BTreeSet;

use planner::codec::Codec;
use planner::plan::{Limit, Plan};
use planner::strategy::{Problem, Replicas, StrategyKind};
use proptest::prelude::*;

use super::made_up::{Dice, assert_valid, model, wifi};

fn throughput(plan: &Plan) -> f64 {
    plan.prediction.throughput_per_s()
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
