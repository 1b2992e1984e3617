//! What a run ran on: written beside the result, so that two results can be told apart by more than their numbers.

use std::fs;

use planner::units::ByteSize;
use serde::{Deserialize, Serialize};

/// The surroundings of a run. Holds the command line but no environment variables: those may be secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Env {
    /// When the run began, in UTC (RFC 3339).
    pub started: jiff::Timestamp,
    /// Version of `emu`.
    pub version: String,
    /// The command line.
    pub command: Vec<String>,
    /// Seed of everything random in the run.
    pub seed: u64,
    /// Release of the kernel.
    pub kernel: String,
    /// TCP's congestion control where a program does not choose: nodes have the host's.
    #[serde(default = "unknown")]
    pub congestion_control: String,
    /// Architecture, as Rust names it.
    pub architecture: String,
    /// Model of the CPU, as the kernel names it.
    pub cpu: String,
    /// Cores that the run may use.
    pub cores: u32,
    /// Memory of the machine.
    pub memory: ByteSize,
    /// The model, once that is known.
    #[serde(default)]
    pub model: Option<ModelId>,
    /// Which carrier bore the links, once that is known.
    pub carrier: Option<String>,
    /// How the limits of nodes were applied, once that is known (`memory: cgroup v1`, …).
    pub limits: Vec<String>,
}

/// Which model a run was of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelId {
    /// Its name: that of the zoo, or the file's stem.
    pub name: String,
    /// Digest of its file, in hexadecimal.
    pub digest: String,
}

impl Env {
    /// Looks at this machine. What can't be found out is `unknown` or zero.
    pub fn gather(started: jiff::Timestamp, seed: u64, command: Vec<String>) -> Env {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let line = |path| Some(read(path).trim().to_owned()).filter(|line| !line.is_empty());
        let or_unknown = |found: Option<String>| found.unwrap_or_else(unknown);
        // Not every architecture has a "model name".
        let cpu = field(&read("/proc/cpuinfo"), &["model name", "Model", "Hardware", "uarch"]);
        let kibibytes = field(&read("/proc/meminfo"), &["MemTotal"])
            .and_then(|text| text.split(' ').next().and_then(|number| number.parse::<u64>().ok()));
        Env {
            started,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command,
            seed,
            kernel: or_unknown(line("/proc/sys/kernel/osrelease")),
            congestion_control: or_unknown(line("/proc/sys/net/ipv4/tcp_congestion_control")),
            architecture: std::env::consts::ARCH.to_owned(),
            cpu: or_unknown(cpu),
            cores: cores(),
            memory: ByteSize::from_bytes(kibibytes.unwrap_or(0) * 1024),
            model: None,
            carrier: None,
            limits: Vec::new(),
        }
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

/// Cores that this process may use, by its affinity and cgroup quota.
pub fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX))
}

/// The value of the first of `names` in text of lines `name : value`.
fn field(text: &str, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| {
        let mut fields = text.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(key, _)| key.trim() == *name).map(|(_, value)| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_surroundings_are_those_of_this_machine_and_read_back() {
        let env = Env::gather(jiff::Timestamp::UNIX_EPOCH, 7, vec!["emu".into(), "run".into()]);
        assert!(env.cores >= 1 && env.memory > ByteSize::from_mib(64) && env.kernel != "unknown");
        let text = serde_json::to_string(&env).unwrap();
        assert!(text.contains("1970-01-01T00:00:00Z"));
        assert_eq!(serde_json::from_str::<Env>(&text).unwrap(), env);
    }
}
