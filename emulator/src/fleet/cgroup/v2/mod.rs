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

use super::hierarchy::Hierarchy;
use super::run::Offer;
use super::trial::{self, Offered};
use super::{CgroupError, Cpu as _, Folder, Freezer as _, Memory as _, Quota, read, write};

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
    let folder = Folder::create(parent, name)?;
    let folder = trial::or_remove(folder, |folder| {
        for controller in &wanted {
            if !lists(parent, "cgroup.subtree_control", controller)? {
                if !switch_on || !lists(parent, "cgroup.controllers", controller)? {
                    return Err(CgroupError::NotOffered { path: parent.to_owned(), controller });
                }
                switch(parent, own, folder, controller)?;
            }
            enable(folder, controller)?;
        }
        Ok(())
    })?;
    let folder = trial::in_folder(folder, |group| {
        if wants.0 {
            Memory.limit(group, ByteSize::from_mib(64))?;
        }
        if wants.1 {
            Cpu.limit(group, Quota::of(0.5))?;
        }
        Freezer.is_frozen(group).map(|_| ())
    })?;
    let (memory, cpu) = (wants.0.then_some(&Memory as _), wants.1.then_some(&Cpu as _));
    Ok(Offer { folder, memory, cpu, freezer: Some(&Freezer) })
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
