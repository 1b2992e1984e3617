//! What runs on the nodes of a scenario.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use node::config::{Arrival, Load};
use node::foreign::config::Words;
use planner::units::duration;
use serde::{Deserialize, Serialize};

use super::{ModelSource, ModelSpec, PlanSpec, Scenario};

/// What runs on the nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Workload {
    /// A model, spread over the workers.
    Inference(Box<Inference>),
    /// Programs of others.
    Commands(Box<Commands>),
}

/// A model, spread over the workers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inference {
    /// The model.
    pub model: ModelSpec,
    /// How the plan is found and kept.
    pub plan: PlanSpec,
    /// What load is offered.
    pub load: Load,
    /// How many different inputs are used in turn.
    pub inputs: u32,
}

/// Programs of others. In command lines, `{{…}}` stands for what is known only when the network is there: see [`super::template`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Commands {
    /// How long a node may take to be ready, and a check to end.
    #[serde(with = "duration")]
    pub patience: Duration,
    /// Programs that must be there, and their packages.
    pub needs: BTreeMap<String, String>,
    /// The folder of the scenario's file, absolute.
    pub folder: PathBuf,
    /// What runs on each node.
    pub programs: Vec<Programs>,
    /// What is measured.
    pub probes: Vec<ProbeSpec>,
}

/// What runs on a node.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Programs {
    /// For as long as it is up.
    pub run: Option<Words>,
    /// By what it is seen that this serves.
    pub ready: Option<ReadySpec>,
    /// While load is offered.
    pub load: Option<Words>,
    /// Afterwards: whether all is as it must be.
    pub check: Option<Words>,
}

/// By what it is seen that a program serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ReadySpec {
    /// It accepts a connection.
    Tcp {
        /// On this port.
        port: u16,
    },
    /// It answers a GET.
    Http {
        /// On this port.
        port: u16,
        /// Of this.
        path: String,
    },
    /// A command succeeds.
    Command {
        /// Which.
        run: Words,
    },
    /// A line of its output has this in it.
    Log {
        /// What.
        text: String,
    },
}

/// Something that is measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeSpec {
    /// What it is called.
    pub name: String,
    /// From which node.
    pub from: usize,
    /// What is done.
    pub what: ProbeKind,
    /// How often.
    pub load: Load,
    /// How long an answer may take.
    #[serde(with = "duration")]
    pub timeout: Duration,
}

/// What a probe does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ProbeKind {
    /// An ICMP echo.
    Ping {
        /// To this node.
        to: usize,
    },
    /// A TCP connection.
    Tcp {
        /// To this node.
        to: usize,
        /// And port.
        port: u16,
    },
    /// A GET.
    Http {
        /// Of this node.
        to: usize,
        /// And port.
        port: u16,
        /// What is asked for.
        path: String,
    },
    /// A command.
    Command {
        /// Which.
        run: Words,
    },
}

impl ProbeKind {
    /// Its kind, as a scenario says it.
    pub fn word(&self) -> &'static str {
        match self {
            ProbeKind::Ping { .. } => "ping",
            ProbeKind::Tcp { .. } => "tcp",
            ProbeKind::Http { .. } => "http",
            ProbeKind::Command { .. } => "command",
        }
    }

    /// The node that it asks; `None` if only the command knows.
    pub fn to(&self) -> Option<usize> {
        match self {
            ProbeKind::Ping { to } | ProbeKind::Tcp { to, .. } | ProbeKind::Http { to, .. } => Some(*to),
            ProbeKind::Command { .. } => None,
        }
    }
}

impl Commands {
    /// A request's number is its count times this plus the index of whoever made it: a probe, or a node's own programs.
    pub fn stride(&self) -> u64 {
        (self.probes.len() + self.programs.len()) as u64
    }

    /// The index of a node's own programs.
    pub fn own(&self, node: usize) -> u32 {
        (self.probes.len() + node) as u32
    }

    /// Why this can't be what was resolved for so many nodes.
    pub(super) fn unsound(&self, nodes: usize) -> Option<&'static str> {
        let outside = |node: usize| node >= nodes;
        let beyond = |probe: &ProbeSpec| outside(probe.from) || probe.what.to().is_some_and(outside);
        if self.programs.len() != nodes || self.probes.iter().any(beyond) {
            return Some("its programs and probes are of nodes that there are not");
        }
        (self.patience > super::LONGEST).then_some("a time in it is longer than a hundred days")
    }

    /// What is offered altogether; of what programs tell of themselves nothing is known before.
    fn load(&self) -> Load {
        let (mut rate_per_s, mut concurrency) = (0.0, 0);
        for probe in &self.probes {
            match probe.load {
                Load::Open { rate_per_s: rate, .. } => rate_per_s += rate,
                Load::Closed { concurrency: more } => concurrency += more,
            }
        }
        match concurrency {
            0 if rate_per_s > 0.0 => Load::Open { rate_per_s, arrival: Arrival::Constant },
            _ => Load::Closed { concurrency: concurrency.max(1) },
        }
    }
}

impl Scenario {
    /// What runs, if it is a model.
    pub fn inference(&self) -> Option<&Inference> {
        match &self.workload {
            Workload::Inference(inference) => Some(inference),
            Workload::Commands(_) => None,
        }
    }

    /// What runs, if it is programs of others.
    pub fn commands(&self) -> Option<&Commands> {
        match &self.workload {
            Workload::Inference(_) => None,
            Workload::Commands(commands) => Some(commands),
        }
    }

    /// What load is offered.
    pub fn load(&self) -> Load {
        match &self.workload {
            Workload::Inference(inference) => inference.load,
            Workload::Commands(commands) => commands.load(),
        }
    }

    /// The model: its name in the zoo, or its file; `None` if there is none.
    pub fn model_name(&self) -> Option<String> {
        Some(match &self.inference()?.model.source {
            ModelSource::Zoo(name) => name.clone(),
            ModelSource::File { path, .. } => path.display().to_string(),
        })
    }
}
