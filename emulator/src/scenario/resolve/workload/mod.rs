//! What runs on the nodes: a model, or programs of others. What belongs to the one has no meaning for the other, and is refused.

mod mistake;

use std::path::Path;
use std::time::Duration;

use node::config::Load;

use super::hosts::{Hosts, unknown};
use crate::scenario::error::Problem;
use crate::scenario::parse::leaf::Text;
use crate::scenario::parse::raw::{self, CommandLine, NodeKeys};
use crate::scenario::parse::reader::{At, Field};
use crate::scenario::source::{Place, Sources};
use crate::scenario::template;
pub use mistake::WorkloadMistake;

use crate::scenario::workload::{Commands, ProbeKind, ProbeSpec, Programs, ReadySpec};

/// Attempts per second of a probe that doesn't say otherwise.
const RATE: f64 = 10.0;

fn of_other(what: &str, commands: bool) -> WorkloadMistake {
    let what = if what.contains(['[', ' ']) { what.to_owned() } else { format!("`{what}`") };
    if commands { WorkloadMistake::OfInference(what) } else { WorkloadMistake::OfCommands(what) }
}

/// Whether programs of others run.
pub fn is_of_commands(raw: &raw::Scenario) -> bool {
    matches!(raw.workload.get(), Some(raw::Workload::Command(_)))
}

/// Notes every table that belongs to the other kind of workload.
pub fn check_tables(raw: &raw::Scenario, problems: &mut Vec<Problem>) {
    let commands = is_of_commands(raw);
    let mut refuse = |what: &str, place: Place| {
        if place.is_written() {
            problems.push(Problem::new(of_other(what, commands).into(), place));
        }
    };
    if commands {
        refuse("[model]", raw.model.place());
        refuse("[plan]", raw.plan.place());
        refuse("[load]", raw.load.place());
        refuse("[chaos]", raw.chaos.place());
        refuse("of_bound", raw.expect.get().map_or(Place::NOWHERE, |expect| expect.of_bound.place()));
        for fault in raw.fault.get().map_or(&[][..], |list| &list.0) {
            if let raw::Fault::Straggler(_) = fault.value {
                refuse("a fault of kind \"straggler\"", fault.place);
            }
        }
    } else if let Some(list) = raw.probe.get() {
        list.0.iter().take(1).for_each(|probe| refuse("[[probe]]", probe.place));
    }
}

/// Notes every key of a node that belongs to the other kind of workload.
pub fn check_keys(keys: &NodeKeys, commands: bool, problems: &mut Vec<Problem>) {
    let of_commands = [
        ("run", keys.run.place()),
        ("ready", keys.ready.place()),
        ("load", keys.load.place()),
        ("check", keys.check.place()),
    ];
    let of_inference = [
        ("claims", keys.claims.place()),
        ("slowdown", keys.slowdown.place()),
        ("busy_power", keys.busy_power.place()),
        ("idle_power", keys.idle_power.place()),
        ("byte_energy", keys.byte_energy.place()),
        ("role", keys.role.place()),
    ];
    let others = if commands { &of_inference[..] } else { &of_commands[..] };
    for (what, place) in others.iter().filter(|(_, place)| place.is_written()) {
        problems.push(Problem::new(of_other(what, commands).into(), *place));
    }
}

/// The nodes from which something is measured, of those that hosts are: no fault may hit them.
pub fn measures(raw: &raw::Scenario, name: &str, own: Option<&NodeKeys>) -> bool {
    let probes = raw.probe.get().map_or(&[][..], |list| &list.0);
    let named = |probe: &At<raw::Probe>| pace(&probe.value).from.get().is_some_and(|from| from.0 == name);
    probes.iter().any(named) || own.is_some_and(|keys| keys.load.get().is_some() || keys.check.get().is_some())
}

/// Resolves command lines and probes. `keys` are those of a node, from its own to those of all.
pub struct Resolver<'a, 'b> {
    /// The hosts.
    pub hosts: &'a Hosts,
    /// The texts, to point into them.
    pub sources: &'a Sources,
    /// What is wrong.
    pub problems: &'b mut Vec<Problem>,
}

