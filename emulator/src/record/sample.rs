//! What the host and the links did in about a second, as it is written down: what a verdict on the emulation's own
//! fidelity is judged by ([`super::fidelity`]). All of it is seen from outside the emulated network.

use std::time::Duration;

use planner::units::duration;
use serde::{Deserialize, Serialize};

use crate::fabric::Counters;

/// One sample. Counts and times are those since the sample before.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HostSample {
    /// How long that is.
    #[serde(with = "duration")]
    pub over: Duration,
    /// Processor time that it took to look at all this and to write it down, the time before.
    #[serde(default, with = "duration", skip_serializing_if = "Duration::is_zero")]
    pub looking: Duration,
    /// The processors.
    pub cpu: Cpu,
    /// How long tasks waited for what; `None` where the kernel doesn't tell (`/proc/pressure`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pressure: Option<Pressure>,
    /// How long the threads of the run's processes were ready and waited for a processor, all together; `None` where the kernel
    /// keeps no such statistics, or tells pressure and a model runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_delay_s: Option<f64>,
    /// Page faults of the run's processes for which something had to be read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub major_faults: u64,
    /// Times that the kernel left packets for later because it had spent its share of time on them (`softnet_stat`).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub squeezed: u64,
    /// Nodes that their control groups held back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub throttled: Vec<Throttled>,
    /// The software carrier's threads; `None` with netem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarder: Option<Forwarder>,
    /// Directions in which anything passed or was dropped.
    pub links: Vec<LinkUse>,
    /// Directions in which something else is in force than what was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amiss: Vec<Amiss>,
}

/// Shares of the time of all of the host's processors.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Cpu {
    /// They did anything.
    pub busy: f64,
    /// They did it for this run: its nodes and `emu`; `None` where `/proc` doesn't show these.
    pub own: Option<f64>,
    /// The hypervisor gave them to others.
    pub stolen: f64,
}

/// Shares of the time in which at least one task of the host waited (the kernel's pressure stall information, `some`).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Pressure {
    /// For a processor.
    pub cpu: f64,
    /// For the disk.
    pub io: f64,
    /// For memory.
    pub memory: f64,
}

/// A node that its control group held back: it had used its share of the processors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Throttled {
    /// The node.
    pub node: String,
    /// In how many of the group's periods.
    pub periods: u64,
    /// For how long.
    #[serde(with = "duration")]
    pub time: Duration,
}

/// The forwarding threads.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Forwarder {
    /// How many packets left how late: the bucket `b` is for those less than 2^b ns late.
    pub lateness: Vec<(u8, u64)>,
    /// Packets that were dropped before they could read them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unread: u64,
    /// How many threads there were.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub threads: u64,
}

/// What passed in a direction.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LinkUse {
    /// The sender.
    pub from: String,
    /// The receiver.
    pub to: String,
    /// The rate in force at the end, in bits per second; `None`: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u64>,
    /// Whether a fault gave it another shape than the scenario's, for some of the time at least.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub faulty: bool,
    /// Packets that were in the carrier at the end, waiting for their rate or their delay (a super-frame is one of them with netem).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub under_way: u64,
    /// What passed.
    #[serde(with = "WithoutZeros")]
    pub counters: Counters,
}

/// How [`Counters`] are written here, hundreds of them in a second: what is zero is left out.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Counters")]
struct WithoutZeros {
    #[serde(default, skip_serializing_if = "is_zero")]
    packets: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    bytes: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    lost: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    overflowed: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    aqm_dropped: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    refused: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A direction in which something else is in force than what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amiss {
    /// The sender.
    pub from: String,
    /// The receiver.
    pub to: String,
    /// What is wrong.
    pub what: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_zero_is_not_written_and_read_as_zero() {
        let counters = Counters { packets: 7, bytes: 900, ..Counters::default() };
        let links = vec![LinkUse { from: "a".into(), to: "b".into(), counters, ..LinkUse::default() }];
        let sample = HostSample { over: Duration::from_secs(1), links, ..HostSample::default() };
        let written = serde_json::to_string(&sample).unwrap();
        assert!(
            written.ends_with(r#""links":[{"from":"a","to":"b","counters":{"packets":7,"bytes":900}}]}"#),
            "{written}"
        );
        assert_eq!(serde_json::from_str::<HostSample>(&written).unwrap(), sample);
        // As earlier versions wrote it.
        let earlier = written.replace("900}", r#"900,"lost":0,"overflowed":0,"refused":0},"backlog":5"#);
        assert_eq!(serde_json::from_str::<HostSample>(&earlier).unwrap(), sample);
    }

    #[test]
    fn counters_of_earlier_versions_have_no_drops_of_codel() {
        let earlier = r#"{"packets":7,"bytes":900,"lost":3,"overflowed":2}"#;
        let counters = Counters { packets: 7, bytes: 900, lost: 3, overflowed: 2, ..Counters::default() };
        assert_eq!(serde_json::from_str::<Counters>(earlier).unwrap(), counters);
    }
}
