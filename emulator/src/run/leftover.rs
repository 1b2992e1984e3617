//! What still runs in the sandbox when every node has been ended.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::record::event::RunEvent;

/// Time that a process which was killed may take to be gone.
const DYING: Duration = Duration::from_secs(1);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(10);

/// The processes besides this one. Where `/proc` shows those of the host (the sandbox says so), nothing can be told.
pub(super) fn processes() -> Vec<RunEvent> {
    if !super::holdings::proc_is_ours() {
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
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let left = pids.filter(|pid| *pid != 1 && runs(*pid));
    left.map(|pid| RunEvent::LeftRunning { pid, command: command(pid) }).collect()
}

/// Whether it has not ended: one that has, and that nobody has waited for, holds nothing any more.
fn runs(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name before the state is in brackets, and may hold any sign.
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// Its command line; of one that has none, its name.
fn command(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<String> = line
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty())
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    if words.is_empty() {
        return fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned();
    }
    words.join(" ")
}
