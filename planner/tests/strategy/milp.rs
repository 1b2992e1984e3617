//! The optimum against a mixed-integer linear programme, which shares nothing with the planner's search but the tables
//! of an [`Instance`].
//!
//! A chain is a path of one unit through states (cut, node). `held[u, i, j]` is 1 where node u holds the pieces from
//! cut i to cut j; `sent[c, u, v]` carries the unit from u to v at cut c. What a node gets it holds, what it holds it
//! sends, and it holds one segment at most. Segments lead from lower cuts to higher ones, so there are no cycles to
//! forbid, and `sent` is whole wherever `held` is. A node holds and sends once, so what it computes, and what it sends,
//! are sums that the bottleneck is at least as long as: much tighter than one inequality for each arc.

use std::time::Duration;

use good_lp::{Expression, ProblemVariables, ResolutionError, Solution, SolverModel, Variable, microlp, variable};
use planner::cluster::{Cluster, Device, Path};
use planner::codec::Codec;
use planner::profile::Segment;
use planner::strategy::{Instance, Objective, Optimal, Problem, Strategy};
use planner::units::{ByteSize, Rate};

use super::made_up::{Dice, model};

/// The programme's times are in this part of a second, so that they are far from its tolerance.
const UNIT: f64 = 1e-3;
/// What the solver's tolerance may make of a value.
const TOLERANCE: f64 = 1e-6;

/// Workers of 14 to `most` MiB, with a path of its own rate each way between most pairs; the client behind a path that may be the slowest.
fn uneven(workers: usize, most: u64, dice: &mut Dice) -> Cluster {
    let count = workers + 2;
    let device = |index: usize, dice: &mut Dice| Device {
        name: format!("n{index}"),
        worker: index >= 2,
        memory: ByteSize::from_mib(dice.between(14, most)),
        slowdown: dice.between(10, 60) as f64 / 10.0,
        energy: planner::cluster::Energy::default(),
    };
    let path = |from: usize, to: usize, dice: &mut Dice| {
        let rate = Some(Rate::from_bits_per_second(dice.between(2_000, 200_000) * 1_000));
        let open = from.min(to) < 2 || dice.between(0, 9) > 0;
        let path = Path { rate, delay: Duration::from_micros(dice.between(100, 5_000)), air: None };
        (open && from != to).then_some(path)
    };
    Cluster {
        nodes: (0..count).map(|index| device(index, dice)).collect(),
        paths: (0..count).map(|from| (0..count).map(|to| path(from, to, dice)).collect()).collect(),
        client: 0,
        dispatcher: 1,
    }
}

/// The unit's arcs; what comes to and leaves the dispatcher is among those sent.
struct Arcs {
    held: Vec<(usize, Segment, Variable)>,
    sent: Vec<(usize, usize, usize, Variable)>,
}

impl Arcs {
    fn new(instance: &Instance, variables: &mut ProblemVariables) -> Arcs {
        let (nodes, end, dispatcher) = (instance.nodes.len(), instance.end, instance.dispatcher());
        let mut arcs = Arcs { held: Vec::new(), sent: Vec::new() };
        for node in 0..nodes {
            for from in 0..end {
                for to in from + 1..=instance.fits(node, from) {
                    arcs.held.push((node, Segment { from, to }, variables.add(variable().binary())));
                }
            }
        }
        for cut in 0..=end {
            for from in (0..=nodes).filter(|from| (*from == dispatcher) == (cut == 0)) {
                for to in (0..=nodes).filter(|to| (*to == dispatcher) == (cut == end)) {
                    if instance.transfer(from, to, cut).is_finite() {
                        arcs.sent.push((cut, from, to, variables.add(variable().min(0).max(1))));
                    }
                }
            }
        }
        arcs
    }

    fn held(&self, wanted: impl Fn(usize, Segment) -> Option<f64>) -> Expression {
        let weighted = self.held.iter().filter_map(|(node, segment, arc)| Some((wanted(*node, *segment)?, *arc)));
        weighted.map(|(weight, arc)| weight * arc).sum()
    }

    fn sent(&self, wanted: impl Fn(usize, usize, usize) -> Option<f64>) -> Expression {
        let weighted = self.sent.iter().filter_map(|(cut, from, to, arc)| Some((wanted(*cut, *from, *to)?, *arc)));
        weighted.map(|(weight, arc)| weight * arc).sum()
    }
}

