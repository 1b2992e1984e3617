//! Version 2: one hierarchy for all controllers.
//!
//! A controller works in a group only if it is switched on in the group around it (`cgroup.subtree_control`), and it
//! can't be switched on in a group that has processes of its own (but for the topmost).

mod cpu;
mod freezer;
mod memory;

pub(super) use cpu::Cpu;
pub(super) use freezer::Freezer;
pub(super) use memory::Memory;

use std::fs;
use std::path::Path;

use nix::libc::EBUSY;
use planner::units::ByteSize;

use super::run::Offer;
use super::trial::{self, Offered};
use super::{CgroupError, Cpu as _, Folder, Freezer as _, Memory as _, Quota, read, write};
use node::memory::hierarchy::Hierarchy;

/// Group into which the emulator moves itself, where it is alone in a group that can't hold both it and controllers.
pub(super) const SELF: &str = "self";

/// Makes the run's group in the innermost group that offers everything `wants` (memory, CPU) as it is; failing
/// that, where it can be switched on; failing that, one that offers part of it. The freezer is in every group.
pub(super) fn offer(hierarchy: &Hierarchy, name: &str, wants: (bool, bool)) -> Offered {
    let mut refusal = None;
    let mut less = vec![wants, (wants.0, false), (false, wants.1), (false, false)];
    less.dedup();
    for wants in less {
        for switch_on in [false, true] {
            for parent in hierarchy.ancestors() {
                let own = parent == hierarchy.own;
                match offer_in(parent, own, name, wants, switch_on) {
                    Ok(offer) => return Offered { offer: Some(offer), refusal },
                    // The innermost group is where a run belongs: its refusal is the one to tell.
                    Err(error) => _ = refusal.get_or_insert(error),
                }
            }
        }
    }
    Offered { offer: None, refusal }
}

fn offer_in(parent: &Path, own: bool, name: &str, wants: (bool, bool), switch_on: bool) -> Result<Offer, CgroupError> {
    let wanted: Vec<&'static str> = wants.0.then_some("memory").into_iter().chain(wants.1.then_some("cpu")).collect();
    let mut switched = Vec::new();
    let folder = trial::or_remove(Folder::create(parent, name)?, |folder| {
        let tried = switch_all(parent, own, folder, &wanted, switch_on, &mut switched).and_then(|()| {
            trial::attempt(folder, |group| {
                if wants.0 {
                    Memory.limit(group, ByteSize::from_mib(64))?;
                }
                if wants.1 {
                    Cpu.limit(group, Some(Quota::of(0.5)))?;
                }
                Freezer.is_frozen(group).map(|_| ())
            })
        });
        // A group with processes takes the CPU controller alone, but then no group in it can have processes.
        tried.inspect_err(|_| switch_back(folder, &switched))
    })?;
    let (memory, cpu) = (wants.0.then_some(&Memory as _), wants.1.then_some(&Cpu as _));
    Ok(Offer { folder, memory, cpu, freezer: Some(&Freezer), switched })
}

/// Switches on in `folder`, and in `parent` where it isn't yet and `switch_on` allows it. What had to be switched on
/// in `parent` is added to `switched`.
fn switch_all(
    parent: &Path,
    own: bool,
    folder: &Path,
    wanted: &[&'static str],
    switch_on: bool,
    switched: &mut Vec<&'static str>,
) -> Result<(), CgroupError> {
    wanted.iter().try_for_each(|controller| {
        if !lists(parent, "cgroup.subtree_control", controller)? {
            if !switch_on || !lists(parent, "cgroup.controllers", controller)? {
                return Err(CgroupError::NotOffered { path: parent.to_owned(), controller });
            }
            switch(parent, own, folder, controller)?;
            switched.push(*controller);
        }
        enable(folder, controller)
    })
}

/// Undoes what [`offer`] did around the run's group `folder`: the controllers that it switched on there, and the move
/// of this process. What other groups need by now stays: the kernel refuses to switch that off.
pub(super) fn switch_back(folder: &Path, switched: &[&'static str]) {
    let Some(parent) = folder.parent() else { return };
    for controller in switched {
        let off = format!("-{controller}");
        let _ = write(folder.join("cgroup.subtree_control"), &off);
        let _ = write(parent.join("cgroup.subtree_control"), &off);
    }
    if folder.join(SELF).exists() {
        let _ = write(parent.join("cgroup.procs"), "0");
    }
}

fn lists(group: &Path, file: &str, controller: &str) -> Result<bool, CgroupError> {
    Ok(read(group.join(file))?.split_whitespace().any(|name| name == controller))
}

fn enable(group: &Path, controller: &str) -> Result<(), CgroupError> {
    write(group.join("cgroup.subtree_control"), &format!("+{controller}"))
}

/// Switches a controller on in `parent`. If this process is what keeps it from being switched on, and no other
/// process is in the way, it moves into a group inside `folder`.
fn switch(parent: &Path, own: bool, folder: &Path, controller: &str) -> Result<(), CgroupError> {
    match enable(parent, controller) {
        Err(CgroupError::Write { source, .. }) if own && source.raw_os_error() == Some(EBUSY) && alone(parent)? => {
            let room = folder.join(SELF);
            fs::create_dir(&room).map_err(|source| CgroupError::Make { path: room.clone(), source })?;
            write(room.join("cgroup.procs"), "0")?;
            enable(parent, controller)
        }
        result => result,
    }
}

fn alone(group: &Path) -> Result<bool, CgroupError> {
    let own = std::process::id().to_string();
    Ok(read(group.join("cgroup.procs"))?.lines().all(|line| line == own))
}
