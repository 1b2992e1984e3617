//! `emu paper`: SEIFER's study, repeated.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::thread;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use planner::paper::{self, Grid, Row, Rules};
use serde_json::json;

use crate::exit::Exit;
use crate::report::paper::{csv, markdown, summary};
use crate::report::paper_svg::svg;

/// Arguments of `emu paper`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  emu paper --quick
  emu paper --out study
  emu paper --model vgg16,densenet121 --json | jq '.rows[] | select(.strategy == \"kpath\")'")]
pub struct PaperArgs {
    /// Two models, two capacities, three numbers of nodes: less than a minute.
    #[arg(long)]
    quick: bool,
    /// Models of the zoo; several with commas between.
    #[arg(long = "model", value_name = "NAMES", value_delimiter = ',', value_parser = model)]
    models: Vec<&'static str>,
    /// Random clusters of each kind; the authors had 50.
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    clusters: u64,
    /// Where `paper.csv`, `paper.md` and a picture for each set of rules are written.
    #[arg(long, value_name = "FOLDER", default_value = "results/paper")]
    out: PathBuf,
    /// Prints all rows as JSON.
    #[arg(long)]
    json: bool,
}

fn model(name: &str) -> Result<&'static str, String> {
    let known = Grid::whole().models;
    known.iter().copied().find(|known| *known == name).ok_or_else(|| format!("the study has {}", known.join(", ")))
}

/// Runs it. That a heuristic is better than what is proven to be the best fails an expectation.
pub fn run(arguments: &PaperArgs) -> Exit {
    let mut grid = if arguments.quick { Grid::quick() } else { Grid::whole() };
    grid.clusters = arguments.clusters;
    if !arguments.models.is_empty() {
        grid.models.clone_from(&arguments.models);
    }
    // Before the work, not behind it.
    if let Err(error) = fs::create_dir_all(&arguments.out) {
        eprintln!("error: {} can't be made: {error}", arguments.out.display());
        return Exit::SetupFailed;
    }
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let bar = if io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos} of {len} kinds of clusters, {eta} left") {
        bar.set_style(style);
    }
    let rows = paper::run(&grid, threads, &|done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    if let Err((file, error)) = write(&arguments.out, &grid, &rows) {
        eprintln!("error: {} can't be written: {error}", file.display());
        return Exit::SetupFailed;
    }
    if arguments.json {
        super::print_json(&json!({ "rows": rows }));
    } else {
        drop(write!(io::stdout(), "{}\nwrote {}\n", summary(&rows), arguments.out.join("paper.md").display()));
    }
    if rows.iter().any(|row| row.below_bound > 0) { Exit::ExpectFailed } else { Exit::Success }
}

fn write(folder: &Path, grid: &Grid, rows: &[Row]) -> Result<(), (PathBuf, io::Error)> {
    let picture = |rules: &Rules| (format!("{}.svg", rules.name()), svg(rows, *rules, &grid.nodes));
    let texts = [("paper.csv".to_owned(), csv(rows)), ("paper.md".to_owned(), markdown(grid, rows))];
    for (name, text) in texts.into_iter().chain(grid.rules.iter().map(picture)) {
        let file = folder.join(name);
        fs::write(&file, text).map_err(|error| (file, error))?;
    }
    Ok(())
}
