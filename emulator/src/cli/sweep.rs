//! `emu sweep SCENARIO`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::exit::Exit;
use crate::fabric::CarrierChoice;
use crate::report;
use crate::sweep::grid::Vary;
use crate::sweep::{Options, SweepError, sweep};

/// Arguments of `emu sweep`.
#[derive(Debug, Args)]
#[command(after_help = "\
The same command again goes on where it was left; further values and repetitions add to what is there. Each repetition has
its own seed, the same for all points.

Examples:
  emu sweep scenarios/scaling.toml --vary nodes=5,10,15,20 --repeat 5
  emu sweep scenarios/replicas.toml --vary nodes=5,10,20 --vary replicas=1,auto
  emu sweep scenarios/scaling.toml --vary nodes=5,10,20,50,100 --simulate
  emu sweep scenarios/scaling.toml --vary nodes=5,10,15,20 --repeat 3 --figure docs/figures/scaling.svg

Exit codes: 0 all held, 1 an expectation or an invariant failed in some run, otherwise that of the run that stopped it.")]
pub struct SweepArgs {
    /// The scenario file.
    scenario: PathBuf,
    /// A key of the scenario and its values; may be repeated for a grid. `nodes` and `replicas` are short for
    /// `topology.nodes` and `plan.replicas`.
    #[arg(long, required = true, value_name = "KEY=V1,V2,…")]
    vary: Vec<Vary>,
    /// How often each point is run.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Simulates instead of running.
    #[arg(long)]
    simulate: bool,
    /// Replaces a value of the scenario at all points. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The seed of the first repetition. The scenario's when not given.
    #[arg(long)]
    seed: Option<u64>,
    /// What carries the links: the kernel's netem, software, or whichever works (auto).
    #[arg(long, value_enum, conflicts_with = "simulate")]
    links: Option<CarrierChoice>,
    /// Folder that results are put into.
    #[arg(long, value_name = "FOLDER", default_value = "results")]
    results: PathBuf,
    /// Writes throughput and latency over the first key as one picture (SVG), light or dark as its reader prefers.
    #[arg(long, value_name = "FILE")]
    figure: Option<PathBuf>,
    /// Prints what came of it as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(arguments: SweepArgs) -> Exit {
    let SweepArgs { scenario, vary, repeat, simulate, set, seed, links, results, figure, json } = arguments;
    let links = links.and_then(|links| links.to_possible_value()).map(|value| format!("--links={}", value.get_name()));
    let command = if simulate { "simulate" } else { "run" };
    let options =
        Options { scenario, vary, repeat, set, seed, command, arguments: links.into_iter().collect(), results };
    let (swept, interrupted) = match sweep(&options, &mut |line| eprintln!("{line}")) {
        Ok(swept) => swept,
        Err(error) => {
            match &error {
                SweepError::Scenario { errors, .. } => super::check::print(errors),
                error => super::complain(error),
            }
            return error.exit();
        }
    };
    if let Err(error) = report::sweep::write(&swept) {
        super::complain(&error);
        return Exit::SetupFailed;
    }
    if let Some(figure) = figure
        && let Err(error) = report::sweep::printed(&swept, &figure)
    {
        super::complain(&error);
        return Exit::SetupFailed;
    }
    if json {
        super::print_json(&swept);
    }
    eprintln!("{}", report::sweep::terminal(&swept, super::looks()));
    match interrupted {
        Some(exit) => exit,
        None if swept.failed.is_empty() => Exit::Success,
        None => Exit::ExpectFailed,
    }
}
