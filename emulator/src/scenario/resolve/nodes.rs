//! What each node is and does.

use planner::cluster::Energy;
use planner::units::ByteSize;

use super::hosts::{Hosts, unknown};
use super::mistake::Mistake;
use super::topology::Layout;
use super::workload::{self, WorkloadMistake};
use crate::scenario::error::Problem;
use crate::scenario::parse::choice::Word;
use crate::scenario::parse::raw::{self, NodeKeys};
use crate::scenario::source::{Place, Sources};
use crate::scenario::workload::Programs;
use crate::scenario::{NodeSpec, Role};

/// Memory of a node that doesn't say otherwise.
const MEMORY: ByteSize = ByteSize::from_mib(512);
/// Storage of a node that doesn't say otherwise.
const STORAGE: ByteSize = ByteSize::from_mib(256);

/// What describes one node: from the general to the particular.
struct Layers<'a> {
    all: Option<&'a NodeKeys>,
    /// By role, where no node has that name.
    roles: Vec<(Role, &'a NodeKeys)>,
    /// By node.
    own: Vec<Option<&'a NodeKeys>>,
}

/// Describes the nodes of a layout, and gives `hosts` their roles.
pub fn describe(
    raw: &raw::Scenario,
    topology: Place,
    layout: &Layout,
    hosts: &mut Hosts,
    sources: &Sources,
    problems: &mut Vec<Problem>,
) -> (Vec<NodeSpec>, Vec<Programs>) {
    let layers = layers(raw, layout, hosts, problems);
    hosts.of_commands = workload::is_of_commands(raw);
    for keys in layers.every() {
        workload::check_keys(keys, hosts.of_commands, problems);
    }
    hosts.roles = if hosts.of_commands {
        let measures = |node: usize| workload::measures(raw, &layout.nodes[node], layers.own[node]);
        let role = |node: usize| if measures(node) { Role::Client } else { Role::Worker };
        (0..layout.nodes.len()).map(role).collect()
    } else {
        if let (2, false) = (layout.nodes.len(), layout.incomplete) {
            problems.push(Problem::new(WorkloadMistake::TooFewNodes(2).into(), topology));
        }
        roles(&layers, layout, topology, problems)
    };
    let describe = |node: usize| {
        let role = hosts.roles[node];
        let by_role = layers.roles.iter().find(|(of, _)| *of == role).map(|(_, keys)| *keys);
        let keys = || [layers.own[node], by_role, layers.all].into_iter().flatten();
        let usual = Energy::default();
        NodeSpec {
            name: layout.nodes[node].clone(),
            role,
            memory: keys().find_map(|keys| keys.memory.get()).map_or(MEMORY, |size| size.0),
            claims: keys().find_map(|keys| keys.claims.get()).map(|size| size.0),
            cpu: keys().find_map(|keys| keys.cpu.get()).map(|cores| cores.0),
            slowdown: keys().find_map(|keys| keys.slowdown.get()).map_or(1.0, |factor| factor.0),
            storage: keys().find_map(|keys| keys.storage.get()).map_or(STORAGE, |size| size.0),
            energy: Energy {
                busy: keys().find_map(|keys| keys.busy_power.get()).map_or(usual.busy, |power| power.0),
                idle: keys().find_map(|keys| keys.idle_power.get()).map_or(usual.idle, |power| power.0),
                per_byte: keys().find_map(|keys| keys.byte_energy.get()).map_or(usual.per_byte, |energy| energy.0),
            },
        }
    };
    let nodes = (0..layout.nodes.len()).map(describe).collect();
    let mut resolver = workload::Resolver { hosts, sources, problems };
    let programs = |node: usize| {
        let by_role = layers.roles.iter().find(|(of, _)| *of == hosts.roles[node]).map(|(_, keys)| *keys);
        resolver.programs([layers.own[node], by_role, layers.all].into_iter().flatten())
    };
    (nodes, (0..layout.nodes.len()).map(programs).collect())
}

impl<'a> Layers<'a> {
    /// What describes anything, once each.
    fn every(&self) -> impl Iterator<Item = &'a NodeKeys> {
        // Nodes that are listed together are described together.
        let mut own: Vec<&NodeKeys> = self.own.iter().copied().flatten().collect();
        own.dedup_by(|a, b| std::ptr::eq(*a, *b));
        own.into_iter().chain(self.roles.iter().map(|(_, keys)| *keys)).chain(self.all)
    }
}

fn layers<'a>(raw: &'a raw::Scenario, layout: &Layout, hosts: &Hosts, problems: &mut Vec<Problem>) -> Layers<'a> {
    let mut layers = Layers { all: None, roles: Vec::new(), own: vec![None; layout.nodes.len()] };
    match raw.node.get() {
        None => {}
        Some(raw::Nodes::Listed(list)) => {
            for (node, (index, _)) in layout.listed.iter().enumerate() {
                layers.own[node] = list.0.get(*index).map(|listed| &listed.value.keys);
            }
        }
        Some(raw::Nodes::Defaults { all, some }) => {
            layers.all = Some(all);
            for (name, keys) in some {
                let role = Role::WORDS.iter().find(|(word, _)| *word == name.value);
                match (hosts.find(&name.value).filter(|host| *host < hosts.nodes), role) {
                    (Some(node), _) => layers.own[node] = Some(keys),
                    (None, Some((_, role))) => layers.roles.push((*role, keys)),
                    (None, None) if layout.incomplete => {}
                    (None, None) => problems.push(unknown("node", &name.value, &layout.nodes, name.place)),
                }
            }
            let general = layers.roles.iter().map(|(_, keys)| *keys).chain([&**all]);
            for keys in general {
                if let Some(role) = keys.role.at() {
                    problems.push(Problem::new(Mistake::RoleOfMany.into(), role.place));
                }
                let of_one = [("load", keys.load.place()), ("check", keys.check.place())];
                for (what, place) in of_one.into_iter().filter(|(_, place)| place.is_written()) {
                    problems.push(Problem::new(WorkloadMistake::OfMany(what).into(), place));
                }
            }
        }
    }
    layers
}

fn roles(layers: &Layers<'_>, layout: &Layout, topology: Place, problems: &mut Vec<Problem>) -> Vec<Role> {
    let given: Vec<Option<(Role, Place)>> = layers
        .own
        .iter()
        .map(|keys| keys.and_then(|keys| keys.role.at()).map(|role| (role.value.0, role.place)))
        .collect();
    let spoilt = layout.incomplete || layers.own.iter().flatten().any(|keys| keys.role.is_bad());
    let mut roles: Vec<Role> = given.iter().map(|given| given.map_or(Role::Worker, |(role, _)| role)).collect();
    let mut taken = vec![false; roles.len()];
    for (role, name) in [(Role::Client, "client"), (Role::Dispatcher, "dispatcher")] {
        let mut with = given.iter().flatten().filter(|(given, _)| *given == role);
        if let Some((_, first)) = with.next() {
            if let Some((_, second)) = with.next() {
                let problem = Problem::new(Mistake::SecondOfRole(name).into(), *second);
                problems.push(problem.also(*first, "the first"));
            }
        } else if let Some(node) = (0..roles.len()).find(|node| given[*node].is_none() && !taken[*node]) {
            (roles[node], taken[node]) = (role, true);
        } else if !spoilt {
            problems.push(Problem::new(Mistake::NoneOfRole(name).into(), topology));
        }
    }
    if !roles.contains(&Role::Worker) && !spoilt && roles.len() >= 3 {
        problems.push(Problem::new(Mistake::NoneOfRole("worker").into(), topology));
    }
    roles
}
