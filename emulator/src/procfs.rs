//! What `/proc` says of a process.

use std::fs;

/// Whether `/proc` numbers processes as this one's calls do. In a sandbox it may still be the host's, and then its numbers are other processes'.
pub fn is_ours() -> bool {
    fs::read_link("/proc/self").is_ok_and(|own| own.as_os_str() == std::process::id().to_string().as_str())
}

/// A process, as `/proc/PID/stat` tells of it (proc(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Its id, as this `/proc` numbers processes.
    pub pid: i32,
    /// `R`, `S`, `Z` and so on.
    pub state: char,
    /// Its parent; 0 for one whose parent is in a pid namespace outside.
    pub parent: i32,
    /// Its process group, numbered likewise.
    pub group: i32,
    /// Page faults of it for which something had to be read.
    pub major_faults: u64,
    /// Processor time that it has used, in the system's and its own code, in ticks.
    pub ticks: u64,
    /// When it was started, in ticks since boot: with the id it names a process that no other is ever taken for.
    pub started: u64,
}

impl Stat {
    /// That of a process; `None` if there is none.
    pub fn of(pid: i32) -> Option<Stat> {
        Stat::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(text: &str) -> Option<Stat> {
        let pid = text.split(' ').next()?.parse().ok()?;
        // The name is in brackets and may hold any sign, brackets too.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Stat {
            pid,
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            major_faults: number(9)?,
            ticks: number(11)? + number(12)?,
            started: number(19)?,
        })
    }

    /// Whether it has not ended: one that has, and that nobody has waited for, holds nothing any more.
    pub fn runs(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }
}

/// All processes that `/proc` shows.
pub fn all() -> Vec<Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Stat::of(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// Those of `processes` that `root` started, directly or not, without `root` itself.
pub fn descendants(processes: &[Stat], root: i32) -> Vec<Stat> {
    let mut found: Vec<Stat> = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        let children = processes.iter().filter(|process| process.parent == parent && process.pid != root);
        for child in children.copied().collect::<Vec<_>>() {
            // What was read piece by piece while processes came and went may show a circle.
            if !found.contains(&child) {
                parents.push(child.pid);
                found.push(child);
            }
        }
    }
    found
}

/// The command line of a process, word by word; empty for one that has ended.
pub fn command(pid: i32) -> Vec<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_hides_nothing() {
        let text = "42 (a) S 7 (b)) Z 1 42 42 0 -1 4194560 1 2 3 4 50 6 7 8 20 0 1 0 9000 1 1";
        let stat = Stat { pid: 42, state: 'Z', parent: 1, group: 42, major_faults: 3, ticks: 56, started: 9000 };
        assert_eq!(Stat::parse(text), Some(stat));
        assert_eq!(Stat::parse("42 (a"), None);
    }

    #[test]
    fn descendants_are_found_over_generations_and_a_circle_ends() {
        let stat = |pid, parent| Stat { pid, state: 'S', parent, group: 0, major_faults: 0, ticks: 0, started: 0 };
        let all = [stat(1, 0), stat(2, 1), stat(3, 2), stat(4, 1), stat(5, 0), stat(6, 7), stat(7, 6)];
        let mut found: Vec<i32> = descendants(&all, 1).iter().map(|stat| stat.pid).collect();
        found.sort_unstable();
        assert_eq!(found, [2, 3, 4]);
        assert_eq!(descendants(&all, 6).len(), 1);
    }
}
