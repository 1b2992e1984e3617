//! From [raw structs](super::parse::raw) to a [`Scenario`]: names are looked up, defaults filled in,
//! lots drawn. Every mistake of meaning is found in one pass; what rests on something whose form is
//! wrong is left unchecked, so that one slip is told once.

pub mod capacity;
pub mod chaos;
mod classes;
mod faults;
mod graph;
mod hosts;
pub mod mistake;
mod model;
mod nodes;
mod shape;
mod target;
mod topology;
pub mod workload;

use std::path::Path;
use std::time::Duration;

use node::config::Load;

use super::error::Problem;
use super::network::Network;
use super::parse::choice::Aim;
use super::parse::mistake::Mistake as FormMistake;
use super::parse::raw;
use super::parse::reader::Read;
use super::parse::reader::Table;
use super::source::{Place, Sources};
use super::workload::Programs;
use super::{Expect, Inference, PlanSpec, Scenario, Store, Workload};
use hosts::Hosts;
use mistake::Mistake;
use planner::strategy::Replicas;

/// Resolves a scenario. Files that it names are looked for in `folder`; the text of those that are
/// read joins `sources`. `None` if something is wrong, which has been noted then or before.
pub fn resolve(
    raw: &raw::Scenario,
    folder: &Path,
    sources: &mut Sources,
    problems: &mut Vec<Problem>,
) -> Option<Scenario> {
    let before = problems.len();
    let seed = raw.seed.get().map(|seed| seed.0);
    let duration = raw.duration.at().map(|duration| (duration.value.0, duration.place));
    let warmup = warmup(raw, duration, problems);
    workload::check_tables(raw, problems);
    let of_commands = workload::is_of_commands(raw);
    let model = if of_commands { None } else { model(raw, folder, problems) };
    let cluster = cluster(raw, seed, folder, sources, problems);
    let commands = cluster.as_ref().filter(|_| of_commands).and_then(|(hosts, _, programs, _)| {
        workload::Resolver { hosts, sources, problems }.commands(raw, folder, programs.clone())
    });
    let stored = model.as_ref().is_some_and(|model| model.store == Store::Node);
    let faults = raw.fault.get().map_or(&[][..], |list| &list.0);
    let faults = cluster.as_ref().map(|(hosts, _, _, network)| {
        let setting = faults::Setting { hosts, network, end: duration, seed: seed.unwrap_or_default() };
        let mut planned = faults::plan(faults, &setting, &mut faults::Files { folder, sources }, problems);
        // Without its seed, what it draws means nothing; a cluster that is wrong has too few or too many to draw from.
        if let (Some(chaos), Some(_), true) = (raw.chaos.at(), seed, problems.len() == before) {
            planned.extend(
                chaos::plan(chaos, stored, &setting, &mut faults::Files { folder, sources }, problems)
                    .unwrap_or_default(),
            );
            planned.sort_by_key(|fault| fault.at);
        }
        planned
    });
    let expect = expect(raw, problems);
    let (_, nodes, _, network) = cluster?;
    let workload = if of_commands {
        Workload::Commands(Box::new(commands?))
    } else {
        let (load, inputs) = load(raw)?;
        Workload::Inference(Box::new(Inference { model: model?, plan: plan(raw, problems)?, load, inputs }))
    };
    let scenario = Scenario {
        name: raw.name.get()?.0.clone(),
        description: raw.description.get()?.0.trim().to_owned(),
        seed: seed?,
        duration: duration?.0,
        warmup: warmup?,
        drain: raw.drain.get()?.0,
        nodes,
        network,
        workload,
        faults: faults?,
        expect,
    };
    (problems.len() == before).then_some(scenario)
}

/// The model, which a scenario without a workload of another kind must have.
fn model(raw: &raw::Scenario, folder: &Path, problems: &mut Vec<Problem>) -> Option<super::ModelSpec> {
    use super::error::Mistake::Form;
    let misspelt = |problem: &Problem| matches!(&problem.mistake, Form(FormMistake::UnknownKey { nearest: Some(nearest), .. }) if nearest == "model");
    if raw.model.optional()?.is_none() && !problems.iter().any(misspelt) {
        let (table, what) = ("the scenario".to_owned(), raw::Model::WHAT.to_owned());
        let example = format!("model = {}", raw::Model::EXAMPLE);
        let mistake = FormMistake::MissingKey { key: "model".to_owned(), table, what, example };
        problems.push(Problem::new(mistake.into(), Place::new(0, 0..0)));
    }
    model::model(raw, folder, problems)
}

fn warmup(raw: &raw::Scenario, duration: Option<(Duration, Place)>, problems: &mut Vec<Problem>) -> Option<Duration> {
    let warmup = raw.warmup.at()?;
    let Some((duration, place)) = duration else { return Some(warmup.value.0) };
    if warmup.value.0 < duration {
        return Some(warmup.value.0);
    }
    if !warmup.place.is_written() {
        // Nobody asked for a warm-up: a short run has a short one.
        return Some(duration / 10);
    }
    let problem = Problem::new(Mistake::WarmupTooLong.into(), warmup.place);
    problems.push(problem.also(place, "the whole run"));
    None
}

