//! `throughput.csv`: what happened in each second of the load, warm-up included.

use std::fmt::Write;

use super::tally::Tally;

/// The first line.
pub const HEADER: &str = "second,offered,completed,errored,p50_ms,p99_ms";

#[derive(Clone, Default)]
struct Second {
    offered: u64,
    errored: u64,
    /// Latency of the results that arrived, in nanoseconds.
    latencies: Vec<u64>,
}

/// One line for each second since load began: requests whose scheduled instant came, results and
/// errors that arrived, and percentiles of the latency of those results (empty when there were none).
pub fn csv(tally: &Tally) -> String {
    let mut text = format!("{HEADER}\n");
    let Some(origin) = tally.load_started else { return text };
    let length = tally.last.since(origin).as_secs() as usize + 1;
    let mut seconds = vec![Second::default(); length];
    // What has no second of its own, before the load or behind the last entry, goes into the nearest.
    let second = |at: node::clock::Instant| (at.since(origin).as_secs() as usize).min(length - 1);
    for request in tally.requests.values() {
        if let Some(scheduled) = request.scheduled {
            seconds[second(scheduled)].offered += 1;
        }
        if let Some(result) = request.completed() {
            let latency = result.at.since(request.scheduled.unwrap_or(result.at));
            seconds[second(result.at)].latencies.push(latency.as_nanos() as u64);
        } else if let Some(errored) = request.errored {
            seconds[second(errored)].errored += 1;
        }
    }
    // Teardown is no part of the load.
    let busy = |second: &Second| second.offered + second.errored > 0 || !second.latencies.is_empty();
    let used = seconds.iter().rposition(busy).map_or(0, |last| last + 1);
    for (index, second) in seconds[..used].iter_mut().enumerate() {
        second.latencies.sort_unstable();
        let completed = second.latencies.len();
        let percentile = |share: f64| {
            let rank = ((share * completed as f64).ceil() as usize).max(1);
            second.latencies.get(rank - 1).map_or_else(String::new, |nanos| format!("{:.3}", *nanos as f64 / 1e6))
        };
        let (p50, p99) = (percentile(0.5), percentile(0.99));
        // Writing to a string can't fail.
        let _ = writeln!(text, "{index},{},{completed},{},{p50},{p99}", second.offered, second.errored);
    }
    text
}
