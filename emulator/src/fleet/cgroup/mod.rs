//! Control groups: what a node may use, and whether it was the kernel that ended it.
//!
//! A run makes one group, named `emu-<pid>-<start time of that process>`, in every hierarchy that it needs,
//! and in it one group for each node. Version 1 has a hierarchy for each controller, version 2 one for all,
//! and a machine may have both; what can be used is found by trying it with a real process, never by version.
//!
//! Groups are the only thing that outlives a killed run, so a living run holds a lock (`flock`) on its groups,
//! which the kernel drops when the last process of the run is gone, and [`remove_stale`] removes whatever
//! group is not locked. A lock needs no process numbers, so it also tells the truth between containers.
//!
//! Not used: the freezer of version 1. A task frozen by it can't be killed (it stays in state D until it is
//! thawed), so killing a run during a pause would leave processes behind. Version 2's can be killed.

mod folder;
mod hunger;
mod run;
mod stale;
mod trial;
mod v1;
mod v2;

pub use run::{Limits, NodeGroup, RunGroup};
pub use stale::remove_stale;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use planner::units::ByteSize;

use folder::Folder;

/// Something could not be done to a control group.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// A setting was refused.
    #[error("writing {value:?} to {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What was written.
        value: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A value could not be read.
    #[error("reading {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A value was not what it should be.
    #[error("{} has no {field:?}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// What it should tell.
        field: &'static str,
    },
    /// A group around has the controller, but does not offer it to groups inside.
    #[error("control group {} does not offer the {controller} controller to groups inside it", path.display())]
    NotOffered {
        /// The group around.
        path: PathBuf,
        /// Which controller.
        controller: &'static str,
    },
    /// A group could not be made.
    #[error("making control group {}: {source}", path.display())]
    Make {
        /// The group.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A group could not be removed.
    #[error("removing control group {}: {source}", path.display())]
    Remove {
        /// The group.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// No process can be put into a group.
    #[error("putting a process into control group {}: {source}", path.display())]
    Join {
        /// The group.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// Why a limit is not enforced.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// Nothing mounted has the controller.
    #[error("no control group hierarchy is mounted that has this controller")]
    NoController,
    /// The controller is there, but not for us.
    #[error("{0}")]
    Refused(Arc<CgroupError>),
}

/// A limit that a scenario can ask for and that this run can't enforce.
#[derive(Debug, thiserror::Error)]
pub enum LimitWarning {
    /// Nodes can use more memory than they have.
    #[error("memory limits are not enforced: {0}")]
    Memory(Unavailable),
    /// Nodes can use more of the processors than they have.
    #[error("CPU limits are not enforced: {0}")]
    Cpu(Unavailable),
}

/// The memory controller, in one of its versions.
trait Memory: Sync {
    /// Limits what the group can use, and leaves it no swap.
    fn limit(&self, group: &Path, size: ByteSize) -> Result<(), CgroupError>;
    /// Lowers the limit as far as the kernel lets it come down. Where that is to nothing, the kernel ends what is in
    /// the group; elsewhere the next page that it asks for is one too many.
    fn squeeze(&self, group: &Path) -> Result<(), CgroupError>;
    /// How many processes of the group the kernel has ended because the limit was reached.
    fn kills(&self, group: &Path) -> Result<u64, CgroupError>;
}

/// The CPU controller, in one of its versions.
trait Cpu: Sync {
    /// Limits the group to this much time on processors; `None`: no limit.
    fn limit(&self, group: &Path, quota: Option<Quota>) -> Result<(), CgroupError>;
    /// In how many periods the group was held back so far, and for how long all together.
    fn throttled(&self, group: &Path) -> Result<(u64, Duration), CgroupError>;
}

/// The freezer.
trait Freezer: Sync {
    /// Freezes or thaws the group; [`Freezer::is_frozen`] tells when that is done.
    fn set(&self, group: &Path, frozen: bool) -> Result<(), CgroupError>;
    /// Whether every process of the group stands still.
    fn is_frozen(&self, group: &Path) -> Result<bool, CgroupError>;
}

/// Processor time per period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Quota {
    quota_us: u64,
    period_us: u64,
}

impl Quota {
    /// The kernel's least quota.
    const LEAST_QUOTA_US: f64 = 1_000.0;

    /// The quota for so many cores. A process that has used its quota stands still for the rest of the period, which
    /// looks like jitter of up to a period in everything it does. A short period keeps that small, so it is
    /// 10 ms; it grows, to 100 ms at most, only where a share is so small that the kernel would take no shorter one.
    fn of(cores: f64) -> Quota {
        let period = (Quota::LEAST_QUOTA_US / cores.max(1e-6)).clamp(10_000.0, 100_000.0);
        Quota { quota_us: (cores * period).max(Quota::LEAST_QUOTA_US).round() as u64, period_us: period.round() as u64 }
    }
}

fn write(path: PathBuf, value: &str) -> Result<(), CgroupError> {
    // Never created: in this file system a missing file is a missing feature.
    let written = OpenOptions::new().write(true).open(&path).and_then(|mut file| file.write_all(value.as_bytes()));
    written.map_err(|source| CgroupError::Write { path, value: value.to_owned(), source })
}

fn read(path: PathBuf) -> Result<String, CgroupError> {
    std::fs::read_to_string(&path).map_err(|source| CgroupError::Read { path, source })
}

/// The number after `field` in a file of lines such as `oom_kill 3`.
fn field(path: PathBuf, field: &'static str) -> Result<u64, CgroupError> {
    let text = read(path.clone())?;
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(' ')?.trim().parse().ok());
    value.ok_or(CgroupError::Field { path, field })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        folder
    }

    #[test]
    fn a_cpu_share_becomes_a_short_period_unless_the_kernel_would_refuse_it() {
        assert_eq!(Quota::of(2.0), Quota { quota_us: 20_000, period_us: 10_000 });
        assert_eq!(Quota::of(0.5), Quota { quota_us: 5_000, period_us: 10_000 });
        assert_eq!(Quota::of(0.05), Quota { quota_us: 1_000, period_us: 20_000 });
        assert_eq!(Quota::of(0.001), Quota { quota_us: 1_000, period_us: 100_000 });
    }

    #[test]
    fn version_2_is_written_as_the_kernel_reads_it() {
        let group = group(&[
            ("memory.max", ""),
            ("memory.swap.max", ""),
            ("memory.events", "low 0\nhigh 0\nmax 12\noom 1\noom_kill 3\noom_group_kill 0\n"),
            ("cpu.max", ""),
            ("cgroup.freeze", ""),
            ("cgroup.events", "populated 1\nfrozen 1\n"),
        ]);
        let text = |name: &str| std::fs::read_to_string(group.path().join(name)).expect("a file");
        v2::Memory.limit(group.path(), ByteSize::from_mib(64)).expect("a limit");
        assert_eq!((text("memory.max").as_str(), text("memory.swap.max").as_str()), ("67108864", "0"));
        assert_eq!(v2::Memory.kills(group.path()).expect("a count"), 3);
        v2::Cpu.limit(group.path(), Some(Quota::of(0.5))).expect("a limit");
        assert_eq!(text("cpu.max"), "5000 10000");
        std::fs::write(group.path().join("memory.max"), "").expect("a file");
        v2::Memory.squeeze(group.path()).expect("no memory left");
        assert_eq!(text("memory.max"), "0");
        v2::Freezer.set(group.path(), true).expect("frozen");
        assert_eq!(text("cgroup.freeze"), "1");
        assert!(v2::Freezer.is_frozen(group.path()).expect("a state"));
    }

    #[test]
    fn version_1_is_written_as_the_kernel_reads_it() {
        let group = group(&[
            ("memory.limit_in_bytes", ""),
            ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
            ("cpu.cfs_period_us", ""),
            ("cpu.cfs_quota_us", ""),
        ]);
        let text = |name: &str| std::fs::read_to_string(group.path().join(name)).expect("a file");
        v1::Memory.limit(group.path(), ByteSize::from_mib(64)).expect("a limit, without swap accounting too");
        assert_eq!(text("memory.limit_in_bytes"), "67108864");
        assert_eq!(v1::Memory.kills(group.path()).expect("a count"), 2);
        v1::Cpu.limit(group.path(), Some(Quota::of(0.5))).expect("a limit");
        assert_eq!((text("cpu.cfs_quota_us").as_str(), text("cpu.cfs_period_us").as_str()), ("5000", "10000"));
    }
}
