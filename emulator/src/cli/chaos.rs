//! `emu chaos SCENARIO`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::chaos::hunt::{self, DRAWN, HuntError, Hunted, MINIMAL, Options};
use crate::exit::Exit;
use crate::fabric::CarrierChoice;

/// Arguments of `emu chaos`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  emu chaos scenarios/chaos.toml --runs 100
  emu chaos scenarios/chaos.toml --runs 20 --seed 4711 --tries 60 --repeats 3
  emu run results/chaos-chaos/latest/minimal.toml          what is left of a run that failed

Exit codes: 0 every run held, 1 one broke an invariant or an expectation, otherwise that of the run that
stopped it (see emu --help).")]
pub struct ChaosArgs {
    /// The scenario file; its [chaos] says what is drawn, and within what limits.
    scenario: PathBuf,
    /// How many runs, with consecutive seeds.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// The first seed. The scenario's when not given.
    #[arg(long)]
    seed: Option<u64>,
    /// Most runs that shrinking a failure may take; with 0 nothing is shrunk.
    #[arg(long, value_name = "N", default_value_t = 40)]
    tries: u32,
    /// How often fewer faults must hold before they are taken to hold: no two runs are the same.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeats: u32,
    /// Replaces a value of the scenario, for example `--set chaos.down=3`. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// What carries the links: the kernel's netem, software, or whichever works (auto).
    #[arg(long, value_enum, default_value_t)]
    links: CarrierChoice,
    /// Folder that results are put into.
    #[arg(long, value_name = "FOLDER", default_value = "results")]
    results: PathBuf,
    /// Prints what came of it as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(arguments: ChaosArgs) -> Exit {
    let ChaosArgs { scenario, runs, seed, tries, repeats, set, links, results, json } = arguments;
    let links = links.to_possible_value().map(|value| format!("--links={}", value.get_name()));
    let options =
        Options { scenario, set, seed, runs, tries, repeats, arguments: links.into_iter().collect(), results };
    match hunt::hunt(&options, &mut |line| eprintln!("{line}")) {
        Ok(hunted) => {
            if json {
                super::print_json(&hunted);
            }
            tell(&hunted);
            Exit::from_code(hunted.exit).unwrap_or(Exit::SetupFailed)
        }
        Err(error) => {
            match &error {
                HuntError::Scenario(errors) => super::check::print(errors),
                error => super::complain(error),
            }
            error.exit()
        }
    }
}

fn tell(hunted: &Hunted) {
    let here = std::env::current_dir().ok();
    let folder = here.and_then(|here| hunted.folder.strip_prefix(here).ok()).unwrap_or(&hunted.folder).display();
    let Some(failure) = &hunted.failure else {
        let stopped = if hunted.exit == 0 { "" } else { ", then it was stopped" };
        return eprintln!("every invariant held in {} runs{stopped}, from seed {}", hunted.held, hunted.first_seed);
    };
    eprintln!("\nseed {} broke {}", failure.seed, failure.text);
    match &failure.minimal {
        Some(minimal) => {
            eprintln!("{} faults came down to {} in {} runs:", failure.faults, minimal.len(), failure.tries);
            minimal.iter().for_each(|fault| eprintln!("  {fault}"));
            eprintln!("repeat it: emu run {folder}/{MINIMAL}");
        }
        None => eprintln!("repeat it: emu run {folder}/{DRAWN}"),
    }
    eprintln!("the run that failed, with the way of each request: {folder}/run/");
}
