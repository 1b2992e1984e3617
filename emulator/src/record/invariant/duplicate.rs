//! `no_duplicate`: no second result of a request reaches the client, be it the same or not.

use super::{Breach, Verdict};
use crate::record::tally::Tally;
use crate::scenario::Scenario;

pub(super) fn check(_: &Scenario, tally: &Tally) -> Verdict {
    let twice = tally.requests.iter().filter(|(_, request)| request.is_duplicated());
    let breach = |(number, request): (&u64, &crate::record::tally::Request)| {
        Breach::of(*number, format!("request {number} had {} results", request.results.len()))
    };
    twice.map(breach).collect::<Vec<_>>().into()
}
