//! Memory, version 1 (Documentation/admin-guide/cgroup-v1/memory.rst).

use std::io;
use std::path::Path;

use nix::libc::EBUSY;
use planner::units::ByteSize;

use super::super::{CgroupError, field, read, write};

/// By how much a limit is lowered at once, first in large steps, at last by a page.
const STEPS: [u64; 3] = [1 << 20, 1 << 16, 1 << 12];

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

    fn squeeze(&self, group: &Path) -> Result<(), CgroupError> {
        let number = |file: &'static str| {
            let path = group.join(file);
            read(path.clone())?.trim().parse::<u64>().map_err(|_| CgroupError::Field { path, field: "a number" })
        };
        let mut limit = number("memory.limit_in_bytes")?.min(number("memory.usage_in_bytes")? + STEPS[0]);
        for step in STEPS {
            while limit > step {
                match write(group.join("memory.limit_in_bytes"), &(limit - step).to_string()) {
                    Ok(()) => limit -= step,
                    // What is in use can't be taken back: this is as far as it goes.
                    Err(CgroupError::Write { source, .. }) if source.raw_os_error() == Some(EBUSY) => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
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
