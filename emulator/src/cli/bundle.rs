//! `emu bundle RUN`

use std::path::PathBuf;

use clap::Args;

use crate::bundle;
use crate::exit::Exit;
use crate::shell::runs;

/// Arguments of `emu bundle`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  emu bundle latest                                 quickstart-2027-01-15T08-00-00Z-c0ffee.tar.gz, here
  emu bundle results/20node_fail/latest --out paper-figure-3.tar.gz
  emu replay paper-figure-3.tar.gz                  on any host: the same scenario, seed, model and costs

Exit codes: 0 packed, 2 there is no such run, it goes on, or its model is not what it was, 4 the archive can't be written.")]
pub struct BundleArgs {
    /// The run: `latest`, its folder, or a part of its name that no other has (see `emu ls`).
    run: String,
    /// The archive; otherwise named after the run, in the current folder.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Folder of results in which the run is looked for.
    #[arg(long, value_name = "FOLDER", default_value = "results")]
    results: PathBuf,
}

/// Packs it.
pub fn run(arguments: &BundleArgs) -> Exit {
    let run = match runs::find(&arguments.results, &arguments.run, false) {
        Ok(run) => run,
        Err(error) => {
            super::complain(&error);
            return Exit::Usage;
        }
    };
    let out = arguments.out.clone().unwrap_or_else(|| format!("{}-{}.tar.gz", run.scenario, run.name).into());
    match bundle::pack(&run, &out) {
        Ok(size) => {
            let out = out.display();
            eprintln!("{} is packed, {:.1} MiB; again, on any host: emu replay {out}", run.title(), size.mib());
            super::print_text(&format!("{out}\n"));
            Exit::Success
        }
        Err(error) => {
            super::complain(&error);
            error.exit()
        }
    }
}
