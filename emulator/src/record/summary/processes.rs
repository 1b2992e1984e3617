//! What the processes held.

use node::clock::Instant;

use super::compute::Clock;
use super::{Held, ProcessSummary};
use crate::record::arithmetic::rounded;
use crate::record::growth::growth;
use crate::record::tally::Tally;

/// By node, and for each node in the order in which its processes came.
pub(super) fn summaries(tally: &Tally, clock: Clock) -> Vec<ProcessSummary> {
    let mut lines: Vec<ProcessSummary> = tally
        .held
        .iter()
        .filter_map(|(process, line)| {
            let mut line = line.clone();
            line.sort_unstable();
            let (first, last) = (line.first()?.at, line.last()?.at);
            Some(ProcessSummary {
                process: process.0.clone(),
                pid: process.1,
                from_s: clock.seconds(first),
                to_s: clock.seconds(last),
                resident_bytes: held(line.iter().map(|look| (look.at, look.resident)))?,
                descriptors: held(line.iter().map(|look| (look.at, look.descriptors)))?,
            })
        })
        .collect();
    lines.sort_by(|a, b| a.process.cmp(&b.process).then(a.from_s.total_cmp(&b.from_s)));
    lines
}

fn held(line: impl Iterator<Item = (Instant, u64)> + Clone) -> Option<Held> {
    let values = line.clone().map(|(_, value)| value);
    let samples: Vec<(Instant, f64)> = line.map(|(at, value)| (at, value as f64)).collect();
    let growth = growth(&samples);
    Some(Held {
        first: values.clone().next()?,
        last: values.clone().last()?,
        most: values.max()?,
        per_hour: growth.map(|growth| rounded(growth.per_hour, 1)),
        grew: growth.map(|growth| rounded(growth.seen, 1)),
    })
}
