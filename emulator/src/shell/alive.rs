//! The mark by which a run's folder tells that the run goes on.
//!
//! It names the process of `emu` that waits outside the sandbox. A process id alone may belong to somebody else by now, so it
//! comes with when that process was started, and with the boot that both are counted from.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::procfs::Stat;

/// The file, in the folder of a run.
pub const ALIVE: &str = "alive.json";

/// Who keeps a run alive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alive {
    /// The process that waits for the run.
    pub pid: i32,
    /// When it was started, in ticks since boot.
    pub started: u64,
    /// Which boot that was.
    pub boot: String,
}

impl Alive {
    /// The mark of this process. It must be outside the sandbox, where processes have other ids.
    pub fn own() -> Alive {
        let pid = std::process::id() as i32;
        Alive { pid, started: Stat::of(pid).map_or(0, |stat| stat.started), boot: boot() }
    }

    /// The mark in a run's folder, whether that run still goes on or not.
    pub fn read(folder: &Path) -> Option<Alive> {
        serde_json::from_slice(&fs::read(folder.join(ALIVE)).ok()?).ok()
    }

    /// Whether that very process still runs.
    pub fn holds(&self) -> bool {
        let same = |stat: Stat| stat.runs() && stat.started == self.started;
        self.boot == boot() && Stat::of(self.pid).is_some_and(same)
    }
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_id_that_somebody_else_has_by_now_is_not_taken_for_the_run() {
        let own = Alive::own();
        assert!(own.holds());
        assert!(!Alive { started: own.started + 1, ..own.clone() }.holds(), "another process");
        assert!(!Alive { boot: "before".into(), ..own.clone() }.holds(), "before the last boot");
        assert!(!Alive { pid: i32::MAX, ..own }.holds());
    }
}
