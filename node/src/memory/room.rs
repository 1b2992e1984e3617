//! How much memory this process may take until the kernel ends it: what its configuration says the device has, and the
//! limits of its control groups and of those around them, of whichever version.
//!
//! What a group uses is counted as the kernel does that looks for something to take back: pages of files that can be read
//! again don't count. The limits are read each time, since they may be changed while the process runs.

use std::fs;
use std::path::Path;

use planner::units::ByteSize;

use super::anonymous;
use super::hierarchy::{Hierarchy, hierarchies};

/// A limit, and what counts against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// What may be used.
    pub limit: ByteSize,
    /// What is in use, by this process and whatever else shares the limit.
    pub used: ByteSize,
}

impl Room {
    /// What is left.
    pub fn left(self) -> ByteSize {
        ByteSize::from_bytes(self.limit.bytes().saturating_sub(self.used.bytes()))
    }
}

/// The limit under which the least is left; `None`: there is none. `device` is what the configuration says.
pub fn room(device: Option<ByteSize>) -> Option<Room> {
    let own = device.map(|limit| Room { limit, used: anonymous() });
    let groups = hierarchies();
    let of_groups = groups.iter().filter(|hierarchy| hierarchy.has("memory")).flat_map(|hierarchy| {
        let second = hierarchy.controllers.is_none();
        Hierarchy::ancestors(hierarchy).filter_map(move |group| of_group(group, second))
    });
    of_groups.chain(own).min_by_key(|room| room.left())
}

/// The limit of one group; `None` if it has none.
fn of_group(group: &Path, second: bool) -> Option<Room> {
    let (limit, used, prefix) = match second {
        true => ("memory.max", "memory.current", ""),
        // A group's own figures leave out what the groups inside it use, though it counts against its limit.
        false => ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_"),
    };
    let number = |file: &str| fs::read_to_string(group.join(file)).ok()?.trim().parse::<u64>().ok();
    // Version 2 says "max" where there is no limit, version 1 a number larger than any machine.
    let limit = number(limit).filter(|limit| *limit < 1 << 60)?;
    let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let used = number(used)?.saturating_sub(reclaimable(&stat, prefix));
    Some(Room { limit: ByteSize::from_bytes(limit), used: ByteSize::from_bytes(used) })
}

/// Bytes of files that the kernel can take back, by a group's `memory.stat`.
fn reclaimable(stat: &str, prefix: &str) -> u64 {
    let field = |name: &str| {
        let line = stat.lines().find_map(|line| line.strip_prefix(prefix)?.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.trim().parse::<u64>().ok()).unwrap_or_default()
    };
    field("inactive_file").saturating_add(field("active_file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_has_what_its_configuration_says_or_less() {
        let tiny = ByteSize::from_bytes(1 << 12);
        let room = room(Some(tiny)).unwrap();
        assert!(room.limit == tiny || room.left() == ByteSize::ZERO, "{room:?}");
        assert!(room.used > tiny && room.left() == ByteSize::ZERO);
    }

    #[test]
    fn groups_of_both_versions_are_read_and_files_do_not_count() {
        let folder = std::env::temp_dir().join(format!("room-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
        let room = |limit, used| Some(Room { limit: ByteSize::from_mib(limit), used: ByteSize::from_bytes(used) });
        let mib = 1u64 << 20;
        write("memory.max", &format!("{}\n", 80 * mib));
        write("memory.current", &format!("{}\n", 50 * mib));
        write("memory.stat", &format!("anon 1\nfile 9\ninactive_file {}\nactive_file {}\n", 4 * mib, mib));
        assert_eq!(of_group(&folder, true), room(80, 45 * mib));
        write("memory.max", "max\n");
        assert_eq!(of_group(&folder, true), None);
        assert_eq!(of_group(&folder, false), None, "no files of that version");
        write("memory.limit_in_bytes", &format!("{}\n", 64 * mib));
        write("memory.usage_in_bytes", &format!("{}\n", 30 * mib));
        write("memory.stat", &format!("active_file 7\ntotal_inactive_file {}\ntotal_active_file 0\n", 2 * mib));
        assert_eq!(of_group(&folder, false), room(64, 28 * mib));
        write("memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(of_group(&folder, false), None);
        fs::remove_dir_all(&folder).unwrap();
    }
}
