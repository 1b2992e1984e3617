//! Whether this host can carry what a scenario asks of it, told with the arithmetic before the load begins.
//!
//! Processors: requests per second, as many as the plan and the load allow, × the seconds for which this machine computes for each; and
//! what the forwarding thread takes for the bytes that these requests put on the network, if it is known how much one
//! processor forwards here (`emu bench host`). Memory: what a process takes before it has a model, for each node, and the
//! model once, against what is free before anything is started. Links in software: the packets of all hops that these requests
//! make, with one acknowledgement for each, against how many this host forwards, and the fastest rate that is asked of a link
//! against what one carries here, as far as that was measured.

use std::fmt;
use std::fs;

use planner::plan::{Plan, wire_size};
use planner::profile::ModelProfile;
use planner::units::{ByteSize, Rate};

use crate::bench::host::{self, HostFigures};
use crate::fabric::{Direction, Fabric};
use crate::record::env;
use crate::record::rate::{asked, computing};
use crate::scenario::{Role, Scenario};

/// Something of which there is too little.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shortage {
    /// Processors.
    Processors {
        /// How many are needed for computing.
        computing: f64,
        /// How many for forwarding, as far as that is known.
        forwarding: Option<f64>,
        /// How many there are.
        have: f64,
        /// Requests per second.
        requests: f64,
        /// Seconds of computing for each.
        each: f64,
    },
    /// Memory.
    Memory {
        /// How much is needed.
        need: ByteSize,
        /// How much is free.
        have: ByteSize,
        /// How many processes.
        nodes: usize,
    },
    /// Packets per second.
    Packets {
        /// How many are needed.
        need: f64,
        /// How many are forwarded here.
        have: f64,
        /// Requests per second.
        requests: f64,
        /// Packets for each, over all links on its way.
        each: f64,
    },
    /// The rate of a link.
    Rate {
        /// From which host to which.
        way: (String, String),
        /// What is asked of it.
        need: Rate,
        /// What a link carries here.
        have: Rate,
    },
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shortage::Processors { computing, forwarding, have, requests, each } => {
                let need = computing + forwarding.unwrap_or(0.0);
                write!(
                    f,
                    "this scenario needs {need:.1} processors and this host has {have:.1}: {requests:.2} requests per second, for each of \
                     which it computes for {:.0} ms ({computing:.1})",
                    each * 1e3
                )?;
                match forwarding {
                    Some(forwarding) => write!(f, ", and {forwarding:.2} to forward what they send"),
                    None => Ok(()),
                }?;
                write!(f, "; expect {:.2} per second at most", requests * have / need)
            }
            Shortage::Memory { need, have, nodes } => write!(
                f,
                "this scenario needs {:.1} GiB of memory and {:.1} are free: {nodes} processes, and the model spread over them",
                need.mib() / 1024.0,
                have.mib() / 1024.0
            ),
            Shortage::Packets { need, have, requests, each } => write!(
                f,
                "this scenario needs {need:.0} packets per second forwarded and this host forwards {have:.0}: {requests:.2} requests per \
                 second, {each:.0} packets for each over all links on its way; expect {:.2} per second at most",
                requests * have / need
            ),
            Shortage::Rate { way: (from, to), need, have } => write!(
                f,
                "{need} are asked of the link from {from} to {to}, and a link carries {have} on this host: it is no faster than that"
            ),
        }
    }
}

/// What there is too little of for a plan, over links that are there.
pub(super) fn of_plan(scenario: &Scenario, plan: &Plan, profile: &ModelProfile, fabric: &Fabric) -> Vec<Shortage> {
    let known = host::known();
    let forwarded = known.as_ref().filter(|_| fabric.is_software());
    let packets = forwarded.and_then(|host| of_packets(scenario, plan, profile, fabric, host));
    of_processors(scenario, plan, profile, env::cores(), known.as_ref()).into_iter().chain(packets).collect()
}

