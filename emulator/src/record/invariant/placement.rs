//! `placement`: a stage is computed by the node that the plan put it on, after that plan was made, and by a
//! process that took no more memory for it than the node has. A segment that is only held ready has not served, but takes no more
//! memory than there is, either.

use std::collections::BTreeSet;

use super::{Breach, Verdict, is_simulated};
use crate::record::tally::{Hop, Tally};
use crate::scenario::Scenario;

pub(super) fn check(scenario: &Scenario, tally: &Tally) -> Verdict {
    if is_simulated(tally) {
        return Verdict::NotJudged("a simulation has no processes".to_owned());
    }
    let mut breaches = Vec::new();
    let mut served: BTreeSet<(u32, u16)> = BTreeSet::new();
    for (number, request) in &tally.requests {
        for hop in &request.hops {
            let Hop::Stage { place, epoch, stage, received, .. } = *hop else { continue };
            served.insert((epoch, stage));
            // A dispatcher that was killed may not have told of its last plan.
            let Some(seen) = tally.plans.get(&epoch) else { continue };
            let found = tally.places.name(place);
            let planned = seen.plan.stages.get(usize::from(stage)).and_then(|stage| scenario.nodes.get(stage.node));
            let text = match planned {
                None => format!("{found} computed stage {stage} of epoch {epoch}, which that plan does not have"),
                Some(node) if node.name != found => {
                    format!("{found} computed stage {stage} of epoch {epoch}, which the plan put on {}", node.name)
                }
                Some(_) if received < seen.at => {
                    format!("{found} computed stage {stage} of epoch {epoch} before that plan was made")
                }
                Some(_) => continue,
            };
            breaches.push(Breach::of(*number, format!("request {number}: {text}")));
        }
    }
    for load in tally.loads.iter().filter(|load| served.contains(&(load.epoch, load.stage))) {
        let Some(node) = scenario.nodes.iter().find(|node| node.name == load.node) else { continue };
        if load.resident > node.memory {
            let text = format!(
                "{} served stage {} of epoch {} with {} in memory, and has {}",
                load.node, load.stage, load.epoch, load.resident, node.memory
            );
            breaches.push(Breach { request: None, text });
        }
    }
    for (node, resident) in &tally.prepared {
        let Some(node) = scenario.nodes.iter().find(|spec| spec.name == *node) else { continue };
        if *resident > node.memory {
            let text = format!("{} prepared a segment with {resident} in memory, and has {}", node.name, node.memory);
            breaches.push(Breach { request: None, text });
        }
    }
    breaches.into()
}
