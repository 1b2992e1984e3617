//! `emu check`: says what is wrong with scenarios, or what they are.

use std::io::{self, Write};
use std::path::PathBuf;

use planner::units::format_duration;

use crate::exit::Exit;
use crate::model;
use crate::scenario::{Overrides, Role, Scenario, ScenarioErrors, load};

/// Checks scenarios without running them.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  emu check scenarios/*.toml
  emu check scenarios/20node_fail.toml --set topology.nodes=5 --set fault.0.at='3 s'
  emu check scenarios/chaos.toml --seed 7                 the faults that this seed draws")]
pub struct CheckArgs {
    /// The scenario files.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Changes a value first: `--set topology.nodes=5`, `--set fault.0.at="3 s"`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Takes another seed.
    #[arg(long)]
    pub seed: Option<u64>,
}

/// Checks every file. What is wrong goes to standard error, a line for each good one to standard output.
pub fn run(args: &CheckArgs) -> Exit {
    let overrides = Overrides { set: args.set.clone(), seed: args.seed };
    let mut good = true;
    for file in &args.files {
        let checked = load(file, &overrides).and_then(|loaded| {
            // Whether the model fits is only known once it has been profiled.
            let profile =
                loaded.scenario.inference().and_then(|inference| model::cached_profile(&inference.model.source));
            profile.map_or(Ok(()), |profile| loaded.check_capacity(&profile))?;
            Ok(loaded.scenario)
        });
        match checked {
            // A reader that has gone away has seen enough.
            Ok(scenario) => drop(writeln!(io::stdout(), "{}: ok: {}", file.display(), summary(&scenario))),
            Err(errors) => {
                good = false;
                print(&errors);
            }
        }
    }
    if good { Exit::Success } else { Exit::Usage }
}

/// Says on standard error what is wrong with a scenario.
pub fn print(errors: &ScenarioErrors) {
    let looks = super::looks();
    let report = errors.render(looks.colour, looks.width.map_or(100, usize::from));
    drop(write!(io::stderr(), "{report}"));
}

/// What a scenario is, in one line.
pub fn summary(scenario: &Scenario) -> String {
    let workers = scenario.nodes.iter().filter(|node| node.role == Role::Worker).count();
    let directions = scenario.network.directions().count();
    let faults = match scenario.faults.len() {
        0 => "no faults".to_owned(),
        1 => "1 fault".to_owned(),
        count => format!("{count} faults"),
    };
    let switches = match scenario.network.switches.len() {
        0 => String::new(),
        1 => ", 1 switch".to_owned(),
        count => format!(", {count} switches"),
    };
    format!(
        "{} nodes ({workers} workers){switches}, {directions} directions, {}, {faults}, seed {}",
        scenario.nodes.len(),
        format_duration(scenario.duration),
        scenario.seed,
    )
}
