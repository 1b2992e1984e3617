//! Processor time, version 2 (Documentation/admin-guide/cgroup-v2.rst, "CPU").

use std::path::Path;

use super::super::{CgroupError, Quota, write};

/// The CPU controller.
pub(in super::super) struct Cpu;

impl super::super::Cpu for Cpu {
    fn limit(&self, group: &Path, quota: Option<Quota>) -> Result<(), CgroupError> {
        let text = quota.map_or("max".to_owned(), |quota| format!("{} {}", quota.quota_us, quota.period_us));
        write(group.join("cpu.max"), &text)
    }
}
