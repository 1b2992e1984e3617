//! Standing still, version 2 (Documentation/admin-guide/cgroup-v2.rst, `cgroup.freeze`). It is not a
//! controller: every group but the root has it, also on machines whose controllers are all in version 1.

use std::path::Path;

use super::super::{CgroupError, field, write};

/// The freezer.
pub(in super::super) struct Freezer;

impl super::super::Freezer for Freezer {
    fn set(&self, group: &Path, frozen: bool) -> Result<(), CgroupError> {
        write(group.join("cgroup.freeze"), if frozen { "1" } else { "0" })
    }

    fn is_frozen(&self, group: &Path) -> Result<bool, CgroupError> {
        Ok(field(group.join("cgroup.events"), "frozen")? == 1)
    }
}