/// The lowest value of the objective; `None` where no chain is possible.
fn programme(instance: &Instance, objective: Objective) -> Option<f64> {
    let (nodes, end, dispatcher) = (instance.nodes.len(), instance.end, instance.dispatcher());
    let mut variables = ProblemVariables::new();
    let arcs = Arcs::new(instance, &mut variables);
    let longest = variables.add(variable().min(0));
    let one = |wanted: bool| wanted.then_some(1.0);
    let stage = |node, segment| instance.stage_cost(objective, node, segment) / UNIT;
    let transfer = |cut, from, to| instance.transfer_cost(objective, from, to, cut) / UNIT;
    let outside = instance.outside_cost(objective) / UNIT;
    let sum = arcs.held(|node, segment| Some(stage(node, segment)))
        + arcs.sent(|cut, from, to| Some(transfer(cut, from, to)))
        + outside;
    let bottleneck = objective == Objective::Throughput;
    let mut rows = variables.minimise(if bottleneck { longest.into() } else { sum }).using(microlp);
    rows = rows.with((arcs.sent(|_, from, _| one(from == dispatcher))).eq(1));
    for node in 0..nodes {
        rows = rows.with(arcs.held(|other, _| one(other == node)).leq(1));
        for cut in 0..=end {
            let got = arcs.sent(|at, _, to| one(at == cut && to == node));
            rows = rows.with((got - arcs.held(|other, segment| one(other == node && segment.from == cut))).eq(0));
            let sends = arcs.sent(|at, from, _| one(at == cut && from == node));
            rows = rows.with((sends - arcs.held(|other, segment| one(other == node && segment.to == cut))).eq(0));
        }
    }
    // Nothing is busy for longer than the bottleneck; or, with a floor, than that allows.
    let floor = objective.longest();
    if bottleneck || floor.is_finite() {
        let limit: Expression = if bottleneck { longest.into() } else { (floor / UNIT).into() };
        let occupied = |cut, from, to| instance.transfer(from, to, cut) / UNIT;
        let mut busy: Vec<Expression> = Vec::new();
        for node in 0..=nodes {
            let computes = |other, segment| (other == node).then(|| instance.compute(node, segment) / UNIT);
            busy.push(arcs.held(computes));
            busy.push(arcs.sent(|cut, from, to| (from == node).then(|| occupied(cut, from, to))));
            busy.push(arcs.sent(|cut, from, to| (to == node).then(|| occupied(cut, from, to))));
        }
        busy.push((instance.outside_cost(Objective::Throughput) / UNIT).into());
        for time in busy {
            rows = rows.with((time - limit.clone()).leq(0));
        }
    }
    match rows.solve() {
        Ok(solution) if bottleneck => Some(solution.value(longest) * UNIT),
        Ok(solution) => {
            let held = arcs.held.iter().map(|(node, segment, arc)| solution.value(*arc) * stage(*node, *segment));
            let sent = arcs.sent.iter().map(|(cut, from, to, arc)| solution.value(*arc) * transfer(*cut, *from, *to));
            Some((held.chain(sent).sum::<f64>() + outside) * UNIT)
        }
        Err(ResolutionError::Infeasible) => None,
        Err(error) => panic!("the programme was not solved: {error}"),
    }
}

#[test]
fn the_optimum_is_that_of_a_mixed_integer_linear_programme() {
    // For each objective, and for instances without any chain.
    let (mut solved, mut impossible) = ([0; 3], 0);
    for seed in 0..72 {
        let mut dice = Dice::new(seed);
        let profile = model(dice.between(6, 10) as usize, &mut dice);
        let workers = dice.between(5, 7) as usize;
        let cluster = uneven(workers, if seed % 8 == 0 { 17 } else { 36 }, &mut dice);
        let available: Vec<usize> = (2..2 + workers).collect();
        let instance = Instance::new(&Problem::new(&profile, &cluster, Codec::Raw), &available);
        let floor_per_s = dice.between(5, 60) as f64 / 10.0;
        let objectives =
            [Objective::Throughput, Objective::Latency { floor_per_s: 0.0 }, Objective::Latency { floor_per_s }];
        for (index, objective) in objectives.into_iter().enumerate() {
            let wanted = programme(&instance, objective);
            let found = Optimal::THOROUGH.place(&instance, objective, seed, &|| false);
            match (found, wanted) {
                (Ok(found), Some(wanted)) => {
                    let close = |value: f64| (value / wanted - 1.0).abs() < TOLERANCE;
                    assert!(
                        close(found.value) && close(found.bound),
                        "seed {seed}, {objective:?}: {found:?}, programme: {wanted}"
                    );
                    solved[index] += 1;
                }
                (Err(unplaced), None) => {
                    assert!(unplaced.proven);
                    impossible += 1;
                }
                (found, wanted) => panic!("seed {seed}, {objective:?}: {found:?}, programme: {wanted:?}"),
            }
        }
    }
    println!("seeds 0 to 71: {solved:?} equal, {impossible} impossible by both");
    assert!(solved.iter().all(|solved| *solved >= 50) && impossible >= 10);
}
