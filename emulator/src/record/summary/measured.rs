//! What was measured of programs of others, thing by thing, and what checks of them said.

use std::time::Duration;

use super::compute::latency;
use super::{CheckSummary, MeasuredSummary};
use crate::record::tally::{Request, Tally, Window};
use crate::scenario::Scenario;

/// Probes in the order of the scenario, then what programs told of themselves, by node.
pub(super) fn summaries(scenario: &Scenario, tally: &Tally, window: Window) -> Vec<MeasuredSummary> {
    let Some(commands) = scenario.commands() else { return Vec::new() };
    let name = |node: usize| scenario.nodes.get(node).map_or_else(String::new, |node| node.name.clone());
    let probes = commands.probes.iter().enumerate().map(|(index, probe)| {
        let (from, to) = (name(probe.from), probe.what.to().map(name));
        (index as u32, probe.name.clone(), probe.what.word(), from, to)
    });
    let own = (0..commands.programs.len()).map(|node| (commands.own(node), name(node), "own", name(node), None));
    let told = own.filter(|(index, ..)| tally.requests.values().any(|request| request.input == Some(*index)));
    probes
        .chain(told)
        .map(|(index, name, kind, from, to)| {
            let of = |(_, request): &(&u64, &Request)| request.input == Some(index);
            let requests = || tally.requests.iter().filter(of);
            let count = |of: fn(&Request) -> bool| requests().filter(|(_, request)| of(request)).count() as u64;
            let latencies: Vec<Duration> = requests()
                .filter_map(|(_, request)| {
                    let scheduled = request.scheduled.filter(|at| window.contains(*at))?;
                    Some(request.completed()?.at.since(scheduled))
                })
                .collect();
            MeasuredSummary {
                name,
                kind: kind.to_owned(),
                from,
                to,
                offered: count(|request| request.scheduled.is_some()),
                completed: count(|request| !request.results.is_empty()),
                errored: count(|request| request.errored.is_some() && request.results.is_empty()),
                first_error: requests().find_map(|(number, _)| tally.reasons.get(number).cloned()),
                latency_ms: latency(latencies),
            }
        })
        .collect()
}

/// Checks, in the order in which they were made.
pub(super) fn checks(tally: &Tally) -> Vec<CheckSummary> {
    let check = |(node, passed, said): &(String, bool, String)| CheckSummary {
        node: node.clone(),
        passed: *passed,
        said: said.clone(),
    };
    tally.checks.iter().map(check).collect()
}
