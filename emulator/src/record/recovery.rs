//! When a fault was detected, and when the pipeline had recovered from it.
//!
//! - **Detected**: the first suspicion, after the fault was fired and before it was healed (or so
//!   shortly afterwards that the heartbeats can't have shown it), that names what the fault hit: a
//!   node it hit, or for a fault of the network a node or path between the nodes it hit. A suspicion
//!   of something else counts when no other fault was in effect: a broken link between switches is
//!   seen by those who speak across it. That the dispatcher is gone, its client and its workers tell.
//!   That a node is slow is a detection of a fault that makes it so, and of no other.
//! - **Planned anew** and **deployed**: the plan that was deployed next after the detection, if what was suspected held a
//!   stage.
//! - **Recovered**: the first result that came through a plan deployed after the detection. If what
//!   was suspected held no stage, the detection itself: nothing had to be recovered. A fault that was
//!   never detected is recovered from at the first result after it was healed; so is one that was, if no other plan
//!   was worth the change meanwhile.
//!
//! Of programs of others is known what probes see: **detected** is the first attempt that failed, and **recovered** the first answer
//! that whoever noticed it had to an attempt that was due after that one and the effect. An attempt is known to have failed only when its time is over:
//! by then later ones may have been answered.

use std::time::Duration;

use node::clock::Instant;
use node::telemetry::Detection;

use super::tally::{FaultSeen, Suspicion, Tally};
use crate::fault::catalogue::entry;
use crate::scenario::{Commands, FaultKind, Role, Scenario};

/// Allowed on top of the time that heartbeats take to be missed: timers and the network's own delays.
const GRACE: Duration = Duration::from_secs(1);

/// See the module's documentation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovery {
    /// When it was detected.
    pub detected: Option<Instant>,
    /// What told: `heartbeat`, `connection`, `refused`, `path`, `pace` or `probe`.
    pub detected_by: Option<&'static str>,
    /// When the next plan was made, if it was after the detection.
    pub planned: Option<Instant>,
    /// When that plan was deployed.
    pub deployed: Option<Instant>,
    /// Whether that plan needed something that had been prepared, and nothing that had to be loaded.
    pub spare: bool,
    /// When the pipeline had recovered.
    pub recovered: Option<Instant>,
}

/// When each result arrived and from which epoch, in the order of arrival.
pub type Arrivals = Vec<(Instant, u32)>;

/// The arrivals of a run, from its tally.
pub fn arrivals(tally: &Tally) -> Arrivals {
    let results = tally.requests.values().filter_map(|request| request.completed());
    let mut arrivals: Arrivals = results.map(|result| (result.at, result.epoch)).collect();
    arrivals.sort_unstable();
    arrivals
}

/// The first result at or after an instant, of an epoch no earlier than `epoch`.
pub fn first_result(arrivals: &Arrivals, at: Instant, epoch: u32) -> Option<Instant> {
    let begin = arrivals.partition_point(|(arrived, _)| *arrived < at);
    arrivals[begin..].iter().find(|(_, of)| *of >= epoch).map(|(arrived, _)| *arrived)
}

