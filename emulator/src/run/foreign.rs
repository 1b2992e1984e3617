//! What a node is told that runs programs of others, now that the network is there; and whether those programs are on this host.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use node::foreign::ForeignConfig;
use node::foreign::config::{Probe, ProbeConfig, Ready, Words};

use super::RunError;
use crate::fleet::STATE;
use crate::scenario::Scenario;
use crate::scenario::template::Meaning;
use crate::scenario::workload::{Commands, ProbeKind, Programs, ReadySpec};

/// What one node is told. `nodes` is the folder of the nodes' own folders.
pub(super) fn config(
    scenario: &Scenario,
    commands: &Commands,
    number: usize,
    nodes: &Path,
    address: &dyn Fn(usize) -> IpAddr,
) -> ForeignConfig {
    let name = &scenario.nodes[number].name;
    let state = nodes.join(name).join(STATE);
    let address_of = |name: &str| scenario.nodes.iter().position(|node| node.name == name).map(address);
    let (own, folder) = (address(number), commands.folder.as_path());
    let meaning = Meaning { name, address: own, state: &state, scenario: folder, address_of: &address_of };
    let fill = |words: &Words| words.iter().map(|word| meaning.fill(word)).collect::<Words>();
    let Programs { run, ready, load, check } = &commands.programs[number];
    let ready = ready.as_ref().map(|ready| match ready {
        ReadySpec::Tcp { port } => Ready::Tcp { to: SocketAddr::new(own, *port) },
        ReadySpec::Http { port, path } => Ready::Http { to: SocketAddr::new(own, *port), path: path.clone() },
        ReadySpec::Command { run } => Ready::Command { run: fill(run) },
        ReadySpec::Log { text } => Ready::Log { text: text.clone() },
    });
    let what = |what: &ProbeKind| match what {
        ProbeKind::Ping { to } => Probe::Ping { to: address(*to) },
        ProbeKind::Tcp { to, port } => Probe::Tcp { to: SocketAddr::new(address(*to), *port) },
        ProbeKind::Http { to, port, path } => {
            Probe::Http { to: SocketAddr::new(address(*to), *port), path: path.clone() }
        }
        ProbeKind::Command { run } => Probe::Command { run: fill(run) },
    };
    let own_probes = commands.probes.iter().enumerate().filter(|(_, probe)| probe.from == number);
    ForeignConfig {
        run: run.as_ref().map(fill),
        ready,
        load: load.as_ref().map(fill),
        check: check.as_ref().map(fill),
        patience: commands.patience,
        probes: own_probes
            .map(|(index, probe)| ProbeConfig {
                index: index as u32,
                name: probe.name.clone(),
                what: what(&probe.what),
                load: probe.load,
                timeout: probe.timeout,
            })
            .collect(),
        stride: commands.stride(),
        own: commands.own(number),
        seed: scenario.seed,
    }
}

/// Looks for every program that a scenario names.
///
/// # Errors
/// [`RunError::NoProgram`] for the first that is missing.
pub(super) fn check_programs(commands: &Commands) -> Result<(), RunError> {
    let of_node = |programs: &Programs| {
        let ready = match &programs.ready {
            Some(ReadySpec::Command { run }) => Some(run.clone()),
            _ => None,
        };
        [programs.run.clone(), ready, programs.load.clone(), programs.check.clone()]
    };
    let of_probe = |what: &ProbeKind| match what {
        ProbeKind::Command { run } => Some(run.clone()),
        _ => None,
    };
    let lines = commands.programs.iter().flat_map(of_node).chain(commands.probes.iter().map(|it| of_probe(&it.what)));
    let first = lines.flatten().filter_map(|words| words.into_iter().next());
    // Where a program is that only the network decides is seen when it is started.
    let named = first.filter(|program| !program.contains("{{"));
    for program in commands.needs.keys().cloned().chain(named) {
        if !is_there(&program) {
            let package = commands.needs.get(&program).cloned();
            return Err(RunError::NoProgram { program, package });
        }
    }
    Ok(())
}

/// Whether a program can be started by this name: a path, or one on the path of programs, which nodes have from the emulator.
fn is_there(program: &str) -> bool {
    let runs =
        |path: PathBuf| path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
    if program.contains('/') {
        // From a node's state folder, in which there is nothing yet, no other is found than one of the host.
        return runs(PathBuf::from(program));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| runs(folder.join(program)))
}

/// The last lines of what a node said, of both its logs.
pub(super) fn last_lines(folder: &Path) -> String {
    const LINES: usize = 5;
    let mut said = String::new();
    for name in ["stdout.log", "stderr.log"] {
        let text = std::fs::read(folder.join(name)).unwrap_or_default();
        // The end is enough, however long the log is.
        let text = String::from_utf8_lossy(&text[text.len().saturating_sub(8000)..]).into_owned();
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        for line in &lines[lines.len().saturating_sub(LINES)..] {
            said += &format!("\n    {name}: {line}");
        }
    }
    if said.is_empty() { "; it said nothing".to_owned() } else { format!("; its last lines:{said}") }
}
