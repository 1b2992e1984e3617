//! `right_output`: every output is the unsplit model's, bit for bit. A codec that changes values can't be
//! judged by that.

use super::{Breach, Verdict};
use crate::record::tally::Tally;
use crate::scenario::Scenario;

pub(super) fn check(_: &Scenario, tally: &Tally) -> Verdict {
    if tally.digests.is_empty() {
        return Verdict::NotJudged("outputs were not compared with the unsplit model's".to_owned());
    }
    let mut breaches = Vec::new();
    for (number, request) in &tally.requests {
        let Some((wanted, wrong)) = tally.wrong(request) else { continue };
        let input = request.input.unwrap_or_default();
        let text = format!(
            "request {number} has an output with digest {}, and the unsplit model's for input {input} is {wanted}",
            wrong.digest
        );
        breaches.push(Breach::of(*number, text));
    }
    breaches.into()
}
