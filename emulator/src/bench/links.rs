//! How exactly links keep to what was asked, and how much they carry.
//!
//! What should be: the goodput of a TCP connection is rate × 1448 / 1514 (payload and wire bytes of a full-size packet with timestamps), and an
//! idle round trip takes twice the delay and the transmission of both packets.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use planner::units::Rate;
use serde::Serialize;

use super::traffic::flows;
use super::trips::{Spread, Trips};
use super::unshaped::{self, Ceiling, processor_times};
use super::{BenchError, bare, build, pair};
use crate::fabric::{CarrierChoice, Fabric, Network, Shape};
use crate::scenario::network::{Airtime, Medium};

/// Payload and wire bytes of a full-size TCP packet with timestamps.
const GOODPUT: f64 = 1448.0 / 1514.0;

/// What one link did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LinkFigures {
    /// What carried it.
    pub carrier: String,
    /// The rate that was asked for, in megabits per second.
    pub rate_mbits: f64,
    /// The delay that was asked for, in milliseconds.
    pub delay_ms: f64,
    /// Payload of one TCP connection, in megabits per second.
    pub goodput_mbits: f64,
    /// That, as a share of what the rate allows.
    pub ratio: f64,
    /// By how much longer than it should an idle round trip takes.
    pub rtt_error: Trips,
    /// What a round trip takes, right after that and at the same pace, over a plain pair of interfaces: the measure's own error.
    pub bare_rtt: Trips,
    /// How late a thread with real-time priority wakes up after a nap as long as the delay, right after that: a forwarder naps
    /// twice in a round trip, its two ends at least once each.
    pub wake_up: Spread,
    /// Processors that the forwarding thread kept busy; `None`: the kernel forwards.
    pub forwarder_cores: Option<f64>,
}

/// What a medium of many nodes did, of which each sends to the next.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HubFigures {
    /// What carried it.
    pub carrier: String,
    /// How many nodes.
    pub nodes: usize,
    /// Goodput as a share of what the rate allows, of the flow that got least.
    pub ratio_min: f64,
    /// Of all.
    pub ratio_mean: f64,
    /// By how much longer than it should a round trip takes, beside all flows, where no flow is.
    pub rtt_error: Trips,
    /// Processors that the forwarding thread kept busy.
    pub forwarder_cores: Option<f64>,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Links of different shapes.
    pub links: Vec<LinkFigures>,
    /// A link without a shape.
    pub unshaped: Ceiling,
    /// A medium.
    pub hub: HubFigures,
    /// The same while every processor is kept busy by a thread.
    pub hub_busy: HubFigures,
    /// Seconds in which a hypervisor kept processors from this host while all this was measured: no emulator's doing, but in every p99.
    pub stolen_s: f64,
    /// In which respects links can't be all that they should here.
    pub warnings: Vec<String>,
}

/// The links: megabits per second and milliseconds.
const CLASSES: [(f64, u64); 4] = [(1.0, 10), (10.0, 20), (100.0, 5), (1000.0, 1)];
/// The medium: as above, and its nodes.
const HUB: (f64, u64, usize) = (10.0, 10, 20);

/// Measures, each flow for `time`, and beside `rattan` if that is there; `tell` is told what is done next.
///
/// # Errors
/// When a network can't be built or used.
pub fn measure(
    choice: CarrierChoice,
    time: Duration,
    rattan: Option<&Path>,
    mut tell: impl FnMut(&str),
) -> Result<Figures, BenchError> {
    let (mut links, mut warnings, (_, stolen)) = (Vec::new(), Vec::new(), processor_times());
    for (mbits, millis) in CLASSES {
        tell(&format!("a link of {mbits} Mbit/s and {millis} ms"));
        links.push(link(mbits, millis, choice, time, &mut warnings)?);
    }
    tell("a link without a shape");
    let unshaped = unshaped::measure(choice, time, rattan)?;
    tell(&format!("a medium of {} nodes", HUB.2));
    let hub_quiet = hub(choice, time)?;
    tell("the same while every processor is kept busy");
    let burners = Burners::start();
    let hub_busy = hub(choice, time)?;
    drop(burners);
    warnings.sort();
    warnings.dedup();
    let stolen_s = processor_times().1 - stolen;
    Ok(Figures { links, unshaped, hub: hub_quiet, hub_busy, stolen_s, warnings })
}

fn shape(mbits: f64, millis: u64) -> Shape {
    let rate = Some(Rate::from_mbits_per_second(mbits));
    Shape { rate, delay: Duration::from_millis(millis), ..Shape::default() }
}