/// How the pipeline got over the fault with this index.
pub fn recovery(scenario: &Scenario, tally: &Tally, arrivals: &Arrivals, index: usize) -> Recovery {
    let Some(seen) = tally.faults.get(&index) else { return Recovery::default() };
    if let Some(commands) = scenario.commands() {
        return noticed(commands, tally, arrivals, seen);
    }
    let suspicions = suspicions(scenario, tally);
    if let Some(at) = found_slow(scenario, tally, index, seen) {
        return from_slowness(tally, arrivals, at, seen);
    }
    let Some(suspicion) = suspicion(scenario, tally, &suspicions, index, seen) else {
        let recovered = seen.healed.and_then(|healed| first_result(arrivals, healed, 0));
        return Recovery { recovered, ..Recovery::default() };
    };
    let at = suspicion.at;
    let mut recovery = Recovery { detected: Some(at), detected_by: Some(told(suspicion)), ..Recovery::default() };
    if !held_a_stage(scenario, tally, suspicion) {
        return Recovery { recovered: Some(at), ..recovery };
    }
    if misses_the_dispatcher(suspicion) && !of_a_node(scenario, index) {
        // Whoever can't reach the dispatcher needs the way back, and no other plan.
        return Recovery { recovered: first_result(arrivals, at, 0), ..recovery };
    }
    let deployments = tally.plans.iter().filter_map(|(epoch, plan)| Some((plan.deployed.as_ref()?.0, *epoch, plan)));
    if let Some((deployed, epoch, plan)) =
        deployments.filter(|(deployed, ..)| *deployed >= at).min_by_key(|(deployed, epoch, _)| (*deployed, *epoch))
    {
        recovery.planned = Some(plan.at).filter(|planned| *planned >= at);
        recovery.deployed = Some(deployed);
        let loaded = plan.deployed.as_ref().is_some_and(|(_, loaded)| !loaded.is_empty());
        recovery.spare = !loaded && !plan.prepared.is_empty();
        recovery.recovered = first_result(arrivals, deployed, epoch);
    }
    recovery
}

/// How whoever measures programs of others got over a fault.
fn noticed(commands: &Commands, tally: &Tally, arrivals: &Arrivals, seen: &FaultSeen) -> Recovery {
    let Some((fired, ..)) = &seen.fired else { return Recovery::default() };
    let during = |at: Instant| at >= *fired && seen.healed.is_none_or(|healed| at <= healed + GRACE);
    let stride = commands.stride().max(1);
    let failed =
        tally.requests.iter().filter_map(|(number, request)| Some((request.errored?, number % stride, request)));
    let first = failed.filter(|(at, ..)| during(*at)).min_by_key(|(at, who, _)| (*at, *who));
    let Some((at, who, failed)) = first else {
        let recovered = seen.healed.and_then(|healed| first_result(arrivals, healed, 0));
        return Recovery { recovered, ..Recovery::default() };
    };
    let since = failed.scheduled.max(seen.effective).unwrap_or(*fired);
    let own = tally.requests.iter().filter(|(number, _)| **number % stride == who).map(|(_, request)| request);
    let later = own.filter(|request| request.scheduled.is_some_and(|due| due >= since));
    let recovered = later.filter_map(|request| request.completed()).map(|result| result.at).min();
    Recovery { detected: Some(at), detected_by: Some("probe"), recovered, ..Recovery::default() }
}

/// When the dispatcher first found slow what a fault slows down.
fn found_slow(scenario: &Scenario, tally: &Tally, index: usize, seen: &FaultSeen) -> Option<Instant> {
    let slows = matches!(scenario.faults.get(index)?.kind, FaultKind::Straggler { .. } | FaultKind::Cpu { .. });
    let (fired, _, nodes) = seen.fired.as_ref().filter(|_| slows)?;
    let during = |at: Instant| at >= *fired && seen.healed.is_none_or(|healed| at <= healed);
    tally.slow.iter().filter(|(at, node, _)| during(*at) && nodes.contains(node)).map(|(at, ..)| *at).min()
}

/// From what slows a node down one recovers by a plan that is made for it, or when it is over.
fn from_slowness(tally: &Tally, arrivals: &Arrivals, at: Instant, seen: &FaultSeen) -> Recovery {
    let recovery = Recovery { detected: Some(at), detected_by: Some("pace"), ..Recovery::default() };
    let plans = tally.plans.iter().filter_map(|(epoch, plan)| Some((plan.deployed.as_ref()?.0, *epoch, plan.at)));
    let in_time = |deployed: Instant| deployed >= at && seen.healed.is_none_or(|healed| deployed <= healed);
    match plans.filter(|(deployed, ..)| in_time(*deployed)).min() {
        Some((deployed, epoch, planned)) => Recovery {
            planned: Some(planned),
            deployed: Some(deployed),
            recovered: first_result(arrivals, deployed, epoch),
            ..recovery
        },
        None => Recovery { recovered: seen.healed.and_then(|healed| first_result(arrivals, healed, 0)), ..recovery },
    }
}

