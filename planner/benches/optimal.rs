//! How fast the optimum is proven: `cargo bench --bench optimal [FAMILY]`.
//!
//! Each family is 50 seeded clusters, those by the published rules the study's own; a search is stopped after ten seconds.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use planner::cluster::wifi::WifiSquare;
use planner::cluster::{Cluster, Device, Path};
use planner::codec::Codec;
use planner::paper::DEVICE_FLOPS;
use planner::profile::{Cut, ModelProfile, PROFILE_VERSION, Piece, nominal};
use planner::strategy::{Instance, Objective, Optimal, Problem, Strategy};
use planner::units::ByteSize;
use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

const CLUSTERS: u64 = 50;
const PATIENCE: Duration = Duration::from_secs(10);

fn between(random: &mut Pcg64, low: u64, high: u64) -> u64 {
    low + random.next_u64() % (high - low + 1)
}

/// A model of `pieces` pieces: tensors of 4 to 800 kB, times of 0.5 to 8 ms, 0.1 to 4 MiB of weights.
fn model(pieces: usize, random: &mut Pcg64) -> ModelProfile {
    let cut = |random: &mut Pcg64| Cut {
        tensors: Vec::new(),
        encoded: BTreeMap::from([(Codec::Raw, ByteSize::from_bytes(between(random, 4_000, 800_000)))]),
    };
    let piece = |random: &mut Pcg64| Piece {
        operators: Vec::new(),
        parameters: ByteSize::from_bytes(between(random, 100 << 10, 4 << 20)),
        activations: ByteSize::from_bytes(between(random, 100 << 10, 2 << 20)),
        flops: 0,
        time: Duration::from_micros(between(random, 500, 8_000)),
        timings: Vec::new(),
        digest: None,
    };
    ModelProfile {
        version: PROFILE_VERSION,
        model: String::new(),
        digest: String::new(),
        host: String::new(),
        process_memory: ByteSize::from_mib(8),
        footprint: planner::profile::Footprint::Process,
        cuts: (0..=pieces).map(|_| cut(random)).collect(),
        pieces: (0..pieces).map(|_| piece(random)).collect(),
    }
}

/// A Wi-Fi square of workers with `low` to `high` MiB, one to four times slower than the host.
fn cluster(workers: usize, (low, high): (u64, u64), channel_mhz: f64, random: &mut Pcg64) -> Cluster {
    let nodes = workers + 1;
    let rates = WifiSquare { nodes, side: WifiSquare::SIDE, channel_mhz }.place(random.next_u64()).rates;
    let path = |rate| Path { rate: Some(rate), delay: Duration::from_millis(2), air: None };
    let device = |index: usize, random: &mut Pcg64| Device {
        name: index.to_string(),
        worker: index > 0,
        memory: ByteSize::from_mib(between(random, low, high)),
        slowdown: between(random, 10, 40) as f64 / 10.0,
        energy: planner::cluster::Energy::default(),
    };
    Cluster {
        paths: rates.into_iter().map(|row| row.into_iter().map(|rate| rate.map(path)).collect()).collect(),
        nodes: (0..nodes).map(|index| device(index, random)).collect(),
        client: 0,
        dispatcher: 0,
    }
}

fn measure(family: &str, objective: Objective, instance: impl Fn(u64) -> Instance) {
    let (mut times, mut gaps, mut proven, mut stages, mut cuts) = (Vec::new(), Vec::new(), 0, 0, 0);
    for seed in 0..CLUSTERS {
        let instance = instance(seed);
        cuts = instance.end + 1;
        let began = Instant::now();
        let found = Optimal::THOROUGH.place(&instance, objective, seed, &|| began.elapsed() > PATIENCE);
        times.push((began.elapsed(), seed));
        match found {
            Ok(found) if found.value <= found.bound * (1.0 + 1e-6) => {
                proven += 1;
                stages += found.chain.len();
            }
            Ok(found) => gaps.push(found.value / found.bound - 1.0),
            Err(unplaced) => proven += usize::from(unplaced.proven),
        }
    }
    times.sort_unstable();
    let gap = gaps.iter().fold(0.0, |sum, gap| sum + gap) / gaps.len().max(1) as f64;
    println!(
        "{family:<42} {cuts:>3} cuts; proven {proven:>2} of {CLUSTERS}, {:>4.1} stages; median {:>7.2} ms, slowest {:>8.2} ms (seed {}); gap of the rest {:.2} %",
        stages as f64 / proven.max(1) as f64,
        times[times.len() / 2].0.as_secs_f64() * 1e3,
        times[times.len() - 1].0.as_secs_f64() * 1e3,
        times[times.len() - 1].1,
        gap * 100.0
    );
}

