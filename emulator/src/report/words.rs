//! How things are called, in whatever form people read them.

use super::numbers::{counted, significant};
use crate::record::summary::{Bound, CutName, FaultSummary, Summary};

/// How something went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// As it should.
    Good,
    /// It can't be told.
    Caution,
    /// Not as it should.
    Bad,
}

/// How a run went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Whether it went well.
    pub tone: Tone,
    /// In words.
    pub words: String,
}

/// How a run went.
pub(super) fn verdict(summary: &Summary) -> Verdict {
    let (tone, words) = match summary.exit {
        0 if summary.complete => (Tone::Good, "all as expected".to_owned()),
        1 => (Tone::Bad, counted(summary.violations.len() as u64, "expectation") + " failed"),
        5 => (Tone::Bad, counted(summary.died.len() as u64, "node") + " died that no fault killed"),
        130 | 143 => (Tone::Caution, "interrupted: what follows is of a part of the run".to_owned()),
        _ if !summary.complete => (Tone::Caution, "the run did not end in order".to_owned()),
        code => (Tone::Bad, format!("ended with exit code {code}")),
    };
    Verdict { tone, words }
}

/// What was broken, and how the scenario named it if by something else than its name.
pub(super) fn fault_name(fault: &FaultSummary) -> String {
    let FaultSummary { kind, target, asked, by_hand, .. } = fault;
    let named = if asked == target || target.is_empty() {
        format!("{kind} {asked}")
    } else {
        format!("{kind} {target} ({asked})")
    };
    if *by_hand { format!("{named}, by hand") } else { named }
}

/// How much was reached of what was possible.
pub(super) fn share(bound: &Bound) -> String {
    let Bound { throughput_per_s, limit, reached } = bound;
    format!("{:.0} % of the {}/s that are possible (limit: {limit})", reached * 100.0, significant(*throughput_per_s))
}

/// A tensor's name, of a long one the end: that is where names differ, but for what exporters append to all.
pub(super) fn tensor(cut: &CutName, longest: usize) -> String {
    match cut.tensor.as_deref().map(|name| name.strip_suffix("_output_0").unwrap_or(name)) {
        None => format!("cut {}", cut.cut),
        Some(name) if name.chars().count() <= longest => name.to_owned(),
        Some(name) => format!("…{}", name.chars().skip(name.chars().count() + 1 - longest).collect::<String>()),
    }
}
