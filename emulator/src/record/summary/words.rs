//! What a summary says in words: what broke, what limits, how a process ended.

use planner::plan::{Limit, Plan};

use super::FaultSummary;
use crate::record::event::ExitCause;
use crate::scenario::Scenario;

pub(super) fn repeated(text: &str, times: u64) -> String {
    if times > 1 { format!("{text} ({times} times)") } else { text.to_owned() }
}

pub(super) fn name(scenario: &Scenario, node: usize) -> String {
    scenario.nodes.get(node).map_or_else(|| format!("node {node}"), |spec| spec.name.clone())
}

pub(in crate::record) fn limit(scenario: &Scenario, plan: &Plan) -> String {
    match plan.prediction.limit {
        Limit::Path { from, to } => format!("the path {} → {}", name(scenario, from), name(scenario, to)),
        Limit::Compute { node } => format!("computing on {}", name(scenario, node)),
        Limit::Air { .. } => "the airtime that all nodes share".to_owned(),
    }
}

/// What a scenario asked for and did not get.
pub(super) fn not_fired(fault: &FaultSummary, complete: bool) -> Option<String> {
    let FaultSummary { kind, target, planned_s, .. } = fault;
    let what = format!("the fault {kind} {target}, planned at {planned_s} s,");
    match &fault.failed {
        Some(reason) => Some(format!("{what} could not be fired: {reason}")),
        None if complete && fault.fired_s.is_none() => Some(format!("{what} was not fired")),
        None => None,
    }
}

/// How a process ended, for people.
pub(crate) fn in_words(cause: ExitCause) -> String {
    match cause {
        ExitCause::Asked => "it was asked to end".to_owned(),
        ExitCause::Planned => "a fault of the scenario ended it".to_owned(),
        ExitCause::Starved => "a fault of the scenario took its memory until the kernel ended it".to_owned(),
        ExitCause::OutOfMemory => "it needed more memory than its node has".to_owned(),
        ExitCause::Code(code) => format!("it ended by itself with exit code {code}"),
        ExitCause::Signal(signal) => format!("it was ended by signal {signal}, which no fault sent"),
    }
}
