//! What links without a shape carry: how far the carrier goes by itself, beside a plain pair of interfaces and rattan.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::links::flow;
use super::traffic::{datagrams, one_by_one};
use super::{BenchError, bare, build, pair, quantile, rattan};
use crate::fabric::{CarrierChoice, Fabric, Shape};

/// How often a link without a shape is measured.
const ROUNDS: usize = 3;

/// What goes through where nothing limits it but this host: medians of [`ROUNDS`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Capacity {
    /// Payload of one TCP connection, in megabits per second.
    pub tcp_mbits: f64,
    /// The same of one that sends packet by packet, without super-frames.
    pub tcp_packets_mbits: f64,
    /// Datagrams of 64 bytes per second that arrive at the far interface.
    pub datagrams_per_s: f64,
}

/// What a link without a shape carries, and what others do in the same rounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ceiling {
    /// What carried it.
    pub carrier: String,
    /// What it carried.
    #[serde(flatten)]
    pub own: Capacity,
    /// Processors that the forwarding thread kept busy: with super-frames, and packet by packet.
    pub forwarder_cores: Option<[f64; 2]>,
    /// Processors that all of this host kept busy meanwhile: with super-frames, and packet by packet.
    pub host_cores: [f64; 2],
    /// What a plain pair of interfaces carries, which no thread forwards.
    pub bare: Capacity,
    /// Payload of one TCP connection over rattan's link, in megabits per second; `None`: it isn't there, or failed.
    pub rattan_tcp_mbits: Option<f64>,
    /// How many times as much that is here: with super-frames, and packet by packet.
    pub times_rattan: Option<[f64; 2]>,
}

/// What one round saw.
struct Round {
    carried: Capacity,
    forwarder: [Option<f64>; 2],
    host: [f64; 2],
}

/// Measures all of them one after the other, in rounds, each flow for `time` in all rounds together.
pub(super) fn measure(choice: CarrierChoice, time: Duration, rattan: Option<&Path>) -> Result<Ceiling, BenchError> {
    let time = time / ROUNDS as u32;
    let (mut ours, mut bare, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    let mut carrier = "";
    for _ in 0..ROUNDS {
        let fabric = build(&pair(&Shape::default()), choice)?;
        carrier = fabric.carrier_name();
        ours.push(round(&fabric, time)?);
        drop(fabric);
        bare.push(round(&bare::fabric()?, time)?);
        theirs.extend(rattan.map(|program| rattan::tcp(program, time)).transpose()?.flatten());
    }
    let own = middle(&ours);
    let rattan_tcp_mbits = (!theirs.is_empty()).then(|| median(theirs));
    let forwarder = [0, 1].map(|which| ours.iter().filter_map(|round| round.forwarder[which]).collect::<Vec<_>>());
    Ok(Ceiling {
        carrier: carrier.to_owned(),
        own,
        forwarder_cores: forwarder.iter().all(|cores| !cores.is_empty()).then(|| forwarder.map(median)),
        host_cores: [0, 1].map(|which| median(ours.iter().map(|round| round.host[which]).collect())),
        bare: middle(&bare),
        rattan_tcp_mbits,
        times_rattan: rattan_tcp_mbits.map(|theirs| [own.tcp_mbits / theirs, own.tcp_packets_mbits / theirs]),
    })
}

fn round(fabric: &Fabric, time: Duration) -> Result<Round, BenchError> {
    let measured = || {
        let ((before, _), began) = (processor_times(), Instant::now());
        let (mbits, cores) = flow(fabric, time)?;
        Ok::<_, BenchError>((mbits, cores, (processor_times().0 - before) / began.elapsed().as_secs_f64()))
    };
    let (tcp_mbits, cores, host) = measured()?;
    let datagrams_per_s = datagrams(fabric, 0, 1, time)?;
    one_by_one(fabric, &[0, 1])?;
    let (tcp_packets_mbits, packets_cores, packets_host) = measured()?;
    Ok(Round {
        carried: Capacity { tcp_mbits, tcp_packets_mbits, datagrams_per_s },
        forwarder: [cores, packets_cores],
        host: [host, packets_host],
    })
}

fn middle(rounds: &[Round]) -> Capacity {
    let of = |what: fn(&Capacity) -> f64| median(rounds.iter().map(|round| what(&round.carried)).collect());
    Capacity {
        tcp_mbits: of(|carried| carried.tcp_mbits),
        tcp_packets_mbits: of(|carried| carried.tcp_packets_mbits),
        datagrams_per_s: of(|carried| carried.datagrams_per_s),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    quantile(&values, 0.5)
}

/// Seconds of all processors together since the host started: those that were not idle, and those in which a hypervisor ran something
/// else instead; zeros if the kernel doesn't say.
pub(super) fn processor_times() -> (f64, f64) {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let hundredths = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let seconds: Vec<f64> = hundredths.filter_map(|time| Some(time.parse::<f64>().ok()? / 100.0)).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal (proc(5)).
    let of = |which: &[usize]| which.iter().filter_map(|&which| seconds.get(which)).sum();
    (of(&[0, 1, 2, 5, 6]), of(&[7]))
}
