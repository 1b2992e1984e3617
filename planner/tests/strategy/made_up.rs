//! Made-up models and clusters, and what every plan must be.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use planner::cluster::paths::{Edge, Routes};
use planner::cluster::wifi::WifiSquare;
use planner::cluster::{Cluster, Device, Path};
use planner::codec::Codec;
use planner::plan::Plan;
use planner::profile::{Cut, LiveTensor, ModelProfile, PROFILE_VERSION, Piece};
use planner::strategy::Problem;
use planner::units::ByteSize;
use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

/// Says after so many questions that it is time to end: unlike a clock, always after the same work.
pub fn patience(questions: u32) -> impl Fn() -> bool {
    let left = std::cell::Cell::new(questions);
    move || {
        left.set(left.get().saturating_sub(1));
        left.get() == 0
    }
}

pub struct Dice(Pcg64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(Pcg64::seed_from_u64(seed))
    }

    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.next_u64() % (high - low + 1)
    }
}

/// A model of `pieces` pieces; tensors of 4 to 800 kB, times of 0.5 to 8 ms, 0.1 to 4 MiB of weights.
pub fn model(pieces: usize, dice: &mut Dice) -> ModelProfile {
    let cut = |index: usize, dice: &mut Dice| Cut {
        tensors: vec![LiveTensor {
            name: format!("t{index}"),
            shape: vec![1],
            element: planner::element::Element::Float32,
        }],
        encoded: BTreeMap::from([(Codec::Raw, ByteSize::from_bytes(dice.between(4_000, 800_000)))]),
    };
    let piece = |dice: &mut Dice| Piece {
        operators: vec!["op".into()],
        parameters: ByteSize::from_bytes(dice.between(100 << 10, 4 << 20)),
        activations: ByteSize::from_bytes(dice.between(100 << 10, 2 << 20)),
        flops: 1,
        time: Duration::from_micros(dice.between(500, 8_000)),
        timings: Vec::new(),
        digest: None,
    };
    ModelProfile {
        version: PROFILE_VERSION,
        model: "dice".into(),
        digest: String::new(),
        host: String::new(),
        process_memory: ByteSize::from_mib(8),
        footprint: planner::profile::Footprint::Process,
        cuts: (0..=pieces).map(|index| cut(index, dice)).collect(),
        pieces: (0..pieces).map(|_| piece(dice)).collect(),
    }
}

/// A Wi-Fi square: client, dispatcher, and so many workers of `low` to `high` MiB.
pub fn wifi(workers: usize, low: u64, high: u64, dice: &mut Dice) -> Cluster {
    let nodes = workers + 2;
    let rates = WifiSquare { nodes, side: 150.0, channel_mhz: 5.0 }.place(dice.between(0, u64::MAX - 1)).rates;
    let edges: Vec<Edge> = (0..nodes)
        .flat_map(|from| (0..nodes).map(move |to| (from, to)))
        .filter(|(from, to)| from != to)
        .map(|(from, to)| Edge {
            from,
            to,
            rate: rates[from][to],
            delay: Duration::from_millis(2),
            medium: true,
            air: None,
        })
        .collect();
    let device = |index: usize, dice: &mut Dice| Device {
        name: format!("n{index}"),
        worker: index >= 2,
        memory: ByteSize::from_mib(dice.between(low, high)),
        slowdown: dice.between(10, 40) as f64 / 10.0,
        energy: planner::cluster::Energy::default(),
    };
    let mut paths = Routes::shortest(nodes, &edges).paths(nodes);
    // The client is wired to the dispatcher, or that path alone would decide most bottlenecks.
    for (from, to) in [(0, 1), (1, 0)] {
        paths[from][to] = paths[from][to].map(|path| Path { rate: None, ..path });
    }
    let nodes = (0..nodes).map(|index| device(index, dice)).collect();
    Cluster { nodes, paths, client: 0, dispatcher: 1 }
}

/// Whatever made it, a plan must be one: checked here on its own, not with the planner's checks.
pub fn assert_valid(problem: &Problem, plan: &Plan) {
    let nodes: BTreeSet<usize> = plan.stages.iter().map(|stage| stage.node).collect();
    assert_eq!(nodes.len(), plan.stages.len(), "nodes are distinct");
    assert!((plan.chains.iter().map(|chain| chain.share).sum::<f64>() - 1.0).abs() < 1e-9, "all requests take a way");
    let mut used = BTreeSet::new();
    for chain in &plan.chains {
        assert!(chain.share > 0.0);
        let mut at = 0;
        let mut before = problem.cluster.dispatcher;
        for index in &chain.stages {
            let stage = &plan.stages[*index];
            used.insert(*index);
            assert_eq!(stage.segment.from, at, "segments follow each other");
            assert!(stage.segment.to > at);
            at = stage.segment.to;
            let device = &problem.cluster.nodes[stage.node];
            assert!(device.worker && !problem.excluded.contains(&stage.node));
            assert!(problem.profile.memory(stage.segment) <= device.memory);
            assert!(!problem.severed.contains(&(before, stage.node)));
            assert!(problem.cluster.paths[before][stage.node].is_some());
            before = stage.node;
        }
        assert_eq!(at, problem.profile.pieces.len(), "the whole model is covered");
        assert!(!problem.severed.contains(&(before, problem.cluster.dispatcher)));
    }
    assert_eq!(used.len(), plan.stages.len(), "every stage is on some way");
}
