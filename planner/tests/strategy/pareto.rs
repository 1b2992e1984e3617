//! Throughput against latency: every point that is worth having, and no other.

use planner::codec::Codec;
use planner::strategy::{Chain, Front, Instance, Objective, Problem};

use super::every_chain;
use super::made_up::{Dice, assert_valid, model, patience, wifi};

/// Two values that differ by less are one.
const CLOSE: f64 = 1e-9;

/// Bottleneck and latency of every chain that no other dominates; of equals, one.
fn brute_force(instance: &Instance) -> Vec<(f64, f64)> {
    let mut all = Vec::new();
    every_chain(instance, &mut |chain: &Chain| {
        let value = |objective| instance.value(objective, chain);
        let point = (value(Objective::Throughput), value(Objective::Latency { floor_per_s: 0.0 }));
        if point.0.is_finite() {
            all.push(point);
        }
    });
    let (less, at_most) = (|a: f64, b: f64| a < b * (1.0 - CLOSE), |a: f64, b: f64| a <= b * (1.0 + CLOSE));
    let dominated = |(bottleneck, latency): (f64, f64)| {
        all.iter().any(|(b, l)| {
            (less(*b, bottleneck) && at_most(*l, latency)) || (at_most(*b, bottleneck) && less(*l, latency))
        })
    };
    let mut front: Vec<(f64, f64)> = all.iter().copied().filter(|point| !dominated(*point)).collect();
    front.sort_by(|a, b| a.1.total_cmp(&b.1));
    front.dedup_by(|a, b| at_most(a.1, b.1));
    front
}

#[test]
fn the_front_is_all_chains_that_no_other_dominates() {
    let (mut fronts, mut points, mut longest) = (0, 0, 0);
    for seed in 0..400 {
        let mut dice = Dice::new(seed);
        let profile = model(dice.between(2, 7) as usize, &mut dice);
        let workers = dice.between(1, 5) as usize;
        let cluster = wifi(workers, 16, 48, &mut dice);
        let problem = Problem::new(&profile, &cluster, Codec::Raw);
        let instance = Instance::new(&problem, &(2..2 + workers).collect::<Vec<_>>());
        let front = Front::of(&instance, &|| false);
        let wanted = brute_force(&instance);
        assert!(front.complete, "seed {seed}");
        assert_eq!(front.points.len(), wanted.len(), "seed {seed}: {front:?}, {wanted:?}");
        for (point, (bottleneck, latency)) in front.points.iter().zip(&wanted) {
            let close = |a: f64, b: f64| (a / b - 1.0).abs() < 3.0 * CLOSE;
            assert!(close(point.bottleneck, *bottleneck) && close(point.latency, *latency), "seed {seed}");
            assert!(close(point.bound, *latency), "seed {seed}: {point:?}");
        }
        fronts += usize::from(!wanted.is_empty());
        points += wanted.len();
        longest = longest.max(wanted.len());
    }
    println!("{fronts} fronts of {points} points, {longest} the longest");
    assert!(fronts > 200 && longest > 2);
}

#[test]
fn a_front_that_is_stopped_says_so_and_still_knows_its_ends() {
    let mut dice = Dice::new(4);
    let profile = model(40, &mut dice);
    let cluster = wifi(14, 32, 64, &mut dice);
    let problem = Problem::new(&profile, &cluster, Codec::Raw);
    let whole = Front::of_plans(&problem, &patience(2_000)).unwrap();
    let hasty = Front::of_plans(&problem, &patience(1)).unwrap();
    assert!(!hasty.complete);
    for plan in whole.points.iter().chain(&hasty.points) {
        assert_valid(&problem, plan);
        let proof = plan.proof.unwrap();
        assert!(proof.bound <= proof.value * 1.000_001, "{proof:?}");
    }
    for pair in whole.points.windows(2) {
        let (a, b) = (&pair[0].prediction, &pair[1].prediction);
        assert!(a.latency <= b.latency && a.bottleneck >= b.bottleneck, "{a:?}, {b:?}");
    }
    println!("{} points, complete: {}; {} in haste", whole.points.len(), whole.complete, hasty.points.len());
}
