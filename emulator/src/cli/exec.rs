//! `emu exec RUN NODE -- COMMAND…` and `emu shell RUN NODE`

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use node::clock::Instant;

use crate::exit::Exit;
use crate::fleet::STATE;
use crate::record::outputs::RESOLVED;
use crate::run::results::NODES;
use crate::scenario::Scenario;
use crate::shell::enter::{self, Visitor};
use crate::shell::inhabitants;
use crate::shell::runs::{self, Run, State};
use crate::shell::visits::{self, Visit};

/// Which node of which run.
#[derive(Debug, Args)]
pub struct Place {
    /// The run: `latest`, its folder, or a part of its name that no other has (see `emu ls`).
    run: String,
    /// The node's name.
    node: String,
    /// Folder of results.
    #[arg(long, value_name = "FOLDER", default_value = "results")]
    results: PathBuf,
}

/// Arguments of `emu exec`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  emu exec latest n02 -- ip address
  emu exec quickstart n02 -- ls -l            the node's state folder is where it starts

The exit code is that of the command; 127 when it is not found.")]
pub struct ExecArgs {
    #[command(flatten)]
    place: Place,
    /// What to run, with its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Arguments of `emu shell`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  emu run scenarios/quickstart.toml --keep &
  emu shell latest n02")]
pub struct ShellArgs {
    #[command(flatten)]
    place: Place,
}

/// Runs a program in a node.
pub fn run(arguments: ExecArgs) -> ExitCode {
    enter(&arguments.place, arguments.command)
}

/// Runs the user's shell in a node.
pub fn shell(arguments: &ShellArgs) -> ExitCode {
    let shell = std::env::var_os("SHELL").filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".into());
    enter(&arguments.place, vec![shell])
}

fn enter(place: &Place, command: Vec<OsString>) -> ExitCode {
    let run = match runs::find(&place.results, &place.run, true) {
        Ok(run) => run,
        Err(error) => {
            super::complain(&error);
            return Exit::Usage.into();
        }
    };
    let State::Alive(alive) = &run.state else { return Exit::Usage.into() };
    let nodes = inhabitants::nodes(&run.folder, alive);
    let Some(node) = nodes.get(&place.node) else {
        eprintln!("error: {}", absent(&run, &place.node));
        if !nodes.is_empty() {
            let up: Vec<&str> = nodes.keys().map(String::as_str).collect();
            eprintln!("  up are: {}", up.join(", "));
        }
        return Exit::Usage.into();
    };
    let said = command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    if let Err(error) =
        visits::note(&run.folder, &Visit { at: Instant::now(), node: place.node.clone(), command: said })
    {
        eprintln!("warning: the run will not tell of this visit: {error}");
    }
    let visitor = Visitor {
        command,
        folder: run.folder.join(NODES).join(&place.node).join(STATE),
        variables: vec![("EMU_RUN", run.title()), ("EMU_NODE", place.node.clone())],
    };
    match enter::enter(node, &visitor) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            super::complain(&error);
            Exit::SetupFailed.into()
        }
    }
}

/// Why a node has no process: there is no such node, or it is down.
fn absent(run: &Run, node: &str) -> String {
    let resolved = std::fs::read(run.folder.join(RESOLVED)).unwrap_or_default();
    let scenario: Option<Scenario> = serde_json::from_slice(&resolved).ok();
    match scenario {
        Some(scenario) if scenario.nodes.iter().any(|known| known.name == node) => {
            format!("node {node} of {} has no process now: it is down, or not started yet", run.title())
        }
        _ => format!("{} has no node {node:?}", run.title()),
    }
}
