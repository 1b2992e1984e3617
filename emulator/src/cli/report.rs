//! `emu report RUN`

use std::path::PathBuf;

use clap::Args;

use crate::exit::Exit;
use crate::record::outputs;
use crate::record::reopen::{Reopened, reopen};
use crate::report::evidence::Evidence;
use crate::report::{self, files, terminal};

/// Arguments of `emu report`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  emu report results/quickstart/latest
  emu report results/20node_fail/latest --json | jq '.faults[] | {target, detected_s, recovered_s}'

Exit codes: 0 computed, 1 an expectation or an invariant did not hold, 2 there is no run, 4 a file can't be written. How the
run itself had ended is in its summary.json.")]
pub struct ReportArgs {
    /// The run's folder, for example `results/quickstart/latest`.
    run: PathBuf,
    /// Prints the summary as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// Computes everything again and puts it in place of what is there. Whether that could be done is told apart from how
/// the run had ended; but what it was to hold to is judged again, too.
pub fn run(arguments: &ReportArgs) -> Exit {
    let reopened = match reopen(&arguments.run) {
        Ok(reopened) => reopened,
        Err(error) => {
            super::complain(&error);
            return Exit::Usage;
        }
    };
    let Reopened { scenario, tally, env } = reopened;
    let summary = report::summarise(&scenario, &tally);
    // Without its surroundings the hour of the run is not known, and nothing is written that says another.
    if let Some(env) = env
        && let Err(error) =
            outputs::write(&arguments.run, &scenario, &tally, &summary, outputs::load_began(&tally, &env)).and_then(
                |()| {
                    let evidence = Evidence { scenario: &scenario, tally: &tally, summary: &summary, env: &env };
                    files::write(&arguments.run, evidence)
                },
            )
    {
        super::complain(&error);
        return Exit::SetupFailed;
    }
    if arguments.json {
        super::print_json(&summary);
    }
    eprintln!("{}", terminal::closing(&summary, &arguments.run, super::looks()));
    match summary.exit {
        1 => Exit::ExpectFailed,
        _ => Exit::Success,
    }
}
