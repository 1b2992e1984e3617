//! Programs that somebody runs in the nodes by hand (`emu exec`): they end before the nodes do.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::procfs::{self, Stat};

/// Time that a process which was killed may take to be gone.
const DYING: Duration = Duration::from_secs(1);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(10);

/// Ends them. Where `/proc` shows the processes of the host, they end with the pid namespace only.
pub(super) fn end() {
    if !procfs::is_ours() {
        return;
    }
    let patience = Instant::now() + DYING;
    loop {
        let visitors = find(&procfs::all());
        if visitors.is_empty() || Instant::now() >= patience {
            return;
        }
        // Supervisors last: who loses his becomes a child of this process, and is no visitor any more to look at.
        let (supervisors, theirs): (Vec<Stat>, Vec<Stat>) =
            visitors.into_iter().partition(|visitor| visitor.parent == 0);
        for visitor in if theirs.is_empty() { supervisors } else { theirs } {
            let _ = kill(Pid::from_raw(visitor.pid), Signal::SIGKILL);
        }
        thread::sleep(LOOK);
    }
}

/// Who has come in from outside, and whatever they started: their parent has no number in here.
fn find(all: &[Stat]) -> Vec<Stat> {
    let entered = all.iter().filter(|process| process.parent == 0 && process.pid != 1);
    let with_theirs =
        entered.flat_map(|visitor| std::iter::once(*visitor).chain(procfs::descendants(all, visitor.pid)));
    with_theirs.filter(Stat::runs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visitors_are_told_from_nodes_by_where_they_come_from() {
        let stat = |pid, parent, state| Stat { pid, state, parent, group: 0, major_faults: 0, ticks: 0, started: 0 };
        let all =
            [stat(1, 0, 'S'), stat(2, 1, 'S'), stat(7, 0, 'S'), stat(8, 7, 'S'), stat(9, 8, 'Z'), stat(10, 0, 'Z')];
        assert_eq!(find(&all).iter().map(|stat| stat.pid).collect::<Vec<_>>(), [7, 8]);
    }
}
