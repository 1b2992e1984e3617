//! What the processes of a run hold, memory and file descriptors, read from `/proc`: nothing of it crosses the emulated
//! network, and no process is asked. A look at 22 processes takes a fraction of a millisecond.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};

use crate::procfs;
use crate::record::event::{Holding, RunEvent, TESTBED};

/// How often it is looked.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// What these processes hold, and this one. One that ended just now is left out. With `groups`, what a node's process has started and
/// has not left its group counts, too: programs of others are not the node's process itself.
pub(super) fn look(nodes: impl Iterator<Item = (String, i32)>, groups: bool) -> RunEvent {
    let all = if groups { procfs::all() } else { Vec::new() };
    let nodes = nodes.filter_map(|(process, pid)| {
        let own = holding(process, pid)?;
        let others = all.iter().filter(|other| other.group == pid && other.pid != pid);
        let others = others.filter_map(|other| holding(String::new(), other.pid));
        Some(others.fold(own, |sum, other| Holding {
            resident: sum.resident + other.resident,
            descriptors: sum.descriptors + other.descriptors,
            ..sum
        }))
    });
    RunEvent::Held { processes: nodes.chain(holding(TESTBED.to_owned(), 1)).collect() }
}

fn holding(process: String, pid: i32) -> Option<Holding> {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    // The second figure: resident pages.
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten().and_then(|size| u64::try_from(size).ok())?;
    let descriptors = descriptors(pid)?;
    // A process that has ended and was not waited for yet holds nothing.
    (pages > 0).then(|| Holding { process, pid, resident: pages.saturating_mul(page), descriptors })
}

/// Since Linux 6.2 the folder's size is the number of open descriptors; before that it is zero, and they are counted.
fn descriptors(pid: i32) -> Option<u64> {
    let folder = format!("/proc/{pid}/fd");
    match fs::metadata(&folder).ok()?.size() {
        0 => Some(fs::read_dir(&folder).ok()?.count() as u64),
        size => Some(size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn what_this_process_holds_is_told_to_the_descriptor() {
        let own = std::process::id() as i32;
        let open: Vec<File> = (0..500).map(|_| File::open("/dev/null").unwrap()).collect();
        let before = holding("this".into(), own).unwrap();
        drop(open);
        let after = holding("this".into(), own).unwrap();
        // Other tests of this program open and close files meanwhile.
        let closed = before.descriptors - after.descriptors;
        assert!((400..=600).contains(&closed), "{closed} of 500");
        assert!(after.resident > 1 << 20, "{after:?}");
        assert_eq!(holding("nobody".into(), i32::MAX), None);
    }
}
