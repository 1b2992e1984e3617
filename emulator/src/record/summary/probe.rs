//! What was measured before the first plan, against the scenario.

use planner::units::Rate;

use super::{ProbeSummary, ProbedPair};
use crate::record::arithmetic::rounded;
use crate::record::tally::Tally;
use crate::scenario::Scenario;

/// The errors of a survey; `None` where there was none.
pub(super) fn summary(scenario: &Scenario, tally: &Tally) -> Option<ProbeSummary> {
    let took = tally.probed?;
    let cluster = scenario.cluster();
    let mut errors: Vec<(f64, ProbedPair)> = Vec::new();
    let mut missing = 0;
    for (from, row) in cluster.paths.iter().enumerate() {
        let sender = &cluster.nodes[from].name;
        for (to, configured) in row.iter().enumerate() {
            let Some(configured) = configured else { continue };
            let measured = tally.measured.get(sender).and_then(|paths| *paths.get(to)?);
            let Some(measured) = measured else {
                missing += 1;
                continue;
            };
            let Some(rate) = configured.rate else { continue };
            let configured_mbits = rate.mbits_per_second();
            let measured_mbits = measured.rate.map(Rate::mbits_per_second);
            // What is faster than can be told is at least twice as fast.
            let error = measured_mbits.map_or(1.0, |measured| (measured / configured_mbits - 1.0).abs());
            let (from, to) = (sender.clone(), cluster.nodes[to].name.clone());
            errors.push((error, ProbedPair { from, to, measured_mbits, configured_mbits }));
        }
    }
    errors.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let error = |(error, _): &(f64, ProbedPair)| rounded(*error, 4);
    Some(ProbeSummary {
        pairs: errors.len(),
        missing,
        median_error: errors.get(errors.len() / 2).map(error),
        worst_error: errors.last().map(error),
        worst: errors.last().map(|(_, pair)| pair.clone()),
        took_s: rounded(took.as_secs_f64(), 3),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use planner::cluster::Path;

    use super::*;
    use crate::record::fixture;
    use crate::scenario::network::{Airtime, Medium, Shape};

    #[test]
    fn errors_are_those_of_pairs_with_a_rate_and_what_did_not_answer_is_missing() {
        let mut run = fixture::crashes();
        let rate = |mbits: f64| Some(Rate::from_mbits_per_second(mbits));
        let count = run.scenario.nodes.len();
        let mut shapes = vec![vec![Shape { rate: rate(10.0), ..Shape::default() }; count]; count];
        shapes[0][1].rate = None;
        let medium =
            Medium { name: "air".into(), members: (0..count).collect(), shapes, airtime: Airtime::Independent };
        (run.scenario.network.nodes, run.scenario.network.media) = (count, vec![medium]);
        let mut tally = run.tally();
        assert_eq!(summary(&run.scenario, &tally), None);

        tally.probed = Some(Duration::from_millis(1500));
        let path = |mbits: f64| Some(Path { rate: rate(mbits), delay: Duration::ZERO, air: None });
        let name = |node: usize| run.scenario.nodes[node].name.clone();
        let mut row = vec![path(10.1); count];
        (row[0], row[3]) = (None, path(7.0));
        tally.measured.insert(name(0), row);
        let found = summary(&run.scenario, &tally).unwrap();
        // From the first node to all others; the one without a limit is not compared.
        assert_eq!((found.pairs, found.missing), (count - 2, (count - 1) * (count - 1)));
        assert_eq!((found.median_error, found.worst_error), (Some(0.01), Some(0.3)));
        let worst = found.worst.unwrap();
        assert_eq!((worst.from, worst.to, worst.measured_mbits), (name(0), name(3), Some(7.0)));
    }
}
