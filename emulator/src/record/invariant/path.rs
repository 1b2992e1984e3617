//! The way of a request: everything that the record has of it, in the order of time.

use node::clock::Instant;
use serde::{Deserialize, Serialize};

use crate::record::tally::{Hop, Tally};

/// Something that happened to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// When, in seconds since load began.
    pub at_s: f64,
    /// On which node: `client`, `dispatcher`, or the name of the worker.
    pub node: String,
    /// What.
    pub what: String,
}

/// Everything that happened to this request.
pub fn of(tally: &Tally, request: u64) -> Vec<Step> {
    let Some(seen) = tally.requests.get(&request) else { return Vec::new() };
    let began = tally.load_started.unwrap_or_default();
    let seconds = |at: Instant| {
        let nanos = at.0 as i128 - began.0 as i128;
        (nanos as f64 / 1e3).round() / 1e6
    };
    let mut steps: Vec<(Instant, Step)> = Vec::new();
    let mut step = |at: Instant, node: &str, what: String| {
        steps.push((at, Step { at_s: seconds(at), node: node.to_owned(), what }));
    };
    let client = [(seen.scheduled, "due"), (seen.sent, "sent"), (seen.accepted, "told that it is accepted")];
    for (at, what) in client {
        at.into_iter().for_each(|at| step(at, "client", what.to_owned()));
    }
    seen.errored.into_iter().for_each(|at| step(at, "client", "has an error".to_owned()));
    for result in &seen.results {
        step(result.at, "client", format!("has a result of epoch {}, digest {}", result.epoch, result.digest));
    }
    for (at, _) in tally.replays.iter().filter(|(_, requests)| requests.contains(&request)) {
        step(*at, "dispatcher", "sends it again".to_owned());
    }
    for hop in &seen.hops {
        match *hop {
            Hop::Fed { at, epoch, chain } => {
                step(at, "dispatcher", format!("sends it into chain {chain} of epoch {epoch}"));
            }
            Hop::Stage { place, epoch, stage, received, finished, sent, .. } => {
                let (finished, sent) = (seconds(finished), seconds(sent));
                let what = format!(
                    "has the input of stage {stage} of epoch {epoch}, the output at {finished} s, sent at {sent} s"
                );
                step(received, tally.places.name(place), what);
            }
            Hop::Arrived { at, epoch, chain } => {
                step(at, "dispatcher", format!("has a result from chain {chain} of epoch {epoch}"));
            }
        }
    }
    // The instant of a step that has none of its own lies before what it led to.
    steps.sort_by_key(|(at, _)| *at);
    steps.into_iter().map(|(_, step)| step).collect()
}
