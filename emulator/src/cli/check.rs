//! `emu check`: says what is wrong with scenarios, or what they are.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use planner::units::format_duration;

use crate::scenario::{Overrides, Role, Scenario, load};

/// Checks scenarios without running them.
#[derive(Debug, Clone, clap::Args)]
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

/// Exit code when some scenario is wrong.
const WRONG: u8 = 2;

/// Checks every file. What is wrong goes to stderr, a line for each good one to stdout.
///
/// Exit code 0 when all are good, 2 when any is not.
pub fn run(args: &CheckArgs) -> ExitCode {
    let overrides = Overrides { set: args.set.clone(), seed: args.seed };
    let mut good = true;
    for file in &args.files {
        match load(file, &overrides) {
            // A reader that has gone away has seen enough.
            Ok(scenario) => drop(writeln!(io::stdout(), "{}: ok: {}", file.display(), summary(&scenario))),
            Err(errors) => {
                good = false;
                let report = errors.render(colours(), width());
                drop(write!(io::stderr(), "{report}"));
            }
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::from(WRONG) }
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

/// Whether reports on stderr may have colours: on a terminal, unless `NO_COLOR` is set.
pub fn colours() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Columns of the terminal, as far as its shell tells.
fn width() -> usize {
    std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(100)
}
