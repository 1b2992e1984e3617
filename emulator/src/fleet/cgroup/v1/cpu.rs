//! Processor time, version 1 (Documentation/scheduler/sched-bwc.rst).

use std::path::Path;
use std::time::Duration;

use super::super::{CgroupError, Quota, field, write};

/// The CPU controller.
pub(in super::super) struct Cpu;

impl super::super::Cpu for Cpu {
    fn limit(&self, group: &Path, quota: Option<Quota>) -> Result<(), CgroupError> {
        let Some(quota) = quota else { return write(group.join("cpu.cfs_quota_us"), "-1") };
        // Of a quota that is longer than its period now is, or shorter than the kernel's least share of it, one of the
        // two would be refused: without a limit in between, neither is.
        write(group.join("cpu.cfs_quota_us"), "-1")?;
        write(group.join("cpu.cfs_period_us"), &quota.period_us.to_string())?;
        write(group.join("cpu.cfs_quota_us"), &quota.quota_us.to_string())
    }

    fn throttled(&self, group: &Path) -> Result<(u64, Duration), CgroupError> {
        let of = |name| field(group.join("cpu.stat"), name);
        Ok((of("nr_throttled")?, Duration::from_nanos(of("throttled_time")?)))
    }
}
