//! The figures in Prometheus' text format, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>), named as Prometheus asks for: base units in the
//! name, `_total` behind what only grows, labels for what can be summed.

use std::fmt::{Display, Write};

use super::super::state::{BOUNDS, Life, Stand, State};
use crate::scenario::Role;

/// A family of figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// What sort of figure it is.
    pub kind: Kind,
    /// What it says, and its labels.
    pub help: &'static str,
}

/// What sort of figure a family has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Values counted in buckets.
    Histogram,
}

impl Kind {
    /// As the format has it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

macro_rules! families {
    ($($constant:ident $name:literal $kind:ident $help:literal)*) => {
        $(const $constant: Family = Family { name: $name, kind: Kind::$kind, help: $help };)*
        /// All families, in the order in which they are written.
        pub const FAMILIES: &[Family] = &[$($constant),*];
    };
}

families! {
    RUN "emu_run_info" Gauge "Always 1; the labels say what is run."
    LOAD_SECONDS "emu_load_duration_seconds" Gauge "How long load is offered."
    LOAD_ELAPSED "emu_load_elapsed_seconds" Gauge "Time since load began, until it ended; 0 before that."
    OFFERED "emu_requests_offered_total" Counter "Requests whose scheduled instant has come."
    ACCEPTED "emu_requests_accepted_total" Counter "Requests that the dispatcher has accepted."
    REQUESTS "emu_requests_total" Counter "Requests answered, by outcome."
    REPLAYED "emu_requests_replayed_total" Counter "Requests sent through the pipeline again after a failure."
    IN_FLIGHT "emu_requests_in_flight" Gauge "Requests that wait for their answer."
    LATENCY "emu_request_duration_seconds" Histogram "From a request's scheduled instant to its result."
    UP "emu_node_up" Gauge "Whether the node's process serves: 1 or 0."
    STARTS "emu_node_starts_total" Counter "How often a process was started on the node."
    LIMIT "emu_node_memory_limit_bytes" Gauge "Memory that the node's process may use."
    RESIDENT "emu_node_resident_memory_bytes" Gauge "Resident memory of the node's process."
    DESCRIPTORS "emu_node_open_fds" Gauge "Open file descriptors of the node's process."
    PROCESSED "emu_node_processed_total" Counter "Requests that went through the node's stages."
    COMPUTED "emu_node_compute_seconds_total" Counter "Time for which the node's stages computed."
    STAGE "emu_stage_info" Gauge "Always 1; the labels say which node holds which stage of the plan."
    EPOCH "emu_plan_epoch" Gauge "Epoch of the last plan."
    PLANS "emu_plans_total" Counter "Plans made."
    SUSPICIONS "emu_suspicions_total" Counter "Nodes and paths that the dispatcher took for broken."
    ACTIVE "emu_faults_active" Gauge "Faults that hold now, by kind."
    FIRED "emu_faults_fired_total" Counter "Faults fired, by kind."
    FAILED "emu_faults_failed_total" Counter "Faults that could not be fired or go on, by kind."
    BYTES "emu_link_bytes_total" Counter "Bytes delivered in a direction between neighbours, with Ethernet headers."
    PACKETS "emu_link_packets_total" Counter "Full-size packets delivered in a direction."
    LOST "emu_link_packets_lost_total" Counter "Packets lost in a direction because its shape says so."
    OVERFLOWED "emu_link_packets_overflowed_total" Counter "Packets dropped in a direction because the queue was full."
    AQM_DROPPED "emu_link_packets_aqm_dropped_total" Counter "Packets dropped in a direction because they had waited too long in its queue (CoDel)."
    CAPACITY "emu_link_capacity_bytes_per_second" Gauge "What a direction that carried something can carry, by the scenario."
    OWN "emu_resident_memory_bytes" Gauge "Resident memory of emu itself."
}

/// The figures of a state, `elapsed` seconds after load began.
pub fn exposition(state: &State, elapsed: f64) -> String {
    let mut page = Page::default();
    let about = |name: &'static str, value: &str| (name, value.to_owned());
    page.family(RUN).figure(
        &[
            about("scenario", &state.scenario),
            about("model", &state.model),
            ("seed", state.seed.to_string()),
            about("carrier", state.carrier.as_deref().unwrap_or_default()),
            about("version", env!("CARGO_PKG_VERSION")),
        ],
        1,
    );
    page.family(LOAD_SECONDS).figure(&[], state.duration.as_secs_f64());
    page.family(LOAD_ELAPSED).figure(&[], elapsed);
    let requests = &state.requests;
    page.family(OFFERED).figure(&[], requests.offered);
    page.family(ACCEPTED).figure(&[], requests.accepted);
    page.family(REQUESTS)
        .figure(&[about("outcome", "completed")], requests.completed)
        .figure(&[about("outcome", "errored")], requests.errored);
    page.family(REPLAYED).figure(&[], requests.replayed);
    page.family(IN_FLIGHT).figure(&[], state.outstanding);
    page.histogram(state);
    page.nodes(state);
    page.family(STAGE);
    for (stage, node) in state.plan.iter().flat_map(|plan| plan.stages.iter().enumerate()) {
        let epoch = state.plan.as_ref().map_or(0, |plan| plan.epoch);
        let node = state.hosts.get(*node).cloned().unwrap_or_default();
        page.figure(&[("stage", stage.to_string()), ("node", node), ("epoch", epoch.to_string())], 1);
    }
    page.family(EPOCH).figure(&[], state.plan.as_ref().map_or(0, |plan| plan.epoch));
    page.family(PLANS).figure(&[], state.plans);
    page.family(SUSPICIONS).figure(&[], state.suspicions);
    page.faults(state);
    page.links(state);
    page.family(OWN);
    state.own_memory.into_iter().for_each(|bytes| _ = page.figure(&[], bytes));
    page.text
}

/// The text as it grows, and the family that figures are of. Writing to a text can't fail.
#[derive(Default)]
struct Page {
    text: String,
    name: &'static str,
}

type Label = (&'static str, String);

impl Page {
    fn family(&mut self, family: Family) -> &mut Page {
        let Family { name, kind, help } = family;
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {}", kind.word());
        self.name = name;
        self
    }

    fn figure(&mut self, labels: &[Label], value: impl Display) -> &mut Page {
        self.line("", labels, value)
    }

    fn line(&mut self, suffix: &str, labels: &[Label], value: impl Display) -> &mut Page {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let braces = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.text, "{}{suffix}{braces} {value}", self.name);
        self
    }

    fn histogram(&mut self, state: &State) {
        self.family(LATENCY);
        let mut below = 0;
        for (place, count) in state.latency.counts.iter().enumerate() {
            below += count;
            let bound = BOUNDS.get(place).map_or("+Inf".to_owned(), f64::to_string);
            self.line("_bucket", &[("le", bound)], below);
        }
        self.line("_sum", &[], state.latency.sum).line("_count", &[], below);
    }

    fn nodes(&mut self, state: &State) {
        let label = |number: usize| ("node", state.hosts.get(number).cloned().unwrap_or_default());
        let nodes = || state.nodes.iter().enumerate();
        self.family(UP);
        for (number, node) in nodes() {
            let role = match node.role {
                Role::Client => "client",
                Role::Dispatcher => "dispatcher",
                Role::Worker => "worker",
            };
            self.figure(&[label(number), ("role", role.to_owned())], u8::from(node.life == Life::Up));
        }
        self.family(STARTS);
        nodes().for_each(|(number, node)| _ = self.figure(&[label(number)], node.starts));
        self.family(LIMIT);
        nodes().for_each(|(number, node)| _ = self.figure(&[label(number)], node.limit.bytes()));
        self.family(RESIDENT);
        for (number, bytes) in nodes().filter_map(|(number, node)| Some((number, node.resident?))) {
            self.figure(&[label(number)], bytes);
        }
        self.family(DESCRIPTORS);
        for (number, count) in nodes().filter_map(|(number, node)| Some((number, node.descriptors?))) {
            self.figure(&[label(number)], count);
        }
        let workers = || nodes().filter(|(_, node)| node.role == Role::Worker);
        self.family(PROCESSED);
        workers().for_each(|(number, node)| _ = self.figure(&[label(number)], node.processed));
        self.family(COMPUTED);
        workers().for_each(|(number, node)| _ = self.figure(&[label(number)], node.computed.as_secs_f64()));
    }

    fn faults(&mut self, state: &State) {
        let mut kinds: Vec<&'static str> = state.faults.iter().map(|fault| fault.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let mut count = |family: Family, counts: fn(&Stand) -> bool| {
            self.family(family);
            for kind in &kinds {
                let count = state.faults.iter().filter(|fault| fault.kind == *kind && counts(&fault.stand)).count();
                self.figure(&[("kind", (*kind).to_owned())], count);
            }
        };
        count(ACTIVE, |stand| matches!(stand, Stand::Active));
        count(FIRED, |stand| matches!(stand, Stand::Active | Stand::Healed(_)));
        count(FAILED, |stand| matches!(stand, Stand::Failed(_)));
    }

