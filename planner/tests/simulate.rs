//! The simulation against what must hold of every run.

#[allow(dead_code)]
#[path = "strategy/made_up.rs"]
mod made_up;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use made_up::{Dice, model, wifi};
use planner::cluster::{Cluster, Device, Energy, Path};
use planner::codec::Codec;
use planner::plan::{Placement, Plan};
use planner::profile::{ModelProfile, Segment};
use planner::simulate::{Event, Load, Overheads, Question, Setup, Simulation};
use planner::strategy::{PlanError, Problem, Replicas, StrategyKind};
use planner::units::{ByteSize, Rate};
use proptest::prelude::*;

/// What a client saw of a request.
#[derive(Debug, Clone, Default, PartialEq)]
struct Request {
    offered: Option<Duration>,
    accepted: usize,
    completed: Vec<(Duration, u32)>,
}

#[derive(Debug, Default, PartialEq)]
struct Seen {
    requests: BTreeMap<u64, Request>,
    plans: Vec<Plan>,
    replayed: usize,
    unplannable: bool,
}

impl Seen {
    fn take(&mut self, at: Duration, event: Event) {
        match event {
            Event::Offered { request } => self.requests.entry(request).or_default().offered = Some(at),
            Event::Accepted { request } => self.requests.entry(request).or_default().accepted += 1,
            Event::Completed { request, epoch } => {
                self.requests.entry(request).or_default().completed.push((at, epoch));
            }
            Event::Planned { plan, .. } => self.plans.push(plan),
            Event::Replayed { requests, .. } => self.replayed += requests.len(),
            Event::Unplannable { .. } => self.unplannable = true,
            _ => {}
        }
    }
}

type Planner<'a> = Box<dyn FnMut(&Question<'_>) -> Result<Plan, PlanError> + 'a>;

fn planner<'a>(profile: &'a ModelProfile, cluster: &'a Cluster, replicas: Replicas) -> Planner<'a> {
    Box::new(move |question| {
        let Question { excluded, severed, current } = *question;
        let problem = Problem { replicas, excluded, severed, current, ..Problem::new(profile, cluster, Codec::Raw) };
        StrategyKind::Optimal.plan(&problem, 0, &|| false)
    })
}

fn setup<'a>(profile: &'a ModelProfile, cluster: &'a Cluster, load: Load<'a>, replicas: Replicas) -> Setup<'a> {
    Setup {
        profile,
        cluster,
        routes: None,
        codec: Codec::Raw,
        load,
        duration: Duration::from_secs(10),
        heartbeat: Duration::from_millis(100),
        missed: 3,
        window: None,
        queue: 64,
        ship: false,
        overheads: Overheads::default(),
        planner: planner(profile, cluster, replicas),
    }
}

fn load(closed: bool, pace: u32) -> Load<'static> {
    if closed {
        Load::Closed { concurrency: pace }
    } else {
        Load::Open(Box::new((0u32..).map(move |request| Duration::from_secs(1) * request / pace)))
    }
}

/// Something done to a node, or to what passes between two, and undone after a while.
#[derive(Debug, Clone)]
struct Fault {
    at: u64,
    lasting: u64,
    kind: u8,
    ends: (usize, usize),
}

fn fault() -> impl Strategy<Value = Fault> {
    (0u64..9_000, 10u64..4_000, 0u8..4, (0usize..8, 0usize..8)).prop_map(|(at, lasting, kind, ends)| Fault {
        at,
        lasting,
        kind,
        ends,
    })
}

fn inflict(simulation: &mut Simulation<'_>, fault: &Fault, heal: bool, workers: usize) {
    let (a, b) = (2 + fault.ends.0 % workers, 1 + fault.ends.1 % (workers + 1));
    match fault.kind {
        0 if heal => simulation.start(a),
        0 => simulation.kill(a),
        1 => simulation.freeze(a, !heal),
        2 => simulation.block(a, b, !heal),
        _ => {
            let path =
                Path { rate: Some(Rate::from_mbits_per_second(30.0)), delay: Duration::from_millis(2), air: None };
            simulation.reshape(a, b, path, heal);
        }
    }
}

