//! What this host was measured to carry, kept in the cache so that runs can be held against it.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use planner::units::ByteSize;
use serde::{Deserialize, Serialize};

use super::links::flow;
use super::traffic::datagrams;
use super::{BenchError, build, io, pair, quantile};
use crate::fabric::{CarrierChoice, Shape};
use crate::model;
use crate::record::env::Env;

/// What a host carries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostFigures {
    /// The model of its processor.
    pub cpu: String,
    /// Its kernel.
    pub kernel: String,
    /// Processors that this process may use.
    pub cores: u32,
    /// As many as all of them together are worth one that works alone.
    pub processors: f64,
    /// Payload through one TCP connection over a software link without a shape, in megabits per second.
    pub tcp_mbits: f64,
    /// Processors that the forwarding thread kept busy meanwhile.
    pub forwarder_cores: f64,
    /// Datagrams of 64 bytes per second that arrive at the far end of the same link.
    pub packets_per_s: f64,
    /// How late a thread wakes up that sleeps for a millisecond: half of all times, and 99 of 100, in microseconds.
    pub wake_up_us: [f64; 2],
}

impl HostFigures {
    /// Seconds of a processor that forwarding takes for so many bytes in full-size packets.
    pub fn forwarding(&self, bytes: ByteSize) -> f64 {
        bytes.bytes() as f64 * 8.0 / 1e6 / self.tcp_mbits.max(1.0) * self.forwarder_cores
    }
}

/// Measures, for `time` each; what is measured is kept for runs to come, where a cache can be written.
///
/// # Errors
/// When the network can't be built or used, or the file can't be written.
pub fn measure(time: Duration) -> Result<HostFigures, BenchError> {
    let env = Env::gather(jiff::Timestamp::now(), 0, Vec::new());
    let processors = processors(env.cores, time);
    let wake_up_us = wake_up(time);
    let fabric = build(&pair(&Shape::default()), CarrierChoice::Software)?;
    let (tcp_mbits, cores) = flow(&fabric, time)?;
    let figures = HostFigures {
        cpu: env.cpu,
        kernel: env.kernel,
        cores: env.cores,
        processors,
        tcp_mbits,
        forwarder_cores: cores.unwrap_or(1.0),
        packets_per_s: datagrams(&fabric, 0, 1, time)?,
        wake_up_us,
    };
    if let Some(path) = file() {
        let text = serde_json::to_vec_pretty(&figures).unwrap_or_default();
        fs::write(&path, text).map_err(io("keeping the figures in the cache"))?;
    }
    Ok(figures)
}

/// What was measured of this host; `None` if nothing was, it was another kernel or processor, or another version of `emu` measured
/// something else.
pub fn known() -> Option<HostFigures> {
    let figures: HostFigures = serde_json::from_slice(&fs::read(file()?).ok()?).ok()?;
    let env = Env::gather(jiff::Timestamp::UNIX_EPOCH, 0, Vec::new());
    let sound = figures.processors > 0.0 && figures.forwarder_cores >= 0.0 && figures.tcp_mbits > 0.0;
    let same = figures.cpu == env.cpu && figures.kernel == env.kernel && figures.cores == env.cores;
    Some(figures).filter(|_| sound && same)
}

fn file() -> Option<PathBuf> {
    Some(model::cache_folder().ok()?.join("host.json"))
}

/// How much more is computed by as many threads as there are cores than by one.
fn processors(cores: u32, time: Duration) -> f64 {
    let work = || {
        let (mut count, mut value, began) = (0u64, 1.0f64, Instant::now());
        while began.elapsed() < time {
            for _ in 0..1000 {
                value = std::hint::black_box(value * 1.000_000_1 + 1e-9);
            }
            count += 1;
        }
        count as f64 / began.elapsed().as_secs_f64()
    };
    let alone = work();
    let together: f64 = thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(0.0)).sum()
    });
    together / alone.max(1e-9)
}

fn wake_up(time: Duration) -> [f64; 2] {
    let (began, nap) = (Instant::now(), Duration::from_millis(1));
    let mut late = Vec::new();
    while began.elapsed() < time {
        let before = Instant::now();
        thread::sleep(nap);
        late.push((before.elapsed().as_secs_f64() - nap.as_secs_f64()) * 1e6);
    }
    late.sort_by(f64::total_cmp);
    [0.5, 0.99].map(|share| quantile(&late, share))
}
