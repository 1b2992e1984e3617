//! Memory, version 2 (Documentation/admin-guide/cgroup-v2.rst, "Memory").

use std::io;
use std::path::Path;

use planner::units::ByteSize;

use super::super::{CgroupError, field, write};

/// The memory controller.
pub(in super::super) struct Memory;

impl super::super::Memory for Memory {
    fn limit(&self, group: &Path, size: ByteSize) -> Result<(), CgroupError> {
        write(group.join("memory.max"), &size.bytes().to_string())?;
        // Kernels without swap don't have the file.
        match write(group.join("memory.swap.max"), "0") {
            Err(CgroupError::Write { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn squeeze(&self, group: &Path) -> Result<(), CgroupError> {
        write(group.join("memory.max"), "0")
    }

    fn kills(&self, group: &Path) -> Result<u64, CgroupError> {
        field(group.join("memory.events"), "oom_kill")
    }
}
