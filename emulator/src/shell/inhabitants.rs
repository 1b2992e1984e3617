//! The processes of a run's nodes, as the host numbers them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::alive::Alive;
use crate::procfs::{self, Stat};
use crate::run::results::NODES;

/// Each node that has a process, and that process.
pub fn nodes(folder: &Path, alive: &Alive) -> BTreeMap<String, Stat> {
    let all = procfs::all();
    let folder = folder.join(NODES);
    let name = |stat: &Stat| {
        // `emu node <folder>/nodes/<name>/config.json …`
        let words = procfs::command(stat.pid);
        let inside = words.iter().find_map(|word| Path::new(word).strip_prefix(&folder).ok()?.parent()?.to_str());
        inside.map(str::to_owned)
    };
    let first = first(&all, alive).map(|stat| stat.pid);
    let children = all.iter().filter(|stat| Some(stat.parent) == first && stat.runs());
    children.filter_map(|stat| Some((name(stat)?, *stat))).collect()
}

/// What the run itself takes: the first process in the sandbox, in which links are forwarded and events recorded.
pub fn testbed(alive: &Alive) -> Option<Stat> {
    first(&procfs::all(), alive)
}

/// The first process in the sandbox. The one that waits may have other children: those of the shell that it once was.
fn first(all: &[Stat], alive: &Alive) -> Option<Stat> {
    let children = all.iter().filter(|stat| stat.parent == alive.pid && stat.runs());
    children.copied().find(|stat| {
        let status = fs::read_to_string(format!("/proc/{}/status", stat.pid)).unwrap_or_default();
        // Its number in every pid namespace that it is in, the innermost last.
        status.lines().find_map(|line| line.strip_prefix("NSpid:")).is_some_and(|numbers| numbers.ends_with("\t1"))
    })
}
