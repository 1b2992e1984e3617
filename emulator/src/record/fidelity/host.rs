//! What the host did while load was offered.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::rounded;
use crate::record::sample::Pressure;
use crate::record::tally::{HostSeen, Second, Tally};

/// What the host did while load was offered; every value is that of about a second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostSummary {
    /// Samples that were taken.
    pub samples: usize,
    /// Share of the host's processors that did anything.
    pub busy: Option<Spread>,
    /// Share that did it for this run; `None` where `/proc` doesn't show its processes.
    pub own: Option<Spread>,
    /// Share that the hypervisor gave to others.
    pub stolen: Option<Spread>,
    /// Milliseconds of a processor that looking at the host and the links took in a second, and writing that down.
    #[serde(default)]
    pub looking_ms: Option<Spread>,
    /// Share of the time in which something waited for a processor; `None` where the kernel doesn't tell.
    pub cpu_pressure: Option<Spread>,
    /// Likewise for the disk.
    pub io_pressure: Option<Spread>,
    /// Likewise for memory.
    pub memory_pressure: Option<Spread>,
    /// For how long the run's threads were ready and waited in a second, where pressure isn't told.
    pub run_delay_s: Option<Spread>,
    /// How late packets left the software carrier, in milliseconds: all together, so off by a factor of two at most.
    pub lateness_ms: Option<Spread>,
    /// Packets that were in the carrier for one direction, waiting for their rate or delay: of all directions the most.
    #[serde(default)]
    pub under_way: Option<Spread>,
    /// Packets that were dropped before the software carrier could read them.
    pub unread: u64,
    /// How many threads the software carrier had at most: more than one where the load asked for it; 0 with netem.
    #[serde(default)]
    pub forwarders: u64,
    /// Packets that it had no room for.
    pub refused: u64,
    /// Page faults of the run's processes for which something had to be read.
    pub major_faults: u64,
    /// Times that the kernel left packets for later.
    pub squeezed: u64,
    /// How late nodes' timers woke up, in milliseconds: the latest of about a second, of all nodes.
    pub timer_late_ms: Option<Spread>,
    /// Nodes that their control groups held back, as their `cpu` in the scenario says.
    pub throttled: Vec<Throttling>,
}

/// How a value is spread.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Median.
    pub p50: f64,
    /// 99th percentile (nearest rank).
    pub p99: f64,
    /// Largest.
    pub max: f64,
}

/// A node that its control group held back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Throttling {
    /// The node.
    pub node: String,
    /// In how many of the group's periods.
    pub periods: u64,
    /// For how many seconds.
    pub time_s: f64,
}

/// `None` without samples.
pub fn host(tally: &Tally) -> Option<HostSummary> {
    let HostSeen { seconds, lateness, unread, forwarders, refused, major_faults, squeezed, throttled } = &tally.host;
    if seconds.is_empty() {
        return None;
    }
    let of = |value: &dyn Fn(&Second) -> Option<f64>| spread(seconds.iter().filter_map(value).collect());
    let pressure = |value: fn(&Pressure) -> f64| of(&|second| second.pressure.as_ref().map(value));
    let millis = |time: Duration| rounded(time.as_secs_f64() * 1e3);
    Some(HostSummary {
        samples: seconds.len(),
        busy: of(&|second| Some(second.cpu.busy)),
        own: of(&|second| second.cpu.own),
        stolen: of(&|second| Some(second.cpu.stolen)),
        looking_ms: of(&|second| {
            let looked = !second.looking.is_zero();
            looked.then(|| second.looking.as_secs_f64() * 1e3 / second.over.as_secs_f64().max(1e-3))
        }),
        cpu_pressure: pressure(|pressure| pressure.cpu),
        io_pressure: pressure(|pressure| pressure.io),
        memory_pressure: pressure(|pressure| pressure.memory),
        run_delay_s: of(&|second| Some(second.run_delay_s? / second.over.as_secs_f64().max(1e-3))),
        lateness_ms: (lateness.total() > 0).then(|| Spread {
            p50: millis(lateness.quantile(0.5)),
            p99: millis(lateness.quantile(0.99)),
            max: millis(lateness.quantile(1.0)),
        }),
        under_way: of(&|second| Some(second.under_way as f64)),
        unread: *unread,
        forwarders: *forwarders,
        refused: *refused,
        major_faults: *major_faults,
        squeezed: *squeezed,
        timer_late_ms: spread(tally.timers.iter().map(|(.., late)| late.as_secs_f64() * 1e3).collect()),
        throttled: throttled
            .iter()
            .map(|(node, (periods, time))| Throttling {
                node: node.clone(),
                periods: *periods,
                time_s: rounded(time.as_secs_f64()),
            })
            .collect(),
    })
}

fn spread(mut values: Vec<f64>) -> Option<Spread> {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        values.get(((share * values.len() as f64).ceil() as usize).max(1) - 1).map(|value| rounded(*value))
    };
    Some(Spread { p50: at(0.5)?, p99: at(0.99)?, max: at(1.0)? })
}
