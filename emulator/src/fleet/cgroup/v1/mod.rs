//! Version 1: a hierarchy for each controller, or for a few.

mod cpu;
mod memory;

pub(super) use cpu::Cpu;
pub(super) use memory::Memory;

use planner::units::ByteSize;

use super::run::Offer;
use super::trial::{self, Offered};
use super::{Cpu as _, Folder, Memory as _, Quota};
use node::memory::hierarchy::Hierarchy;

/// Makes the run's group in the innermost group that takes it. `wants`: memory, CPU.
pub(super) fn offer(hierarchy: &Hierarchy, name: &str, wants: (bool, bool)) -> Offered {
    let mut refusal = None;
    for parent in hierarchy.ancestors() {
        let made = Folder::create(parent, name).and_then(|folder| {
            trial::in_folder(folder, |group| {
                if wants.0 {
                    Memory.limit(group, ByteSize::from_mib(64))?;
                }
                if wants.1 { Cpu.limit(group, Some(Quota::of(0.5))) } else { Ok(()) }
            })
        });
        match made {
            Ok(folder) => {
                let memory = wants.0.then_some(&Memory as _);
                let cpu = wants.1.then_some(&Cpu as _);
                return Offered {
                    offer: Some(Offer { folder, memory, cpu, freezer: None, switched: Vec::new() }),
                    refusal: None,
                };
            }
            // The innermost group is where a run belongs: its refusal is the one to tell.
            Err(error) => _ = refusal.get_or_insert(error),
        }
    }
    Offered { offer: None, refusal }
}