fn told(suspicion: &Suspicion) -> &'static str {
    use node::telemetry::Detection::{Connection, Heartbeat, Refused};
    match suspicion.by {
        Some(Heartbeat) => "heartbeat",
        Some(Connection) => "connection",
        Some(Refused) => "refused",
        None => "path",
    }
}

/// What the dispatcher took for broken, and what others missed the dispatcher for: it can't suspect itself.
fn suspicions(scenario: &Scenario, tally: &Tally) -> Vec<Suspicion> {
    let dispatcher = &scenario.nodes[scenario.node_with(Role::Dispatcher)].name;
    let missed = tally.dispatcher_lost.iter().map(|(at, by)| Suspicion {
        at: *at,
        node: dispatcher.clone(),
        to: Some(by.clone()),
        by: Some(Detection::Connection),
    });
    tally.suspicions.iter().cloned().chain(missed).collect()
}

/// Whether somebody else misses the dispatcher, who can't suspect itself.
fn misses_the_dispatcher(suspicion: &Suspicion) -> bool {
    suspicion.to.is_some() && suspicion.by.is_some()
}

fn of_a_node(scenario: &Scenario, index: usize) -> bool {
    scenario.faults.get(index).is_some_and(|fault| entry(&fault.kind).of_a_node)
}

/// The suspicion that a fault raised.
fn suspicion<'a>(
    scenario: &Scenario,
    tally: &Tally,
    suspicions: &'a [Suspicion],
    index: usize,
    seen: &FaultSeen,
) -> Option<&'a Suspicion> {
    let (fired, _, nodes) = seen.fired.as_ref()?;
    let heartbeats = scenario.inference().map(|inference| inference.plan.heartbeat * inference.plan.missed_heartbeats);
    let grace = heartbeats.unwrap_or_default() + GRACE;
    let in_effect = |seen: &FaultSeen, at: Instant| {
        let fired = seen.fired.as_ref().is_some_and(|(fired, ..)| *fired <= at);
        fired && seen.healed.is_none_or(|healed| at <= healed + grace)
    };
    let hit = |name: &String| nodes.contains(name);
    let of_a_node = of_a_node(scenario, index);
    let names_it = |suspicion: &&Suspicion| match (&suspicion.to, of_a_node) {
        (None, _) => hit(&suspicion.node),
        // Who misses the dispatcher is not to blame for it.
        (Some(_), true) if suspicion.by.is_some() => hit(&suspicion.node),
        (Some(to), true) => hit(&suspicion.node) || hit(to),
        (Some(to), false) => hit(&suspicion.node) && hit(to),
    };
    let alone = |suspicion: &&Suspicion| {
        tally.faults.iter().all(|(other, seen)| *other == index || !in_effect(seen, suspicion.at))
    };
    // The dispatcher is missed at once or not at all: nothing is waited for that could outlast the fault.
    let in_time = |s: &Suspicion| !misses_the_dispatcher(s) || seen.healed.is_none_or(|healed| s.at <= healed);
    let mut during: Vec<&Suspicion> =
        suspicions.iter().filter(|s| s.at >= *fired && in_effect(seen, s.at) && in_time(s)).collect();
    during.sort_by_key(|suspicion| suspicion.at);
    let named = during.iter().copied().find(names_it);
    named.or_else(|| during.iter().copied().find(alone))
}

/// Whether the plan in force needed what was suspected.
fn held_a_stage(scenario: &Scenario, tally: &Tally, suspicion: &Suspicion) -> bool {
    let Some(plan) = tally.plan_at(suspicion.at) else { return false };
    let holds = |name: &String| {
        let index = scenario.nodes.iter().position(|node| node.name == *name);
        index.is_some_and(|index| {
            scenario.nodes[index].role == Role::Dispatcher || plan.plan.stages.iter().any(|stage| stage.node == index)
        })
    };
    misses_the_dispatcher(suspicion) || holds(&suspicion.node) && suspicion.to.as_ref().is_none_or(holds)
}
