//! The event log: one JSON object per line, appended as things happen. It is the truth of a run;
//! whatever people read is computed from it.

use std::time::Duration;

use super::sample::HostSample;
use super::trial::LinkTrial;
use node::clock::Instant;
use planner::units::duration;
use serde::{Deserialize, Serialize};

use crate::scenario::FaultSpec;

/// One line of the event log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Entry {
    /// A node said it.
    Node {
        /// When it happened.
        at: Instant,
        /// Who said it. Written as `on`, since many events name a `node` of their own.
        #[serde(rename = "on")]
        node: String,
        /// What.
        #[serde(flatten)]
        event: node::telemetry::Event,
    },
    /// The testbed itself did or saw it.
    Run {
        /// When it happened.
        at: Instant,
        /// What.
        #[serde(flatten)]
        event: RunEvent,
    },
}

impl Entry {
    /// When it happened.
    pub fn at(&self) -> Instant {
        match self {
            Entry::Node { at, .. } | Entry::Run { at, .. } => *at,
        }
    }
}

/// What a summary calls the carrier of a run that was only simulated.
pub const SIMULATED: &str = "simulated";

/// Something the testbed did or saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum RunEvent {
    /// The first line: the run began.
    RunStarted {
        /// Version of this log's form.
        log_version: u32,
    },
    /// What the run was built on.
    Host {
        /// The carrier that bears the links: `netem` or `software`.
        carrier: String,
        /// Cores that all nodes share.
        cores: u32,
    },
    /// Nothing was built and nothing ran: everything else is what a simulation says.
    Simulated,
    /// The model, once it is profiled.
    Model {
        /// Name of each cut's tensor, in order: what a plan's segments count.
        tensors: Vec<String>,
    },
    /// A phase of set-up or teardown was completed.
    PhaseDone {
        /// Its name.
        phase: String,
        /// How long it took.
        #[serde(with = "duration")]
        took: Duration,
    },
    /// The digest that each input's output must have, from the unsplit model.
    Reference {
        /// One digest for each input, in order.
        digests: Vec<String>,
    },
    /// A node's process was started.
    NodeStarted {
        /// The node.
        node: String,
        /// Its process id inside the sandbox.
        pid: i32,
    },
    /// A node's process ended.
    NodeExited {
        /// The node.
        node: String,
        /// How.
        cause: ExitCause,
    },
    /// After every node was ended, a process still ran in the sandbox.
    LeftRunning {
        /// Its process id inside the sandbox.
        pid: i32,
        /// Its command line, or its name.
        command: String,
    },
    /// Load began: times in summaries count from here.
    LoadStarted,
    /// No more load is offered.
    LoadEnded,
    /// A person wanted a fault, by hand.
    FaultInjected {
        /// Its index: behind those of the scenario as resolved, and of others by hand.
        fault: usize,
        /// What was wanted; planned for the instant of the key.
        spec: FaultSpec,
    },
    /// A fault was fired.
    FaultFired {
        /// Its index in the scenario as resolved.
        fault: usize,
        /// What it hit, by name: nodes, or `from→to` for each direction.
        target: String,
        /// The nodes it hit; for a fault of the network, the nodes at its ends.
        nodes: Vec<String>,
    },
    /// A fault was seen to have its effect: the process is gone, the new shape was read back.
    FaultEffective {
        /// Its index.
        fault: usize,
    },
    /// A fault that comes and goes or grows went on to its next step.
    FaultStepped {
        /// Its index.
        fault: usize,
        /// What it does from now on: `off`, `3 Mbit/s`.
        what: String,
    },
    /// A fault was healed.
    FaultHealed {
        /// Its index.
        fault: usize,
    },
    /// A fault could not be fired.
    FaultFailed {
        /// Its index.
        fault: usize,
        /// Why.
        reason: String,
    },
    /// What passed in one direction since the run began.
    Traffic {
        /// The sender.
        from: String,
        /// The receiver.
        to: String,
        /// Counters.
        counters: crate::fabric::Counters,
    },
    /// What every process held at this moment, as the kernel counts it.
    Held {
        /// The processes.
        processes: Vec<Holding>,
    },
    /// Links were tried before the load.
    Tried {
        /// What they did.
        trials: Vec<LinkTrial>,
    },
    /// What the host and the links did since the sample before.
    Sampled {
        /// That.
        sample: Box<HostSample>,
    },
    /// The result may not be trustworthy in this respect.
    Warning {
        /// What and why.
        text: String,
    },
    /// The user interrupted the run.
    Interrupted,
    /// The last line: the run ended in order.
    RunEnded {
        /// Largest resident memory of `emu` itself, in bytes.
        peak_memory: u64,
        /// The exit code, expectations not yet looked at.
        exit: u8,
    },
}

/// What a process holds; of a node that runs programs of others, with all that is in its process group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// Its node, or [`TESTBED`].
    pub process: String,
    /// Its process id inside the sandbox: another one is another process of that node.
    pub pid: i32,
    /// Resident memory, in bytes.
    pub resident: u64,
    /// Open file descriptors.
    pub descriptors: u64,
}

/// What the record calls the process of `emu` that runs the testbed. No node can have that name.
pub const TESTBED: &str = "(emu)";

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitCause {
    /// It was asked to end, and did.
    Asked,
    /// A fault of the scenario ended it.
    Planned,
    /// The kernel ended it for want of memory, which a fault of the scenario had taken away.
    Starved,
    /// The kernel ended it: it needed more memory than its node has.
    OutOfMemory,
    /// It ended by itself, with this exit code.
    Code(i32),
    /// A signal ended it that no fault sent.
    Signal(i32),
}

impl ExitCause {
    /// Whether the testbed wanted it to end.
    pub fn is_wanted(self) -> bool {
        matches!(self, ExitCause::Asked | ExitCause::Planned | ExitCause::Starved)
    }
}
