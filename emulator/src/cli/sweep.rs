//! `emu sweep SCENARIO`

use std::path::PathBuf;

use clap::Args;

use super::grid::GridArgs;
use crate::exit::Exit;
use crate::report;
use crate::sweep::grid::Vary;
use crate::sweep::sweep;

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
    #[command(flatten)]
    grid: GridArgs,
    /// A key of the scenario and its values; may be repeated for a grid. `nodes` and `replicas` are short for
    /// `topology.nodes` and `plan.replicas`.
    #[arg(long, required = true, value_name = "KEY=V1,V2,…")]
    vary: Vec<Vary>,
    /// How often each point is run.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeat: u32,
    /// Writes throughput and latency over the first key as one picture (SVG), light or dark as its reader prefers.
    #[arg(long, value_name = "FILE")]
    figure: Option<PathBuf>,
    /// Prints what came of it as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(arguments: SweepArgs) -> Exit {
    let SweepArgs { grid, vary, repeat, figure, json } = arguments;
    let (swept, interrupted) = match sweep(&grid.over(vary, repeat), &mut |line| eprintln!("{line}")) {
        Ok(swept) => swept,
        Err(error) => {
            super::grid::complain(&error);
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