impl Resolver<'_, '_> {
    /// Everything that programs of others are.
    pub fn commands(&mut self, raw: &raw::Scenario, folder: &Path, programs: Vec<Programs>) -> Option<Commands> {
        let Some(raw::Workload::Command(keys)) = raw.workload.get() else { return None };
        let listed = raw.probe.get().map_or(&[][..], |list| &list.0);
        let probes: Vec<ProbeSpec> =
            listed.iter().enumerate().filter_map(|(index, probe)| self.probe(index, probe)).collect();
        let names: Vec<&str> = probes.iter().map(|probe| probe.name.as_str()).collect();
        for (later, probe) in listed.iter().enumerate().filter(|_| names.len() == listed.len()) {
            if names[..later].contains(&names[later]) {
                let place = pace(&probe.value).name.place();
                let place = if place.is_written() { place } else { probe.place };
                self.problems.push(Problem::new(WorkloadMistake::ProbeTwice(names[later].to_owned()).into(), place));
            }
        }
        let measured = |programs: &Programs| programs.load.is_some() || programs.check.is_some();
        if listed.is_empty() && !raw.probe.is_bad() && !programs.iter().any(measured) {
            self.problems.push(Problem::new(WorkloadMistake::NothingMeasured.into(), raw.workload.place()));
        }
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let needs = keys.needs.optional()?.map_or(&[][..], |needs| &needs.0);
        Some(Commands {
            patience: keys.patience.get()?.0,
            needs: needs.iter().map(|(program, package)| (program.value.clone(), package.clone())).collect(),
            folder: std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()),
            programs,
            probes,
        })
    }

    /// What runs on one node, given what describes it, from its own keys to those of all.
    pub fn programs<'k>(&mut self, keys: impl Iterator<Item = &'k NodeKeys> + Clone) -> Programs {
        let mut line = |of: fn(&NodeKeys) -> &Field<CommandLine>| {
            let written = keys.clone().find_map(|keys| of(keys).get())?;
            Some(self.line(written, false))
        };
        let (run, load, check) = (line(|keys| &keys.run), line(|keys| &keys.load), line(|keys| &keys.check));
        let ready = keys.clone().find_map(|keys| keys.ready.get()).and_then(|ready| self.ready(ready));
        Programs { run, ready, load, check }
    }

    fn ready(&mut self, ready: &raw::Ready) -> Option<ReadySpec> {
        Some(match ready {
            raw::Ready::Tcp(keys) => ReadySpec::Tcp { port: keys.port.get()?.0 as u16 },
            raw::Ready::Http(keys) => ReadySpec::Http { port: keys.port.get()?.0 as u16, path: self.path(&keys.path)? },
            raw::Ready::Command(keys) => ReadySpec::Command { run: self.line(keys.run.get()?, false) },
            raw::Ready::Log(keys) => ReadySpec::Log { text: keys.text.get()?.0.clone() },
        })
    }

    fn probe(&mut self, index: usize, probe: &At<raw::Probe>) -> Option<ProbeSpec> {
        let pace = pace(&probe.value);
        let from = self.node(&pace.from);
        let what = self.kind(&probe.value)?;
        if let (Some(rate), Some(concurrency)) = (pace.rate.at(), pace.concurrency.at()) {
            let problem = Problem::new(WorkloadMistake::RateAndConcurrency.into(), concurrency.place);
            self.problems.push(problem.also(rate.place, "the rate"));
        }
        let load = match (pace.rate.optional()?, pace.concurrency.optional()?) {
            (_, Some(concurrency)) => Load::Closed { concurrency: concurrency.0 as u32 },
            (rate, None) => Load::Open { rate_per_s: rate.map_or(RATE, |rate| rate.0), arrival: pace.arrival.get()?.0 },
        };
        let name = match pace.name.optional()? {
            Some(name) => name.0.clone(),
            None => format!("{}-{index}", what.word()),
        };
        let timeout: Duration = pace.timeout.get()?.0;
        Some(ProbeSpec { name, from: from?, what, load, timeout })
    }

    fn kind(&mut self, probe: &raw::Probe) -> Option<ProbeKind> {
        Some(match probe {
            raw::Probe::Ping(keys) => ProbeKind::Ping { to: self.node(&keys.to)? },
            raw::Probe::Tcp(keys) => ProbeKind::Tcp { to: self.node(&keys.to)?, port: keys.port.get()?.0 as u16 },
            raw::Probe::Http(keys) => {
                let (to, path) = (self.node(&keys.to), self.path(&keys.path));
                ProbeKind::Http { to: to?, port: keys.port.get()?.0 as u16, path: path? }
            }
            raw::Probe::Command(keys) => ProbeKind::Command { run: self.line(keys.run.get()?, true) },
        })
    }

    fn node(&mut self, name: &Field<Text>) -> Option<usize> {
        let At { value: Text(value), place } = name.at()?;
        self.hosts.node(&At { value: value.clone(), place: *place }, self.problems)
    }

    /// What is asked for of a server: it begins with a slash, and has nothing in it that would end the line of the request.
    fn path(&mut self, path: &Field<Text>) -> Option<String> {
        let At { value: Text(value), place } = path.at()?;
        if value.starts_with('/') && value.chars().all(|c| c.is_ascii_graphic()) {
            return Some(value.clone());
        }
        self.problems.push(Problem::new(WorkloadMistake::NotAPath(value.clone()).into(), *place));
        None
    }

    /// The words of a command line, once every name in them has been looked up.
    fn line(&mut self, line: &CommandLine, in_probe: bool) -> Vec<String> {
        for word in &line.0 {
            for (whole, name) in template::names(&word.value) {
                self.name(whole, name, in_probe, word.place);
            }
        }
        line.0.iter().map(|word| word.value.clone()).collect()
    }

    fn name(&mut self, whole: &str, name: &str, in_probe: bool, place: Place) {
        let nodes = &self.hosts.names[..self.hosts.nodes];
        let of_node = template::node(name).is_some_and(|node| nodes.iter().any(|known| known == node));
        if of_node || template::NAMES.contains(&name) || (in_probe && name == template::NUMBER) {
            return;
        }
        // Where the name itself is, if it is written there as it is read.
        let written = self.sources.text(place).find(whole);
        let place = written.map_or(place, |at| Place::new(place.start(), at..at + whole.len()));
        let mut known: Vec<String> = template::NAMES.map(str::to_owned).into();
        known.extend(in_probe.then(|| template::NUMBER.to_owned()));
        known.extend(nodes.iter().map(|node| template::address_of(node)));
        self.problems.push(unknown("placeholder", name, &known, place));
    }
}

fn pace(probe: &raw::Probe) -> &raw::Pace {
    match probe {
        raw::Probe::Ping(keys) => &keys.pace,
        raw::Probe::Tcp(keys) => &keys.pace,
        raw::Probe::Http(keys) => &keys.pace,
        raw::Probe::Command(keys) => &keys.pace,
    }
}
