//! Memory of a process, as Linux tells it.

use crate::units::ByteSize;

/// Anonymous memory of a process that holds an empty segment: heap, stacks, and the inference engine's tables. Measured
/// with the test `a_segment_needs_about_the_memory_that_the_profile_predicts`.
const EMPTY_HEAP: ByteSize = ByteSize::from_mib(3);

/// Resident memory of a process of this program that holds an empty segment.
///
/// Every node of a testbed runs the program that also measures the profile, so the code that this
/// process has touched after it has run the whole model is the code that a worker touches too.
pub fn empty_process() -> ByteSize {
    field("RssFile:").unwrap_or(ByteSize::from_mib(8)) + EMPTY_HEAP
}

/// A line of `/proc/self/status`; nothing where there is no such file.
fn field(name: &str) -> Option<ByteSize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(ByteSize::from_bytes(kib << 10))
}

/// The host: its name and CPU.
pub fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpus.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(':'));
    format!("{}, {}", name.trim(), cpu.map_or("unknown CPU", |(_, cpu)| cpu.trim()))
}
