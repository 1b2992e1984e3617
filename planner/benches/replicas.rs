//! What replicas add: `cargo bench --bench replicas`.
//!
//! ResNet50 by its nominal costs on nodes of 32 MiB, 20 seeded clusters each, and the same where paths cost nothing; a search
//! is stopped after ten seconds.

use std::time::{Duration, Instant};

use planner::cluster::wifi::WifiSquare;
use planner::cluster::{Cluster, Device, Energy, Path};
use planner::codec::Codec;
use planner::paper::DEVICE_FLOPS;
use planner::profile::nominal;
use planner::strategy::{Problem, Replicas, StrategyKind};
use planner::units::ByteSize;

const CLUSTERS: u64 = 20;
const PATIENCE: Duration = Duration::from_secs(10);

/// Equal workers in SEIFER's square, each pair with a link of its own; node 0 is client and dispatcher.
fn cluster(workers: usize, memory: ByteSize, free: bool, seed: u64) -> Cluster {
    let square =
        WifiSquare { nodes: workers + 1, side: WifiSquare::SIDE, channel_mhz: WifiSquare::CHANNEL_MHZ }.place(seed);
    let path = |rate| Path { rate: Some(rate).filter(|_| !free), delay: Duration::from_millis(2), air: None };
    let device = |index: usize| Device {
        name: index.to_string(),
        worker: index > 0,
        memory,
        slowdown: 1.0,
        energy: Energy::default(),
    };
    Cluster {
        paths: square.rates.into_iter().map(|row| row.into_iter().map(|rate| rate.map(path)).collect()).collect(),
        nodes: (0..=workers).map(device).collect(),
        client: 0,
        dispatcher: 0,
    }
}

fn main() {
    let profile = nominal(&planner::zoo::layers("resnet50").expect("a model of the zoo"), DEVICE_FLOPS);
    let alone = profile.time(profile.whole()).as_secs_f64();
    for (workers, free) in [(10, false), (20, false), (50, false), (10, true), (20, true)] {
        let (mut ratios, mut gaps, mut ideal) = (Vec::new(), Vec::new(), Vec::new());
        let (mut chains, mut slowest) = (0, Duration::ZERO);
        for seed in 0..if free { 1 } else { CLUSTERS } {
            let cluster = cluster(workers, ByteSize::from_mib(32), free, seed);
            let problem = Problem::new(&profile, &cluster, Codec::Raw);
            let plan = |replicas| {
                let began = Instant::now();
                let problem = Problem { replicas, ..problem };
                let plan = StrategyKind::Optimal.plan(&problem, seed, &|| began.elapsed() > PATIENCE).expect("a plan");
                (plan, began.elapsed())
            };
            let ((single, _), (all, took)) = (plan(Replicas::One), plan(Replicas::Auto));
            ratios.push(all.prediction.throughput_per_s() / single.prediction.throughput_per_s());
            gaps.push(all.proof.map_or(f64::NAN, |proof| proof.gap()));
            ideal.push(all.prediction.throughput_per_s() * alone / workers as f64);
            chains += all.chains.len();
            slowest = slowest.max(took);
        }
        ratios.sort_by(f64::total_cmp);
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        println!(
            "resnet50 on {workers} nodes of 32 MiB{}: all chains / one chain {:.2} in the mean ({:.2} to {:.2}), {:.1} chains, \
             {:.0} % of what the nodes can compute, upper bound {:.2} times that; slowest {:.2} s",
            if free { ", paths that cost nothing" } else { "" },
            mean(&ratios),
            ratios[0],
            ratios[ratios.len() - 1],
            chains as f64 / ratios.len() as f64,
            mean(&ideal) * 100.0,
            1.0 + mean(&gaps),
            slowest.as_secs_f64()
        );
    }
}
