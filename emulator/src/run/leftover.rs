//! What still runs in the sandbox when every node has been ended.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::procfs::{self, Stat};
use crate::record::event::RunEvent;

/// Time that a process which was killed may take to be gone.
const DYING: Duration = Duration::from_secs(1);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(10);

/// The processes besides this one. Where `/proc` shows those of the host (the sandbox says so), nothing can be told.
pub(super) fn processes() -> Vec<RunEvent> {
    if !procfs::is_ours() {
        return Vec::new();
    }
    let patience = Instant::now() + DYING;
    loop {
        let found = others();
        if found.is_empty() || Instant::now() >= patience {
            return found;
        }
        thread::sleep(LOOK);
    }
}

fn others() -> Vec<RunEvent> {
    let left = procfs::all().into_iter().filter(|process| process.pid != 1 && process.runs());
    left.map(|Stat { pid, .. }| RunEvent::LeftRunning { pid, command: command(pid) }).collect()
}

/// Its command line; of one that has none, its name.
fn command(pid: i32) -> String {
    let words = procfs::command(pid);
    if words.is_empty() {
        return fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned();
    }
    words.join(" ")
}
