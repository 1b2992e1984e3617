//! One cell of the grid: all contenders on the same clusters.

use std::time::{Duration, Instant};

use super::{Cell, Contender, DEVICE_FLOPS, Grid, Row, Rules, Tables};
use crate::cluster::wifi::WifiSquare;
use crate::cluster::{Cluster, Device, Energy, Path, Rates};
use crate::codec::Codec;
use crate::profile::{ModelProfile, nominal};
use crate::seifer::{self, Point};
use crate::strategy::{
    Compute, Greedy, Heft, Instance, KPath, Objective, Optimal, Problem, Random, Solution, Strategy,
};
use crate::units::{ByteSize, Rate};
use crate::zoo;

/// Rounding may make a value differ by this part.
const ROUNDING: f64 = 1e-9;
/// An answer is proven if no more than this part could be won.
const PROVEN: f64 = 1e-6;

/// What the contenders are given: a model by the rules.
enum Counted {
    Seifer(Vec<Point>),
    True(ModelProfile),
}

/// All contenders on the clusters of a cell.
pub(super) fn study(grid: &Grid, cell: Cell, tables: &Tables) -> Vec<Row> {
    // The zoo has all models of a grid.
    let Ok(layers) = zoo::layers(cell.model) else { return Vec::new() };
    let counted = match cell.rules {
        Rules::Seifer => Counted::Seifer(seifer::points(&layers)),
        Rules::True => Counted::True(nominal(&layers, DEVICE_FLOPS)),
    };
    let contenders: Vec<Contender> = [Contender::Optimal]
        .into_iter()
        .chain(grid.classes.iter().map(|classes| Contender::KPath { classes: *classes }))
        .chain([Contender::Greedy, Contender::Compute, Contender::Heft, Contender::Random])
        .collect();
    let mut tallies: Vec<Tally> = contenders.iter().map(|_| Tally::default()).collect();
    for seed in 0..grid.clusters {
        let instance = counted.instance(cell, seed);
        let timed = counted.timed(&instance);
        let mut optimum: Option<Solution> = None;
        for (contender, tally) in contenders.iter().zip(&mut tallies) {
            let began = Instant::now();
            let stop = || *contender == Contender::Optimal && began.elapsed() > grid.patience;
            let found = match (*contender, &timed) {
                (Contender::Compute | Contender::Heft, Some(timed)) => {
                    let found = contender.strategy().place(timed, Objective::Throughput, seed, &stop);
                    // What it planned by is not what is counted.
                    found.map(|found| Solution { value: instance.value(Objective::Throughput, &found.chain), ..found })
                }
                _ => contender.strategy().place(&instance, Objective::Throughput, seed, &stop),
            };
            tally.slowest = tally.slowest.max(began.elapsed());
            match found {
                Ok(found) => {
                    let best = optimum.get_or_insert_with(|| found.clone());
                    tally.add(&instance, &found, best);
                }
                Err(unplaced) => tally.impossible += u64::from(unplaced.proven),
            }
        }
    }
    contenders
        .into_iter()
        .zip(tallies)
        .map(|(contender, tally)| {
            let published = tables.seconds(cell.rules, cell.model, cell.capacity_mib, cell.nodes, contender);
            tally.row(cell, contender, grid.clusters, published)
        })
        .collect()
}

impl Contender {
    fn strategy(self) -> Box<dyn Strategy> {
        match self {
            Contender::Optimal => Box::new(Optimal::THOROUGH),
            Contender::KPath { classes } => Box::new(KPath { classes }),
            Contender::Greedy => Box::new(Greedy),
            Contender::Compute => Box::new(Compute),
            Contender::Heft => Box::new(Heft),
            Contender::Random => Box::new(Random),
        }
    }
}

impl Counted {
    /// Where computing costs nothing: the instance with the time that it would take.
    fn timed(&self, instance: &Instance) -> Option<Instance> {
        let Counted::Seifer(points) = self else { return None };
        let times: Vec<f64> = points.iter().map(|point| point.flops as f64 / DEVICE_FLOPS).collect();
        Some(instance.timed(&times))
    }