/// Faults one after the other, each healed before the next: how they overlap is not the simulation's business.
fn run(simulation: &mut Simulation<'_>, faults: &[Fault], workers: usize) -> Seen {
    let seen = RefCell::new(Seen::default());
    let mut tell = |at, event| seen.borrow_mut().take(at, event);
    let mut until = Duration::ZERO;
    for fault in faults {
        for (time, heal) in [(fault.at, false), (fault.lasting, true)] {
            until += Duration::from_millis(time);
            simulation.run_until(until, &mut tell);
            inflict(simulation, fault, heal, workers);
        }
    }
    simulation.run_until(until + Duration::from_secs(400), &mut tell);
    seen.into_inner()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn each_request_is_answered_once_whatever_breaks(
        seed in any::<u64>(), pieces in 2usize..12, workers in 2usize..8, closed in any::<bool>(), pace in 1u32..30,
        chains in 1u32..4, faults in prop::collection::vec(fault(), 0..5),
    ) {
        let mut dice = Dice::new(seed);
        let profile = model(pieces, &mut dice);
        let cluster = wifi(workers, 20, 64, &mut dice);
        let replicas = if chains == 1 { Replicas::One } else { Replicas::Most(chains) };
        let outcome = || {
            let simulation = Simulation::new(setup(&profile, &cluster, load(closed, pace), replicas));
            simulation.ok().map(|mut simulation| {
                let seen = run(&mut simulation, &faults, workers);
                (seen, simulation.outstanding())
            })
        };
        let Some((seen, outstanding)) = outcome() else { return Ok(()) };
        prop_assert_eq!(outstanding, 0);
        for request in seen.requests.values() {
            prop_assert_eq!((request.accepted, request.completed.len()), (1, 1), "{:?}", request);
            let (at, epoch) = request.completed[0];
            prop_assert!(Some(at) > request.offered);
            prop_assert!((1..=seen.plans.len() as u32).contains(&epoch));
        }
        prop_assert_eq!(outcome().map(|(seen, _)| seen), Some(seen), "the same again");
    }

    #[test]
    fn nothing_is_faster_than_the_plan_says_it_can_be(
        seed in any::<u64>(), pieces in 2usize..20, workers in 2usize..10, closed in any::<bool>(), pace in 1u32..60,
        several in any::<bool>(), shared in any::<bool>(),
    ) {
        let mut dice = Dice::new(seed);
        let profile = model(pieces, &mut dice);
        let mut cluster = wifi(workers, 20, 64, &mut dice);
        if shared {
            cluster.paths.iter_mut().flatten().flatten().for_each(|path| path.air = path.rate.map(|_| 0));
        }
        let replicas = if several { Replicas::Auto } else { Replicas::One };
        let Ok(mut simulation) = Simulation::new(setup(&profile, &cluster, load(closed, pace), replicas)) else {
            return Ok(());
        };
        let plan = simulation.plan().clone();
        let seen = run(&mut simulation, &[], workers);
        let problem = Problem::new(&profile, &cluster, Codec::Raw);
        let alone = |placement: &Placement| Plan::evaluate(&problem, placement).unwrap().prediction.latency;
        let fastest = plan.placements().iter().map(|(placement, _)| alone(placement)).min().unwrap();
        let completed: Vec<Duration> = seen.requests.values().map(|request| request.completed[0].0).collect();
        let latencies: Vec<Duration> =
            seen.requests.values().map(|request| request.completed[0].0 - request.offered.unwrap()).collect();
        let rounding = Duration::from_micros(1);
        prop_assert!(latencies.iter().all(|latency| *latency + rounding >= fastest), "{:?} {:?}", latencies.iter().min(), fastest);
        if plan.chains.len() == 1 {
            prop_assert!(latencies[0] <= plan.prediction.latency + rounding || pace > 1, "the first meets no other");
        }
        let last = completed.iter().max().unwrap().as_secs_f64();
        let throughput = completed.len() as f64 / last;
        // Chains that add less than a thousandth are left out of a plan, after shares were reckoned with them.
        prop_assert!(throughput <= plan.prediction.throughput_per_s() * 1.01, "{} {:?}", throughput, plan.prediction);
        if closed && pace as usize > 4 * plan.stages.len() && !shared && !several {
            prop_assert!(throughput >= 0.8 * plan.prediction.throughput_per_s(), "{} {:?}", throughput, plan.prediction);
        }
    }
}

/// A hundred chains of ten nodes each: the most that a run of a thousand nodes does.
#[test]
fn a_thousand_nodes_in_a_hundred_chains_answer_a_hundred_thousand_requests() {
    let mut dice = Dice::new(1);
    let profile = model(20, &mut dice);
    let device = |index: usize| Device {
        name: format!("n{index}"),
        worker: index >= 2,
        memory: ByteSize::from_mib(64),
        slowdown: 2.0,
        energy: Energy::default(),
    };
    let path = Path { rate: Some(Rate::from_mbits_per_second(1000.0)), delay: Duration::from_millis(1), air: None };
    let wire = Path { rate: None, ..path };
    let paths = (0..1002)
        .map(|from| (0..1002).map(|to| (from != to).then_some(if from + to == 1 { wire } else { path })).collect())
        .collect();
    let cluster = Cluster { nodes: (0..1002).map(device).collect(), paths, client: 0, dispatcher: 1 };
    let stage = |chain: usize, stage: usize| (2 + chain * 10 + stage, Segment { from: 2 * stage, to: 2 * stage + 2 });
    let chains: Vec<(Placement, f64)> =
        (0..100).map(|chain| ((0..10).map(|place| stage(chain, place)).collect(), 1.0)).collect();
    let plan = Plan::evaluate_chains(&Problem::new(&profile, &cluster, Codec::Raw), &chains).unwrap();
    let rate = (0.9 * plan.prediction.throughput_per_s()) as u32;
    let schedule = (0u32..100_000).map(|request| Duration::from_secs(1) * request / rate);
    let begun = std::time::Instant::now();
    let mut simulation = Simulation::new(Setup {
        duration: Duration::from_secs(1_000_000),
        planner: Box::new(|_| Ok(plan.clone())),
        ..setup(&profile, &cluster, Load::Open(Box::new(schedule)), Replicas::One)
    })
    .unwrap();
    let seen = run(&mut simulation, &[], 1000);
    println!(
        "{:?} of {} requests a second, took {:.2} s",
        plan.prediction.throughput_per_s(),
        rate,
        begun.elapsed().as_secs_f64()
    );
    assert_eq!((seen.requests.len(), simulation.outstanding()), (100_000, 0));
    let chains: Vec<_> = plan.chains.iter().map(|chain| chain.share).collect();
    assert!(chains.len() == 100);
}
