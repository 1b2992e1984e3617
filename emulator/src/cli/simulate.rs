//! `emu simulate SCENARIO`

use std::path::PathBuf;

use clap::Args;

use crate::exit::Exit;
use crate::scenario::{self, Overrides};
use crate::simulate::{self, Options};

/// Arguments of `emu simulate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  emu simulate scenarios/quickstart.toml
  emu simulate scenarios/20node_fail.toml --seed 8 --set load.concurrency=12
  emu simulate scenarios/replicas.toml --set topology.nodes=20 --json | jq .throughput_per_s

Nothing is built and nothing runs: no kernel feature is needed, and a minute takes a moment. The files are those of
emu run, in a folder NAME-simulated.")]
pub struct SimulateArgs {
    /// The scenario file.
    scenario: PathBuf,
    /// Replaces a value of the scenario, for example `--set topology.nodes=10`. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Replaces the scenario's seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Folder that results are put into.
    #[arg(long, alias = "out", value_name = "FOLDER", default_value = "results")]
    results: PathBuf,
    /// Prints the summary as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(arguments: SimulateArgs) -> Exit {
    let overrides = Overrides { set: arguments.set, seed: arguments.seed };
    let loaded = match scenario::load(&arguments.scenario, &overrides) {
        Ok(loaded) => loaded,
        Err(errors) => {
            super::check::print(&errors);
            return Exit::Usage;
        }
    };
    let SimulateArgs { results, json, .. } = arguments;
    match simulate::run(&loaded, &Options { results, json, looks: super::looks() }) {
        Ok(exit) => exit,
        Err(error) => {
            match &error {
                simulate::SimulateError::Capacity(errors) => super::check::print(errors),
                error => super::complain(error),
            }
            error.exit()
        }
    }
}
