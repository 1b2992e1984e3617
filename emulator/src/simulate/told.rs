//! What a simulation tells, as nodes would have told it.

use std::time::Duration;

use node::clock::Instant;
use node::telemetry::{Detection, Event, Stamped};
use planner::simulate::Event as Simulated;

use crate::scenario::{Role, Scenario};

/// Who says it, and what. `origin` is when load began.
pub(super) fn told(scenario: &Scenario, origin: Instant, time: Duration, event: Simulated) -> (String, Stamped) {
    let at = origin + time;
    let name = |node: usize| scenario.nodes.get(node).map_or_else(String::new, |node| node.name.clone());
    let (client, dispatcher) = (scenario.node_with(Role::Client), scenario.node_with(Role::Dispatcher));
    let (node, event) = match event {
        Simulated::Offered { request } => {
            let input =
                (request % u64::from(scenario.inference().map_or(1, |inference| inference.inputs.max(1)))) as u32;
            (client, Event::Offered { request, input, scheduled: at })
        }
        Simulated::Sent { request } => (client, Event::Sent { request }),
        Simulated::Accepted { request } => (client, Event::Accepted { request }),
        // Nothing was computed, so there is nothing to take a digest of.
        Simulated::Completed { request, epoch } => (client, Event::Completed { request, epoch, digest: String::new() }),
        Simulated::Planned { epoch, reason, plan, took } => {
            (dispatcher, Event::Planned { epoch, reason, plan, took, rehearsed: false })
        }
        Simulated::Deployed { epoch, loaded, took } => {
            let loaded = loaded.into_iter().map(name).collect();
            (dispatcher, Event::Deployed { epoch, loaded, prepared: Vec::new(), took })
        }
        Simulated::Unplannable { reason } => (dispatcher, Event::Unplannable { reason }),
        Simulated::NodeSuspected { node, connection } => {
            let by = if connection { Detection::Connection } else { Detection::Heartbeat };
            (dispatcher, Event::NodeSuspected { node: name(node), by })
        }
        Simulated::PathSuspected { from, to } => (dispatcher, Event::PathSuspected { from: name(from), to: name(to) }),
        Simulated::Rejoined { node } => (dispatcher, Event::Rejoined { node: name(node) }),
        Simulated::Replayed { epoch, requests } => (dispatcher, Event::Replayed { epoch, requests }),
        Simulated::StaleDropped { request, epoch } => (dispatcher, Event::StaleDropped { request, epoch }),
        Simulated::Processed { node, request, epoch, stage, received, started, finished } => {
            let (received, started, finished) = (origin + received, origin + started, origin + finished);
            let stage = stage as u16;
            (
                node,
                Event::Processed { request, epoch, stage, received, started, finished, sent: at, late: Duration::ZERO },
            )
        }
    };
    (name(node), Stamped { at, event })
}
