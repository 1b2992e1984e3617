//! `emu run SCENARIO`

use std::path::PathBuf;

use clap::Args;

use crate::capture::Target;
use crate::exit::Exit;
use crate::fabric::CarrierChoice;
use crate::run::{self, Options, Repeated};
use crate::scenario::{self, Loaded, Overrides};

/// Arguments of `emu run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  emu run scenarios/quickstart.toml
  emu run scenarios/20node_fail.toml --links netem --results /tmp/results
  emu run scenarios/scaling.toml --set topology.nodes=15 --set load.concurrency=8 --json
  emu run scenarios/quickstart.toml --keep                look around afterwards: emu shell latest n02
  emu run scenarios/20node_fail.toml --ui                 watch it, and break things by hand
  emu run scenarios/soak.toml --metrics 127.0.0.1:9464    and let Prometheus watch it
  emu run scenarios/20node_fail.toml --pcap n03 --pcap n01-n02    packets, for Wireshark")]
pub struct RunArgs {
    /// The scenario file.
    scenario: PathBuf,
    /// Replaces a value of the scenario, for example `--set topology.nodes=10`. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Replaces the scenario's seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Folder that results are put into.
    #[arg(long, value_name = "FOLDER", default_value = "results")]
    results: PathBuf,
    #[command(flatten)]
    way: WayArgs,
}

/// How a scenario is run: what `emu run` and `emu replay` share.
#[derive(Debug, Args)]
pub(super) struct WayArgs {
    /// What carries the links: the kernel's netem, software, or whichever works (auto).
    #[arg(long, value_enum, default_value_t)]
    links: CarrierChoice,
    /// Ends with exit code 7 if the emulation was not what the scenario describes: a verdict of `invalid`.
    #[arg(long)]
    strict: bool,
    /// Prints the summary as JSON on standard output.
    #[arg(long)]
    json: bool,
    /// Leaves the cluster up when the load is over, or has failed, until Enter or Ctrl-C.
    #[arg(long, conflicts_with = "ui")]
    keep: bool,
    /// Shows the run on the terminal as it goes on, with keys to inject faults by hand.
    #[arg(long)]
    ui: bool,
    /// Serves figures for Prometheus at this address while the run lasts, for example 127.0.0.1:9464.
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<String>,
    /// Captures what passes a node's interfaces (n03), or the first one's end of a link or pair (n03-n07), as pcapng in the
    /// results' folder `capture`. May be repeated.
    #[arg(long, value_name = "NODE|LINK")]
    pcap: Vec<String>,
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
    arguments.way.run(&loaded, arguments.results, None)
}

impl WayArgs {
    /// Runs a scenario this way.
    pub(super) fn run(self, loaded: &Loaded, results: PathBuf, repeated: Option<Repeated>) -> Exit {
        let WayArgs { links, strict, json, keep, ui, metrics, pcap } = self;
        let captures = match Target::find_all(&pcap, &loaded.scenario) {
            Ok(captures) => captures,
            Err(error) => {
                super::complain(&error);
                return Exit::Usage;
            }
        };
        let looks = super::looks();
        let options = Options { links, results, json, strict, looks, keep, repeated, ui, metrics, captures };
        match run::run(loaded, &options) {
            Ok(exit) => exit,
            Err(error) => {
                error.tell();
                error.exit()
            }
        }
    }
}