    /// Directions through which something has passed: a medium has many through which nothing ever does.
    fn links(&mut self, state: &State) {
        let name = |host: usize| state.hosts.get(host).cloned().unwrap_or_default();
        let used = || {
            let used = state.links.iter().filter(|(_, link)| link.counters != Default::default());
            used.map(|(&(from, to), link)| ([("from", name(from)), ("to", name(to))], link))
        };
        self.family(BYTES);
        used().for_each(|(labels, link)| _ = self.figure(&labels, link.counters.bytes));
        self.family(PACKETS);
        used().for_each(|(labels, link)| _ = self.figure(&labels, link.counters.packets));
        self.family(LOST);
        used().for_each(|(labels, link)| _ = self.figure(&labels, link.counters.lost));
        self.family(OVERFLOWED);
        used().for_each(|(labels, link)| _ = self.figure(&labels, link.counters.overflowed));
        self.family(AQM_DROPPED);
        used().for_each(|(labels, link)| _ = self.figure(&labels, link.counters.aqm_dropped));
        self.family(CAPACITY);
        for (labels, rate) in used().filter_map(|(labels, link)| Some((labels, link.capacity?))) {
            self.figure(&labels, rate.bits_per_second() as f64 / 8.0);
        }
    }
}

/// A label's value, as it stands between quotes.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