    /// The model on a random cluster. The nodes of a seed are at the same places by all rules.
    fn instance(&self, cell: Cell, seed: u64) -> Instance {
        let square = |nodes| {
            WifiSquare { nodes, side: WifiSquare::SIDE, channel_mhz: WifiSquare::CHANNEL_MHZ }.place(seed).rates
        };
        let capacity = ByteSize::from_mib(cell.capacity_mib);
        match self {
            Counted::Seifer(points) => {
                let mbits = |rate: Option<Rate>| rate.map_or(0.0, Rate::mbits_per_second);
                let rates: Vec<Vec<f64>> =
                    square(cell.nodes).into_iter().map(|row| row.into_iter().map(mbits).collect()).collect();
                let transfer: Vec<f64> = points.iter().map(|point| point.transfer_mbit).collect();
                let memory: Vec<u64> = points.iter().map(|point| point.memory).collect();
                Instance::published(&transfer, &memory, capacity.bytes(), &rates)
            }
            Counted::True(profile) => {
                let cluster = cluster(square(cell.nodes + 1), capacity);
                let workers: Vec<usize> = (0..cell.nodes).collect();
                Instance::new(&Problem::new(profile, &cluster, Codec::Raw), &workers)
            }
        }
    }
}

/// Equal workers; the last node is dispatcher and client.
fn cluster(rates: Rates, memory: ByteSize) -> Cluster {
    let last = rates.len() - 1;
    let device = |index: usize| Device {
        name: index.to_string(),
        worker: index < last,
        memory,
        slowdown: 1.0,
        energy: Energy::default(),
    };
    let path = |rate| Path { rate: Some(rate), delay: Duration::ZERO, air: None };
    Cluster {
        nodes: (0..=last).map(device).collect(),
        paths: rates.into_iter().map(|row| row.into_iter().map(|rate| rate.map(path)).collect()).collect(),
        client: last,
        dispatcher: last,
    }
}

/// Sums over the clusters.
#[derive(Default)]
struct Tally {
    found: u64,
    impossible: u64,
    proven: u64,
    below_bound: u64,
    seconds: f64,
    squares: f64,
    stages: usize,
    ratio: f64,
    worst: f64,
    published_ratio: f64,
    slowest: Duration,
}

impl Tally {
    fn add(&mut self, instance: &Instance, found: &Solution, best: &Solution) {
        let ratio = if best.value > 0.0 { found.value / best.value } else { 1.0 };
        self.found += 1;
        self.proven += u64::from(found.value <= found.bound * (1.0 + PROVEN));
        self.below_bound += u64::from(found.value < best.bound * (1.0 - ROUNDING));
        self.seconds += found.value;
        self.squares += found.value * found.value;
        self.stages += found.chain.len();
        self.ratio += ratio;
        self.worst = self.worst.max(ratio);
        self.published_ratio += published_ratio(instance, found);
    }

    fn row(self, cell: Cell, strategy: Contender, clusters: u64, published_s: Option<f64>) -> Row {
        let mean = |sum: f64| (self.found > 0).then(|| sum / self.found as f64);
        let Cell { rules, model, capacity_mib, nodes } = cell;
        Row {
            rules,
            model,
            capacity_mib,
            nodes,
            strategy,
            classes: strategy.classes(),
            clusters,
            found: self.found,
            impossible: self.impossible,
            mean_s: mean(self.seconds),
            error_s: mean(self.squares).map(|squares| standard_error(squares, self.seconds, self.found as f64)),
            stages: mean(self.stages as f64),
            to_optimum: mean(self.ratio),
            worst_to_optimum: mean(self.worst).map(|_| self.worst),
            below_bound: self.below_bound,
            published_ratio: mean(self.published_ratio).filter(|_| rules == Rules::Seifer),
            proven: (strategy == Contender::Optimal).then_some(self.proven + self.impossible),
            slowest_s: self.slowest.as_secs_f64(),
            published_s,
        }
    }
}

/// Of a mean, from the mean of the squares, the sum, and their number.
fn standard_error(squares: f64, sum: f64, count: f64) -> f64 {
    let variance = (squares - (sum / count).powi(2)).max(0.0);
    (variance / (count - 1.0).max(1.0)).sqrt()
}

/// The authors' "approximation ratio": the value as a multiple of the largest of the chain's own transfers over the
/// largest bandwidth in the cluster. It never says what other cuts would give.
fn published_ratio(instance: &Instance, found: &Solution) -> f64 {
    let largest =
        found.chain.iter().rev().skip(1).map(|(_, segment)| instance.wire_bits(segment.to)).fold(0.0, f64::max);
    let nodes = || 0..instance.nodes.len();
    let widest = nodes()
        .flat_map(|from| nodes().filter(move |to| *to != from).map(move |to| instance.bandwidth(from, to)))
        .fold(0.0, f64::max);
    let least = largest / widest;
    if least > 0.0 { found.value / least } else { 1.0 }
}
