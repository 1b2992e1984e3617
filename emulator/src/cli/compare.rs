//! `emu compare A B [C…]`

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::compare::{Comparison, runs};
use crate::exit::Exit;
use crate::report::comparison;

/// Arguments of `emu compare`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each of the sets is a run's folder, a folder with runs in it, or a pattern in quotes. Four runs each are the fewest that can
tell a change from chance with 95 % confidence.

Examples:
  emu compare results/before results/after
  emu compare 'results/scaling/2026-11-25*' 'results/scaling/2026-11-26*' --html change.html
  emu compare results/a/latest results/b/latest --json | jq '.sets[1].changes'")]
pub struct CompareArgs {
    /// The sets. Each is compared with the first.
    #[arg(required = true, num_args = 2.., value_name = "RUNS")]
    sets: Vec<String>,
    /// Writes a page with the histograms over each other.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Writes the tables as Markdown.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Prints the comparison as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(arguments: &CompareArgs) -> Exit {
    let sets = match arguments.sets.iter().map(|name| runs::set(name)).collect::<Result<Vec<_>, _>>() {
        Ok(sets) => sets,
        Err(error) => {
            super::complain(&error);
            return Exit::Usage;
        }
    };
    let comparison = Comparison::of(&sets);
    let put = |path: &Path, text: String| fs::write(path, text).map_err(|error| (path.to_owned(), error));
    let html = arguments.html.as_ref().map(|path| put(path, comparison::page(&comparison)));
    let markdown = arguments.markdown.as_ref().map(|path| put(path, comparison::markdown(&comparison)));
    if let Some((path, error)) = [html, markdown].into_iter().flatten().find_map(Result::err) {
        eprintln!("error: can't write {}: {error}", path.display());
        return Exit::SetupFailed;
    }
    if arguments.json {
        super::print_json(&comparison);
    }
    eprintln!("{}", comparison::terminal(&comparison, super::looks()));
    Exit::Success
}