fn link(
    mbits: f64,
    millis: u64,
    choice: CarrierChoice,
    time: Duration,
    warnings: &mut Vec<String>,
) -> Result<LinkFigures, BenchError> {
    let shape = shape(mbits, millis);
    let fabric = build(&pair(&shape), choice)?;
    let carrier = fabric.carrier_name().to_owned();
    let rtt_error = Trips::measure(&fabric, (0, 1), &shape, time)?;
    let (goodput, forwarder_cores) = flow(&fabric, time)?;
    warnings.extend(fabric.warnings());
    // What this carrier does for its own sake must not reach into what it is held against.
    drop(fabric);
    let bare_rtt = Trips::measure_bare(&bare::fabric()?, &shape, time / 2)?;
    let wake_up = Spread::of(bare::wake_ups(shape.delay, bare_rtt.trips)?, Duration::ZERO);
    let ratio = goodput / (mbits * GOODPUT);
    let (rate_mbits, delay_ms, goodput_mbits) = (mbits, millis as f64, goodput);
    Ok(LinkFigures {
        carrier,
        rate_mbits,
        delay_ms,
        goodput_mbits,
        ratio,
        rtt_error,
        bare_rtt,
        wake_up,
        forwarder_cores,
    })
}

/// Megabits per second of one connection from the first node to the second, and the processors that forwarding took.
pub(super) fn flow(fabric: &Fabric, time: Duration) -> Result<(f64, Option<f64>), BenchError> {
    let wait = || {
        std::thread::sleep(time.mul_f64(0.8));
        Ok(())
    };
    let (goodput, ((), cores)) = flows(fabric, &[(0, 1)], time, || busy_while(wait))?;
    Ok((goodput[0], cores))
}

fn hub(choice: CarrierChoice, time: Duration) -> Result<HubFigures, BenchError> {
    let (mbits, millis, nodes) = HUB;
    let shape = shape(mbits, millis);
    let (members, shapes) = ((0..nodes).collect(), vec![vec![shape.clone(); nodes]; nodes]);
    let medium = Medium { name: "hub".to_owned(), members, shapes, airtime: Airtime::Independent };
    let fabric = build(&Network { nodes, media: vec![medium], ..Network::default() }, choice)?;
    let pairs: Vec<(usize, usize)> = (0..nodes).map(|node| (node, (node + 1) % nodes)).collect();
    // Acknowledgements go back by (1, 0): from 0 to 2 and back nothing else is sent.
    let (mut ratios, (rtt_error, forwarder_cores)) =
        flows(&fabric, &pairs, time.mul_f64(2.2), || busy_while(|| Trips::measure(&fabric, (0, 2), &shape, time)))?;
    ratios.iter_mut().for_each(|goodput| *goodput /= mbits * GOODPUT);
    ratios.sort_by(f64::total_cmp);
    Ok(HubFigures {
        carrier: fabric.carrier_name().to_owned(),
        nodes,
        ratio_min: ratios[0],
        ratio_mean: ratios.iter().sum::<f64>() / nodes as f64,
        rtt_error,
        forwarder_cores,
    })
}

/// Threads that keep every processor busy until this is dropped.
pub struct Burners(Arc<AtomicBool>);

impl Burners {
    /// Starts them.
    pub fn start() -> Burners {
        let over = Arc::new(AtomicBool::new(false));
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            let over = Arc::clone(&over);
            std::thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        Burners(over)
    }
}

impl Drop for Burners {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What `work` returns, and how many processors the forwarding thread keeps busy meanwhile.
fn busy_while<T>(work: impl FnOnce() -> Result<T, BenchError>) -> Result<(T, Option<f64>), BenchError> {
    let (before, began) = (forwarder_time(), Instant::now());
    let done = work()?;
    let cores = forwarder_time().zip(before).map(|(now, before)| (now - before) / began.elapsed().as_secs_f64());
    Ok((done, cores))
}

/// Seconds that the forwarding threads have run; `None` if there are none.
fn forwarder_time() -> Option<f64> {
    let tasks = fs::read_dir("/proc/self/task").ok()?.flatten().map(|task| task.path());
    let forwards =
        |path: &std::path::PathBuf| fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == "forwarder");
    let time = |path: std::path::PathBuf| {
        let times = fs::read_to_string(path.join("schedstat")).ok()?;
        times.split_whitespace().next()?.parse::<f64>().ok()
    };
    let times: Vec<f64> = tasks.filter(forwards).filter_map(time).collect();
    (!times.is_empty()).then(|| times.iter().sum::<f64>() / 1e9)
}
