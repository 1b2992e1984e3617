//! `nothing_left`: when all nodes have been ended, no process is left in the sandbox. What a node started
//! ends with it, like everything on a device that is switched off.

use super::{Breach, Verdict, cut_short, is_simulated};
use crate::record::tally::Tally;
use crate::scenario::Scenario;

/// The phase after which nothing may run any more.
const LAST: &str = "teardown";

pub(super) fn check(_: &Scenario, tally: &Tally) -> Verdict {
    if is_simulated(tally) {
        return Verdict::NotJudged("a simulation has no processes".to_owned());
    }
    if !tally.phases.iter().any(|(phase, _)| phase == LAST) {
        let reason = cut_short(tally).unwrap_or_else(|| "the record does not tell of the nodes' end".to_owned());
        return Verdict::NotJudged(reason);
    }
    let left = tally.left.iter().map(|(pid, command)| format!("process {pid} ({command}) still ran at the end"));
    let endless = tally.starts.iter().filter_map(|(node, starts)| {
        let ends = tally.exits.iter().filter(|exit| exit.node == *node).count();
        (ends < *starts).then(|| format!("a process of {node} was not seen to end"))
    });
    left.chain(endless).map(|text| Breach { request: None, text }).collect::<Vec<_>>().into()
}
