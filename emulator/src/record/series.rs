//! `throughput.csv`: what happened in each second of the load, warm-up included.

use std::fmt::Write;
use std::time::Duration;

use super::arithmetic::nearest;
use super::tally::Tally;

/// The first line.
pub const HEADER: &str = "second,offered,completed,errored,p50_ms,p99_ms";

/// What happened in a stretch of the load.
#[derive(Debug, Clone, Default)]
pub struct Bin {
    /// Requests whose scheduled instant came.
    pub offered: u64,
    /// Errors that arrived.
    pub errored: u64,
    /// Latency of the results that arrived, in nanoseconds, the least first.
    latencies: Vec<u64>,
}

impl Bin {
    /// Results that arrived.
    pub fn completed(&self) -> u64 {
        self.latencies.len() as u64
    }

    /// The latency that such a share of the results did not exceed (nearest rank), in milliseconds; `None` without results.
    pub fn percentile(&self, share: f64) -> Option<f64> {
        nearest(&self.latencies, share).map(|nanos| nanos as f64 / 1e6)
    }
}

/// The load, warm-up included, in stretches of this `width`, until the last thing that happened in it. Teardown is no part of it.
pub fn bins(tally: &Tally, width: Duration) -> Vec<Bin> {
    let Some(origin) = tally.load_started else { return Vec::new() };
    let index = |at: node::clock::Instant| (at.since(origin).as_nanos() / width.as_nanos().max(1)) as usize;
    let length = index(tally.last) + 1;
    let mut bins = vec![Bin::default(); length];
    // What has no stretch of its own, before the load or behind the last entry, goes into the nearest.
    let index = |at: node::clock::Instant| index(at).min(length - 1);
    for request in tally.requests.values() {
        if let Some(scheduled) = request.scheduled {
            bins[index(scheduled)].offered += 1;
        }
        if let Some(result) = request.completed() {
            let latency = result.at.since(request.scheduled.unwrap_or(result.at));
            bins[index(result.at)].latencies.push(latency.as_nanos() as u64);
        } else if let Some(errored) = request.errored {
            bins[index(errored)].errored += 1;
        }
    }
    let busy = |bin: &Bin| bin.offered + bin.errored > 0 || !bin.latencies.is_empty();
    bins.truncate(bins.iter().rposition(busy).map_or(0, |last| last + 1));
    bins.iter_mut().for_each(|bin| bin.latencies.sort_unstable());
    bins
}

/// One line for each second since load began: requests whose scheduled instant came, results and
/// errors that arrived, and percentiles of the latency of those results (empty when there were none).
pub fn csv(tally: &Tally) -> String {
    let mut text = format!("{HEADER}\n");
    for (index, bin) in bins(tally, Duration::from_secs(1)).iter().enumerate() {
        let percentile = |share| bin.percentile(share).map_or_else(String::new, |millis| format!("{millis:.3}"));
        let (p50, p99) = (percentile(0.5), percentile(0.99));
        // Writing to a string can't fail.
        let _ = writeln!(text, "{index},{},{},{},{p50},{p99}", bin.offered, bin.completed(), bin.errored);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn the_seconds_add_up_to_the_whole_run_and_show_the_outage() {
        let text = csv(&fixture::crashes().tally());
        let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
        let sum = |column: usize| rows.iter().map(|row| row[column].parse::<u64>().unwrap()).sum::<u64>();
        assert_eq!((sum(1), sum(2), sum(3)), (320, 320, 0));
        assert_eq!(rows[0][..3], ["0", "8", "6"]);
        // Nothing comes out after the kill at 12 s; 41 s hold the last results of 40 s of load.
        assert_eq!(rows[13][1..], ["8", "0", "0", "", ""]);
        assert_eq!(rows.len(), 41);
    }
}
