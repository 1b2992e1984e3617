//! What faults need of this host. A scenario with a fault that this host can't fire is refused; one that is marked `optional`, as those are
//! that `[chaos]` draws, is left out instead.

use std::collections::BTreeSet;

use super::{Host, RunError};
use crate::fault::catalogue::{Entry, Need, entry};
use crate::fleet::cgroup::LimitWarning;
use crate::fleet::try_clock;
use crate::scenario::{FaultSpec, Loaded};

/// The scenario without those faults that are left out, and for each sort of them a warning.
///
/// # Errors
/// [`RunError::FaultNeeds`] when one can't be left out.
pub(super) fn afforded(loaded: &Loaded, host: &Host<'_>) -> Result<(Loaded, Vec<String>), RunError> {
    let (mut loaded, mut warnings) = (loaded.clone(), Vec::new());
    let needs_of = |fault: &FaultSpec| entry(&fault.kind).needs;
    let needs: BTreeSet<Need> = loaded.scenario.faults.iter().map(needs_of).collect();
    for need in needs {
        let Some(reason) = lacks(host, need) else { continue };
        let needy = loaded.scenario.faults.iter().filter(|fault| needs_of(fault) == need);
        if let Some(fault) = needy.clone().find(|fault| !fault.optional) {
            let Entry { kind, .. } = *entry(&fault.kind);
            return Err(RunError::FaultNeeds { kind, need, reason });
        }
        let kinds: BTreeSet<&str> = needy.clone().map(|fault| entry(&fault.kind).kind).collect();
        let (count, kinds) = (needy.count(), Vec::from_iter(kinds).join(", "));
        warnings
            .push(format!("this host can't fire faults of kind {kinds}, and {count} of them are left out: {reason}"));
        loaded.scenario.faults.retain(|fault| needs_of(fault) != need);
    }
    Ok((loaded, warnings))
}

/// Why this host has not what is needed; `None`: it has.
fn lacks(host: &Host<'_>, need: Need) -> Option<String> {
    let mut limits = host.groups.warnings().iter();
    let missing = match need {
        Need::Nothing => None,
        Need::MemoryLimits => limits.find(|warning| matches!(warning, LimitWarning::Memory(_))),
        Need::CpuLimits => limits.find(|warning| matches!(warning, LimitWarning::Cpu(_))),
        Need::TimeNamespace => return try_clock().err().map(|error| error.to_string()),
        Need::Fuse => return host.sandbox.try_layer().err().map(|error| error.to_string()),
    };
    missing.map(ToString::to_string)
}
