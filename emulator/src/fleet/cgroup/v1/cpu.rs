//! Processor time, version 1 (Documentation/scheduler/sched-bwc.rst).

use std::path::Path;

use super::super::{CgroupError, Quota, write};

/// The CPU controller.
pub(in super::super) struct Cpu;

impl super::super::Cpu for Cpu {
    fn limit(&self, group: &Path, quota: Quota) -> Result<(), CgroupError> {
        write(group.join("cpu.cfs_period_us"), &quota.period_us.to_string())?;
        write(group.join("cpu.cfs_quota_us"), &quota.quota_us.to_string())
    }
}
