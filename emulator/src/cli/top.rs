//! `emu top [RUN]`

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::Args;

use crate::exit::Exit;
use crate::report::columns::columns;
use crate::shell::runs::{self, State};
use crate::shell::usage::{Meter, Usage};

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// Puts the cursor into the first line, and clears what is below it.
const AFRESH: &str = "\x1b[H\x1b[J";

/// Arguments of `emu top`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  emu top                     the newest run that is alive, each second until it ends
  emu top quickstart --once
  emu top --json | jq '.[] | select(.cores > 0.5) | .node'")]
pub struct TopArgs {
    /// The run: `latest`, its folder, or a part of its name that no other has (see `emu ls`).
    #[arg(default_value = "latest")]
    run: String,
    /// Looks for a second, prints and ends.
    #[arg(long)]
    once: bool,
    /// The same, as JSON.
    #[arg(long)]
    json: bool,
    /// Folder of results.
    #[arg(long, value_name = "FOLDER", default_value = "results")]
    results: PathBuf,
}

/// Shows what the processes of a run take.
pub fn run(arguments: &TopArgs) -> Exit {
    let run = match runs::find(&arguments.results, &arguments.run, true) {
        Ok(run) => run,
        Err(error) => {
            super::complain(&error);
            return Exit::Usage;
        }
    };
    let State::Alive(alive) = run.state.clone() else { return Exit::Usage };
    let Some(mut meter) = Meter::new(&run.folder, alive.clone()) else {
        eprintln!("error: {}: what the run resolved can't be read", run.folder.display());
        return Exit::SetupFailed;
    };
    meter.look();
    let terminal = std::io::stdout().is_terminal();
    loop {
        thread::sleep(EVERY);
        let usage = meter.look();
        if arguments.json {
            super::print_json(&usage);
            return Exit::Success;
        }
        let text = format!("{}\n{}", run.title(), table(&usage));
        if arguments.once {
            super::print_text(&text);
            return Exit::Success;
        }
        let before = if terminal { AFRESH } else { "" };
        let mut out = std::io::stdout();
        // A reader that has gone away has seen enough.
        if write!(out, "{before}{text}").and_then(|()| out.flush()).is_err() {
            return Exit::Success;
        }
        if !alive.holds() || !run.folder.exists() {
            eprintln!("the run is over");
            return Exit::Success;
        }
    }
}

fn table(usage: &[Usage]) -> String {
    let header = ["NODE", "DUTY", "PID", "CORES", "MEMORY MIB", "OF", "IN KB/S", "OUT KB/S"];
    let mib = |bytes: u64| format!("{:.1}", bytes as f64 / f64::from(1 << 20));
    let rows: Vec<Vec<String>> = usage
        .iter()
        .map(|usage| {
            let limit = usage.memory_limit_bytes.map_or("-".to_owned(), mib);
            let Some(pid) = usage.pid else {
                let mut row = vec![usage.node.clone(), usage.duty.clone()];
                row.extend(["-", "-", "-", &limit, "-", "-"].map(str::to_owned));
                return row;
            };
            vec![
                usage.node.clone(),
                usage.duty.clone(),
                pid.to_string(),
                format!("{:.2}", usage.cores),
                mib(usage.memory_bytes),
                limit,
                format!("{:.1}", usage.received_per_s / 1e3),
                format!("{:.1}", usage.sent_per_s / 1e3),
            ]
        })
        .collect();
    columns(&header, &rows, &[2, 3, 4, 5, 6, 7])
}
