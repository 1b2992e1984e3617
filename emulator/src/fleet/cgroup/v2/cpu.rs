//! Processor time, version 2 (Documentation/admin-guide/cgroup-v2.rst, "CPU").

use std::path::Path;

use super::super::{CgroupError, Quota, write};

/// The CPU controller.
pub(in super::super) struct Cpu;

impl super::super::Cpu for Cpu {
    fn limit(&self, group: &Path, quota: Quota) -> Result<(), CgroupError> {
        write(group.join("cpu.max"), &format!("{} {}", quota.quota_us, quota.period_us))
    }
}
