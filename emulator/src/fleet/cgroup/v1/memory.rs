//! Memory, version 1 (Documentation/admin-guide/cgroup-v1/memory.rst).

use std::io;
use std::path::Path;

use planner::units::ByteSize;

use super::super::{CgroupError, field, read, write};

/// The memory controller.
pub(in super::super) struct Memory;

impl super::super::Memory for Memory {
    fn limit(&self, group: &Path, size: ByteSize) -> Result<(), CgroupError> {
        let bytes = size.bytes().to_string();
        write(group.join("memory.limit_in_bytes"), &bytes)?;
        // Memory and swap together may not be less than memory alone, so it comes second. Kernels that
        // don't account for swap don't have the file.
        match write(group.join("memory.memsw.limit_in_bytes"), &bytes) {
            Err(CgroupError::Write { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn kills(&self, group: &Path) -> Result<u64, CgroupError> {
        match field(group.join("memory.oom_control"), "oom_kill") {
            // Before Linux 4.13 only the times are counted that the limit was hit; together with a SIGKILL
            // that nobody sent, that tells as much.
            Err(CgroupError::Field { .. }) => {
                let path = group.join("memory.failcnt");
                read(path.clone())?.trim().parse().map_err(|_| CgroupError::Field { path, field: "a number" })
            }
            result => result,
        }
    }
}