/// SEIFER's points of a model by its authors' count, on a Wi-Fi square.
fn published(model: &str, capacity_mib: u64, nodes: usize) -> impl Fn(u64) -> Instance {
    let points = planner::seifer::points(&planner::zoo::layers(model).expect("a model of the zoo"));
    let transfer: Vec<f64> = points.iter().map(|point| point.transfer_mbit).collect();
    let memory: Vec<u64> = points.iter().map(|point| point.memory).collect();
    move |seed| {
        let square = WifiSquare { nodes, side: WifiSquare::SIDE, channel_mhz: WifiSquare::CHANNEL_MHZ };
        let rates = square.place(seed).rates.into_iter();
        let rates: Vec<Vec<f64>> = rates
            .map(|row| row.into_iter().map(|rate| rate.map_or(0.0, |rate| rate.mbits_per_second())).collect())
            .collect();
        Instance::published(&transfer, &memory, capacity_mib << 20, &rates)
    }
}

/// A model by its nominal costs, on equal nodes that hold their weights and activations alone.
fn nominal_model(model: &str, capacity_mib: u64, nodes: usize) -> impl Fn(u64) -> Instance {
    let profile = nominal(&planner::zoo::layers(model).expect("a model of the zoo"), DEVICE_FLOPS);
    move |seed| {
        let (capacity, channel) = ((capacity_mib, capacity_mib), WifiSquare::CHANNEL_MHZ);
        let mut cluster = cluster(nodes, capacity, channel, &mut Pcg64::seed_from_u64(seed));
        cluster.nodes.iter_mut().for_each(|device| device.slowdown = 1.0);
        let available: Vec<usize> = (1..=nodes).collect();
        Instance::new(&Problem::new(&profile, &cluster, Codec::Raw), &available)
    }
}

fn main() {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let random = |pieces: usize, nodes: usize, low: u64, high: u64| {
        move |seed: u64| {
            let random = &mut Pcg64::seed_from_u64(seed);
            let (profile, cluster) = (model(pieces, random), cluster(nodes, (low, high), 5.0, random));
            let available: Vec<usize> = (1..=nodes).collect();
            Instance::new(&Problem::new(&profile, &cluster, Codec::Raw), &available)
        }
    };
    for (model, capacity) in [
        ("resnet50", 64),
        ("mobilenet-v2", 64),
        ("inception-resnet-v2", 64),
        ("vgg16", 64),
        ("densenet121", 64),
        ("densenet201", 64),
        ("densenet201", 128),
    ] {
        for nodes in [5, 20, 50] {
            let family = format!("published, {model}:{capacity}, {nodes} nodes");
            if family.contains(&wanted) {
                measure(&family, Objective::Throughput, published(model, capacity, nodes));
            }
        }
    }
    for (model, capacity, nodes) in [
        ("densenet121", 4, 20),
        ("densenet121", 4, 50),
        ("densenet121", 5, 20),
        ("densenet121", 6, 20),
        ("resnet50", 32, 20),
    ] {
        let family = format!("nominal, {model}:{capacity}, {nodes} nodes");
        if family.contains(&wanted) {
            measure(&family, Objective::Throughput, nominal_model(model, capacity, nodes));
        }
    }
    for (name, pieces, nodes, low, high) in [
        ("roomy", 60, 20, 64, 128),
        ("tight", 60, 20, 32, 64),
        ("tight", 60, 50, 32, 64),
        ("small", 60, 50, 24, 40),
        ("many cuts", 120, 20, 48, 96),
        ("many cuts", 120, 50, 32, 64),
    ] {
        let family = format!("random model, {name}, {nodes} nodes");
        for (objective, what) in
            [(Objective::Throughput, "throughput"), (Objective::Latency { floor_per_s: 0.0 }, "latency")]
        {
            let family = format!("{family}, {what}");
            if family.contains(&wanted) {
                measure(&family, objective, random(pieces, nodes, low, high));
            }
        }
    }
}
