//! What there is to say of each kind of fault. `docs/faults.md` has it as a table.

use std::fmt::Write;

use super::{
    bit_flip, blackhole, clock, corrupt, cpu, crash_loop, degrade, disk_full, down, duplicate, eio, flap, intermittent,
    kill, loss_burst, oom, partition, pause, read_only, reorder, restart, slow, straggler, trace, truncate,
};
use crate::sandbox::probe::Capability;
use crate::scenario::FaultKind;

/// A kind of fault.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, as scenarios write it.
    pub kind: &'static str,
    /// What happens.
    pub happens: &'static str,
    /// What heals it.
    pub healed: &'static str,
    /// What the system under test can notice of it.
    pub notice: &'static str,
    /// What the host must have for it.
    pub needs: Need,
    /// Whether it hits nodes; else it hits what is between them.
    pub of_a_node: bool,
    /// Whether a simulation has it.
    pub simulated: bool,
}

/// What a kind of fault needs of the host beside what every run needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Nothing.
    Nothing,
    /// Memory limits by control groups.
    MemoryLimits,
    /// CPU limits by control groups.
    CpuLimits,
    /// File systems in user space.
    Fuse,
    /// Clocks of its own for a process.
    TimeNamespace,
}

impl Need {
    /// In words.
    pub fn in_words(self) -> &'static str {
        match self {
            Need::Nothing => "nothing",
            Need::MemoryLimits => "memory limits: cgroup v1 or v2",
            Need::CpuLimits => "CPU limits: cgroup v1 or v2",
            Need::Fuse => "file systems in user space: `/dev/fuse`",
            Need::TimeNamespace => "time namespaces: Linux 5.6, CONFIG_TIME_NS",
        }
    }

    /// What `emu doctor` tries for it.
    pub fn capability(self) -> Option<Capability> {
        match self {
            Need::Nothing => None,
            Need::MemoryLimits => Some(Capability::MemoryLimits),
            Need::CpuLimits => Some(Capability::CpuLimits),
            Need::Fuse => Some(Capability::Fuse),
            Need::TimeNamespace => Some(Capability::Clocks),
        }
    }
}

/// All kinds: of processes, of power, of storage, of the network.
pub const ALL: &[&Entry] = &[
    &kill::ENTRY,
    &restart::ENTRY,
    &pause::ENTRY,
    &crash_loop::ENTRY,
    &clock::ENTRY,
    &oom::ENTRY,
    &cpu::ENTRY,
    &straggler::ENTRY,
    &intermittent::ENTRY,
    &disk_full::ENTRY,
    &read_only::ENTRY,
    &slow::ENTRY,
    &eio::ENTRY,
    &bit_flip::ENTRY,
    &truncate::ENTRY,
    &down::ENTRY,
    &flap::ENTRY,
    &blackhole::ENTRY,
    &partition::ENTRY,
    &degrade::ENTRY,
    &loss_burst::ENTRY,
    &reorder::ENTRY,
    &duplicate::ENTRY,
    &corrupt::ENTRY,
    &trace::ENTRY,
];

/// What there is to say of a fault's kind.
pub fn entry(kind: &FaultKind) -> &'static Entry {
    match kind {
        FaultKind::Kill { .. } => &kill::ENTRY,
        FaultKind::Restart { .. } => &restart::ENTRY,
        FaultKind::Pause { .. } => &pause::ENTRY,
        FaultKind::CrashLoop { .. } => &crash_loop::ENTRY,
        FaultKind::Clock { .. } => &clock::ENTRY,
        FaultKind::Oom { .. } => &oom::ENTRY,
        FaultKind::Cpu { .. } => &cpu::ENTRY,
        FaultKind::Straggler { .. } => &straggler::ENTRY,
        FaultKind::Intermittent { .. } => &intermittent::ENTRY,
        FaultKind::DiskFull { .. } => &disk_full::ENTRY,
        FaultKind::ReadOnly { .. } => &read_only::ENTRY,
        FaultKind::Slow { .. } => &slow::ENTRY,
        FaultKind::Eio { .. } => &eio::ENTRY,
        FaultKind::BitFlip { .. } => &bit_flip::ENTRY,
        FaultKind::Truncate { .. } => &truncate::ENTRY,
        FaultKind::Down { .. } => &down::ENTRY,
        FaultKind::Flap { .. } => &flap::ENTRY,
        FaultKind::Blackhole { .. } => &blackhole::ENTRY,
        FaultKind::Partition { .. } => &partition::ENTRY,
        FaultKind::Degrade { .. } => &degrade::ENTRY,
        FaultKind::LossBurst { .. } => &loss_burst::ENTRY,
        FaultKind::Reorder { .. } => &reorder::ENTRY,
        FaultKind::Duplicate { .. } => &duplicate::ENTRY,
        FaultKind::Corrupt { .. } => &corrupt::ENTRY,
        FaultKind::Trace { .. } => &trace::ENTRY,
    }
}

/// The table of all kinds, as Markdown.
pub fn table() -> String {
    let mut text = "| kind | what happens | healed by | what the system under test can notice | needs | simulated |\n\
                    |---|---|---|---|---|---|\n"
        .to_owned();
    for entry in ALL {
        let Entry { kind, happens, healed, notice, needs, simulated, .. } = entry;
        let simulated = if *simulated { "yes" } else { "no" };
        // Writing to a text can't fail.
        let _ = writeln!(text, "| `{kind}` | {happens} | {healed} | {notice} | {} | {simulated} |", needs.in_words());
    }
    text
}
