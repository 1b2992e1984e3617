//! The processes of a run's nodes, as the host numbers them.

use std::collections::BTreeMap;
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
    // Children of the first process in the sandbox, which is the only child of the one that waits.
    let first = all.iter().find(|stat| stat.parent == alive.pid && stat.runs()).map(|stat| stat.pid);
    let children = all.iter().filter(|stat| Some(stat.parent) == first && stat.runs());
    children.filter_map(|stat| Some((name(stat)?, *stat))).collect()
}

/// What the run itself takes: the first process in the sandbox, in which links are forwarded and events recorded.
pub fn testbed(alive: &Alive) -> Option<Stat> {
    procfs::all().into_iter().find(|stat| stat.parent == alive.pid && stat.runs())
}
