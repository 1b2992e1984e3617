//! What a node is told that runs programs of others.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use planner::units::duration;
use serde::{Deserialize, Serialize};

use crate::config::Load;

/// A command line: the program, then its arguments.
pub type Words = Vec<String>;

/// What a probe's command line has in place of the number of its request.
pub const NUMBER: &str = "{{number}}";

/// Configuration of a node that runs programs of others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForeignConfig {
    /// What runs for as long as the node is up.
    pub run: Option<Words>,
    /// By what it is seen that this serves; without it, it serves once it has been started.
    pub ready: Option<Ready>,
    /// What runs while load is offered.
    pub load: Option<Words>,
    /// What says afterwards, by its exit code, whether all is as it must be.
    pub check: Option<Words>,
    /// How long the check may take.
    #[serde(with = "duration")]
    pub patience: Duration,
    /// What is measured from here.
    pub probes: Vec<ProbeConfig>,
    /// The number of a request is its count times this, plus the index of whoever made it.
    pub stride: u64,
    /// The index of requests that programs tell of themselves.
    pub own: u32,
    /// Seed of Poisson arrivals.
    pub seed: u64,
}

/// By what it is seen that a program serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Ready {
    /// It accepts a connection.
    Tcp {
        /// Where.
        to: SocketAddr,
    },
    /// It answers a GET with a status from 200 to 299.
    Http {
        /// Where.
        to: SocketAddr,
        /// What is asked for.
        path: String,
    },
    /// A command ends with exit code 0.
    Command {
        /// Which.
        run: Words,
    },
    /// A line of what it says has this in it.
    Log {
        /// What.
        text: String,
    },
}

/// Something that is measured again and again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeConfig {
    /// Its index among all of the run.
    pub index: u32,
    /// What it is called; a file of this name with `.answered` behind it in the state folder has the numbers of its requests that
    /// were answered, a line each.
    pub name: String,
    /// What is done.
    pub what: Probe,
    /// How often.
    pub load: Load,
    /// How long an answer may take.
    #[serde(with = "duration")]
    pub timeout: Duration,
}

/// What a probe does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Probe {
    /// An ICMP echo.
    Ping {
        /// To whom.
        to: IpAddr,
    },
    /// A TCP connection is made and closed.
    Tcp {
        /// To whom.
        to: SocketAddr,
    },
    /// A GET is answered with a status from 200 to 299, and the whole of it arrives.
    Http {
        /// By whom.
        to: SocketAddr,
        /// What is asked for.
        path: String,
    },
    /// A command ends with exit code 0. [`NUMBER`] stands for the number of the request.
    Command {
        /// Which.
        run: Words,
    },
}

impl ForeignConfig {
    pub(crate) fn unsound(&self) -> Option<&'static str> {
        let of_ready = self.ready.iter().filter_map(|ready| match ready {
            Ready::Command { run } => Some(run),
            _ => None,
        });
        let of_probes = self.probes.iter().filter_map(|probe| match &probe.what {
            Probe::Command { run } => Some(run),
            _ => None,
        });
        let own = self.run.iter().chain(&self.load).chain(&self.check);
        if own.chain(of_ready).chain(of_probes).any(Vec::is_empty) {
            return Some("a command line has to have a program");
        }
        if self.probes.iter().any(|probe| u64::from(probe.index) >= self.stride) || u64::from(self.own) >= self.stride {
            return Some("`stride` has to be above every index");
        }
        self.probes.iter().find_map(|probe| probe.load.unsound())
    }
}
