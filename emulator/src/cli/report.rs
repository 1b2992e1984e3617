//! `emu report RUN`

use std::path::PathBuf;

use clap::Args;

use crate::exit::Exit;
use crate::record;
use crate::report::terminal;

/// Arguments of `emu report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The run's folder, for example `results/quickstart/latest`.
    run: PathBuf,
    /// Prints the summary as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(arguments: ReportArgs) -> Exit {
    match record::recompute(&arguments.run) {
        Ok((scenario, summary)) => {
            if arguments.json {
                println!("{}", summary.to_json());
            }
            eprintln!("{}", terminal::render(&scenario, &summary, &arguments.run, super::is_terminal()));
            Exit::Success
        }
        Err(error) => {
            super::complain(&error);
            Exit::Usage
        }
    }
}