fn cluster(
    raw: &raw::Scenario,
    seed: Option<u64>,
    folder: &Path,
    sources: &mut Sources,
    problems: &mut Vec<Problem>,
) -> Option<(Hosts, Vec<super::NodeSpec>, Vec<Programs>, Network)> {
    let topology = raw.topology.at()?;
    let layout = topology::layout(topology, raw, seed.unwrap_or_default(), folder, sources, problems)?;
    let mut hosts = Hosts::new(layout.nodes.clone(), &layout.switches, layout.incomplete);
    let (nodes, programs) = nodes::describe(raw, topology.place, &layout, &mut hosts, sources, problems);
    let network = Network {
        nodes: nodes.len(),
        switches: layout.switches,
        links: layout.links,
        media: layout.media,
        positions: layout.positions,
    };
    if !layout.incomplete
        && let Some((from, unreached)) = network.cut_off()
    {
        let name = |host: usize| hosts.names[host].clone();
        let place = |host: usize| layout.listed.get(host).map_or(topology.place, |(_, place)| *place);
        let unreached: Vec<usize> = unreached.into_iter().collect();
        if let Some(first) = unreached.first() {
            let names = unreached.iter().map(|host| name(*host)).collect();
            let mistake = Mistake::Unconnected { from: name(from), to: name(*first), unreached: names };
            problems.push(Problem::new(mistake.into(), place(*first)));
        }
    }
    Some((hosts, nodes, programs, network))
}

fn load(raw: &raw::Scenario) -> Option<(Load, u32)> {
    let closed = |closed: &raw::Closed| {
        let load = Load::Closed { concurrency: closed.concurrency.get()?.0 as u32 };
        Some((load, closed.inputs.inputs.get()?.0 as u32))
    };
    match raw.load.optional()? {
        None => closed(&raw::Closed::defaults()),
        Some(raw::Load::Closed(keys)) => closed(keys),
        Some(raw::Load::Open(keys)) => {
            let load = Load::Open { rate_per_s: keys.rate.get()?.0, arrival: keys.arrival.get()?.0 };
            Some((load, keys.inputs.inputs.get()?.0 as u32))
        }
    }
}

fn plan(raw: &raw::Scenario, problems: &mut Vec<Problem>) -> Option<PlanSpec> {
    let defaults = raw::Plan::defaults();
    let keys = raw.plan.optional()?.unwrap_or(&defaults);
    let (aim, floor) = (keys.objective.get()?.0, keys.floor.optional()?);
    if let (Aim::Throughput, Some(floor)) = (aim, keys.floor.at()) {
        problems.push(Problem::new(Mistake::FloorOfThroughput.into(), floor.place));
    }
    let objective = aim.objective(floor.map_or(0.0, |floor| floor.0));
    if let (None, Some(at)) = (objective, keys.objective.at()) {
        problems.push(Problem::new(Mistake::EnergyWithoutFloor.into(), at.place));
    }
    let replicas = keys.replicas.get()?.0;
    if let (true, true, Some(at)) = (aim != Aim::Throughput, replicas != Replicas::One, keys.replicas.at()) {
        problems.push(Problem::new(Mistake::ReplicasWithoutThroughput.into(), at.place));
    }
    Some(PlanSpec {
        strategy: keys.strategy.get()?.0,
        bandwidth: keys.bandwidth.get()?.0,
        objective: objective?,
        replicas,
        spares: keys.spares.get()?.0,
        order: keys.order.get()?.0,
        heartbeat: keys.heartbeat.get()?.0,
        missed_heartbeats: keys.missed.get()?.0 as u32,
        window: keys.window.optional()?.map(|window| window.0 as u32),
        queue: keys.queue.get()?.0 as u32,
        straggler: keys.straggler.get()?.0,
    })
}

fn expect(raw: &raw::Scenario, problems: &mut Vec<Problem>) -> Expect {
    let Some(keys) = raw.expect.get() else { return Expect::default() };
    let first_fault = raw.fault.get().and_then(|list| list.0.first()).map(|fault| fault.place);
    let first_fault = first_fault.or(raw.chaos.at().map(|chaos| chaos.place));
    if let (Some(bound), Some(place), false) = (keys.of_bound.at(), first_fault, workload::is_of_commands(raw)) {
        let problem = Problem::new(Mistake::BoundWithFaults.into(), bound.place);
        problems.push(problem.also(place, "the first fault"));
    }
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    Expect {
        throughput_per_s: keys.throughput.get().map(|rate| rate.0),
        p99_ms: keys.p99.get().map(|time| millis(time.0)),
        completed: keys.completed.get().map(|count| count.0),
        errored: keys.errored.get().map(|count| count.0),
        recovery_ms: keys.recovery.get().map(|time| millis(time.0)),
        of_bound: keys.of_bound.get().map(|share| share.0),
        memory_growth_per_hour: keys.memory_growth_per_hour.get().map(|size| size.0),
        descriptor_growth_per_hour: keys.descriptor_growth_per_hour.get().map(|count| count.0),
        verdict: keys.verdict.get().map(|grade| grade.0),
    }
}
