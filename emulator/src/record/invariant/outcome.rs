//! `one_outcome`: each request that was accepted has exactly one outcome, a result or an error.

use super::{Breach, Verdict, cut_short};
use crate::record::tally::Tally;
use crate::scenario::Scenario;

pub(super) fn check(_: &Scenario, tally: &Tally) -> Verdict {
    if let Some(reason) = cut_short(tally) {
        return Verdict::NotJudged(reason);
    }
    let breach = |(number, request): (&u64, &crate::record::tally::Request)| {
        let text = if request.is_lost() {
            "was accepted, and neither a result nor an error came until the end"
        } else if request.errored.is_some() && !request.results.is_empty() {
            "has both a result and an error"
        } else {
            return None;
        };
        Some(Breach::of(*number, format!("request {number} {text}")))
    };
    tally.requests.iter().filter_map(breach).collect::<Vec<_>>().into()
}
