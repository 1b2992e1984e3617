//! Processor time, version 2 (Documentation/admin-guide/cgroup-v2.rst, "CPU").

use std::path::Path;
use std::time::Duration;

use super::super::{CgroupError, Quota, field, write};

/// The CPU controller.
pub(in super::super) struct Cpu;

impl super::super::Cpu for Cpu {
    fn limit(&self, group: &Path, quota: Option<Quota>) -> Result<(), CgroupError> {
        let text = quota.map_or("max".to_owned(), |quota| format!("{} {}", quota.quota_us, quota.period_us));
        write(group.join("cpu.max"), &text)
    }

    fn throttled(&self, group: &Path) -> Result<(u64, Duration), CgroupError> {
        let of = |name| field(group.join("cpu.stat"), name);
        Ok((of("nr_throttled")?, Duration::from_micros(of("throttled_usec")?)))
    }
}
