//! What commands that run a grid have in common on their command lines.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::fabric::CarrierChoice;
use crate::sweep::grid::Vary;
use crate::sweep::runs::{Grid, GridError};

/// What is run at each point, and where its results go.
#[derive(Debug, Args)]
pub struct GridArgs {
    /// The scenario file.
    scenario: PathBuf,
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
}

impl GridArgs {
    /// The grid over what varies, each point `repeat` times.
    pub fn over(self, vary: Vec<Vary>, repeat: u32) -> Grid {
        let GridArgs { scenario, simulate, set, seed, links, results } = self;
        let links = links.and_then(|links| links.to_possible_value());
        let arguments = links.map(|value| format!("--links={}", value.get_name())).into_iter().collect();
        let command = if simulate { "simulate" } else { "run" };
        Grid { scenario, vary, repeat, set, seed, command, arguments, results }
    }
}

/// Says why runs could not be made.
pub(super) fn complain(error: &GridError) {
    match error {
        GridError::Scenario { errors, .. } => super::check::print(errors),
        error => super::complain(error),
    }
}
