//! `emu run SCENARIO`

use std::path::PathBuf;

use clap::Args;

use crate::exit::Exit;
use crate::fabric::CarrierChoice;
use crate::run::{self, Options, RunError};
use crate::scenario::{self, Overrides};

/// Arguments of `emu run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  emu run scenarios/quickstart.toml
  emu run scenarios/20node_fail.toml --links netem --results /tmp/results
  emu run scenarios/scaling.toml --set topology.nodes=15 --set load.concurrency=8 --json
  emu run scenarios/quickstart.toml --keep              look around afterwards: emu shell latest n02")]
pub struct RunArgs {
    /// The scenario file.
    scenario: PathBuf,
    /// Replaces a value of the scenario, for example `--set topology.nodes=10`. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Replaces the scenario's seed.
    #[arg(long)]
    seed: Option<u64>,
    /// What carries the links: the kernel's netem, software, or whichever works (auto).
    #[arg(long, value_enum, default_value_t)]
    links: CarrierChoice,
    /// Folder that results are put into.
    #[arg(long, value_name = "FOLDER", default_value = "results")]
    results: PathBuf,
    /// Prints the summary as JSON on standard output.
    #[arg(long)]
    json: bool,
    /// Leaves the cluster up when the load is over, or has failed, until Enter or Ctrl-C.
    #[arg(long)]
    keep: bool,
}

/// Runs it.
pub fn run(arguments: RunArgs) -> Exit {
    let overrides = Overrides { set: arguments.set, seed: arguments.seed };
    let loaded = match scenario::load(&arguments.scenario, &overrides) {
        Ok(loaded) => loaded,
        Err(errors) => {
            super::check::print(&errors);
            return Exit::Usage;
        }
    };
    let RunArgs { links, results, json, keep, .. } = arguments;
    let options = Options { links, results, json, looks: super::looks(), keep, repeated: None };
    end(run::run(&loaded, &options))
}

/// Says why a run could not be begun, if so.
pub(super) fn end(result: Result<Exit, RunError>) -> Exit {
    match result {
        Ok(exit) => exit,
        Err(error) => {
            error.tell();
            error.exit()
        }
    }
}
