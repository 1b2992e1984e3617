//! Whether this host can carry what a scenario asks of it, told with the arithmetic before the load begins.
//!
//! Processors: requests per second, as many as the plan and the load allow, × the seconds for which this machine computes for each; and
//! what the forwarding thread takes for the bytes that these requests put on the network, if it is known how much one
//! processor forwards here (`emu bench host`). Memory: what a process takes before it has a model, for each node, and the
//! model once, against what is free before anything is started.

use std::fmt;
use std::fs;

use planner::plan::{Plan, wire_size};
use planner::profile::ModelProfile;
use planner::units::ByteSize;

use crate::bench::host::HostFigures;
use crate::record::rate::{asked, computing};
use crate::scenario::Scenario;

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
        }
    }
}

/// Whether there are too few processors for a plan.
pub(super) fn of_processors(
    scenario: &Scenario,
    plan: &Plan,
    profile: &ModelProfile,
    cores: u32,
    host: Option<&HostFigures>,
) -> Option<Shortage> {
    let (requests, _) = asked(scenario, plan);
    let each = computing(scenario, plan);
    let forwarding = host.map(|host| requests * host.forwarding(wire(scenario, plan, profile)));
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

/// Bytes that a request puts on the network: its input and its result twice, since the dispatcher is between, and what stages pass on.
fn wire(scenario: &Scenario, plan: &Plan, profile: &ModelProfile) -> ByteSize {
    let codec = scenario.inference().map(|inference| inference.model.codec).unwrap_or_default();
    let transfer = |cut: usize| wire_size(profile.transfer(cut, codec)).bytes() as f64;
    let of_chain = |chain: &planner::plan::Chain| {
        let inputs = chain.stages.iter().filter_map(|index| Some(plan.stages.get(*index)?.segment.from));
        let whole = profile.whole();
        chain.share * (inputs.map(transfer).sum::<f64>() + transfer(whole.from) + 2.0 * transfer(whole.to))
    };
    ByteSize::from_bytes(plan.chains.iter().map(of_chain).sum::<f64>() as u64)
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