/// Whether there are too few processors for a plan.
fn of_processors(
    scenario: &Scenario,
    plan: &Plan,
    profile: &ModelProfile,
    cores: u32,
    host: Option<&HostFigures>,
) -> Option<Shortage> {
    let (requests, _) = asked(scenario, plan);
    let each = computing(scenario, plan);
    let bytes: f64 =
        transfers(scenario, plan, profile).iter().map(|transfer| transfer.share * transfer.size.bytes() as f64).sum();
    let forwarding = host.map(|host| requests * host.forwarding(ByteSize::from_bytes(bytes as u64)));
    let have = host.map_or(f64::from(cores), |host| host.processors);
    let computing = requests * each;
    (computing + forwarding.unwrap_or(0.0) > have).then_some(Shortage::Processors {
        computing,
        forwarding,
        have,
        requests,
        each,
    })
}

/// Whether this host forwards fewer packets than a plan's requests make.
fn of_packets(
    scenario: &Scenario,
    plan: &Plan,
    profile: &ModelProfile,
    fabric: &Fabric,
    host: &HostFigures,
) -> Option<Shortage> {
    let (requests, _) = asked(scenario, plan);
    let packets = |transfer: &Transfer| {
        let (mut at, mut hops) = (transfer.from, 0);
        while at != transfer.to {
            at = fabric.next_hop(at, transfer.to)?;
            hops += 1;
        }
        let first = Direction { from: transfer.from, to: fabric.next_hop(transfer.from, transfer.to)? };
        let frame = u64::from(fabric.longest_super_frame(first).min(SUPER_FRAME)) * SEGMENT;
        Some(transfer.share * f64::from(2 * hops) * transfer.size.bytes().div_ceil(frame) as f64)
    };
    let each: f64 = transfers(scenario, plan, profile).iter().filter_map(packets).sum();
    let (need, have) = (requests * each, host.packets_per_s);
    (need > have).then_some(Shortage::Packets { need, have, requests, each })
}

/// Whether a link is asked for more than one carries here.
pub(super) fn of_rates(scenario: &Scenario, fabric: &Fabric) -> Option<Shortage> {
    let host = host::known().filter(|_| fabric.is_software())?;
    let have = Rate::from_mbits_per_second(host.tcp_mbits);
    let asked = scenario.network.directions().filter_map(|(direction, shape)| Some((direction, shape.rate?)));
    let (Direction { from, to }, need) = asked.max_by_key(|(_, rate)| rate.bits_per_second())?;
    let names = scenario.host_names();
    let name = |host: usize| names.get(host).cloned().unwrap_or_default();
    (need > have).then(|| Shortage::Rate { way: (name(from), name(to)), need, have })
}

/// Payload of a full-size TCP segment, with time stamps.
const SEGMENT: u64 = 1448;
/// Segments of the largest super-frame, of 64 KiB.
const SUPER_FRAME: u32 = 45;

/// What a request sends over the network at once.
struct Transfer {
    from: usize,
    to: usize,
    /// The part of all requests that send it.
    share: f64,
    size: ByteSize,
}

/// Its input and its result twice, since the dispatcher is between, and what stages pass on.
fn transfers(scenario: &Scenario, plan: &Plan, profile: &ModelProfile) -> Vec<Transfer> {
    let codec = scenario.inference().map(|inference| inference.model.codec).unwrap_or_default();
    let size = |cut: usize| wire_size(profile.transfer(cut, codec));
    let (client, dispatcher) = (scenario.node_with(Role::Client), scenario.node_with(Role::Dispatcher));
    let whole = profile.whole();
    let mut transfers = vec![
        Transfer { from: client, to: dispatcher, share: 1.0, size: size(whole.from) },
        Transfer { from: dispatcher, to: client, share: 1.0, size: size(whole.to) },
    ];
    for chain in &plan.chains {
        let mut from = dispatcher;
        for stage in chain.stages.iter().filter_map(|index| plan.stages.get(*index)) {
            transfers.push(Transfer { from, to: stage.node, share: chain.share, size: size(stage.segment.from) });
            from = stage.node;
        }
        transfers.push(Transfer { from, to: dispatcher, share: chain.share, size: size(whole.to) });
    }
    transfers
}

/// Whether there is too little memory for the processes.
pub(super) fn of_memory(scenario: &Scenario, profile: &ModelProfile) -> Option<Shortage> {
    let nodes = scenario.nodes.len();
    let parameters: u64 = profile.pieces.iter().map(|piece| piece.parameters.bytes()).sum();
    let need = ByteSize::from_bytes(profile.process_memory.bytes() * nodes as u64 + parameters);
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let have = ByteSize::from_bytes(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024);
    (need > have).then_some(Shortage::Memory { need, have, nodes })
}
