//! `emu gate SCENARIO`

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::grid::GridArgs;
use crate::exit::Exit;
use crate::gate::decide::{Limits, Told};
use crate::gate::{Before, GateError, Gated, Options, gate};
use crate::report::gate as report;
use crate::sweep::grid::Vary;

/// Arguments of `emu gate`.
#[derive(Debug, Args)]
#[command(after_help = "\
With --against, old and new run in turns on this machine, and throughputs are compared. With --baseline, runs that were stored are
compared, maybe another machine's: as shares of what each run's plan allows. The same command again goes on where it was left.
Never one point is judged, but all pairs together: their common ratio, and how it changes along the curve.

Examples:
  emu gate scenarios/scaling.toml --vary nodes=5,10,20 --against ./emu-of-main --junit gate.xml
  emu gate scenarios/scaling.toml --vary nodes=5,10,20 --baseline baseline/scaling-sweep/3f9c02
  emu gate scenarios/quickstart.toml --against ./emu-of-main --tolerance 3 --inconclusive pass

Exit codes: 0 no loss, 1 slower beyond tolerance and chance, or a run of the new program broke an expectation or an invariant,
7 too few or too noisy pairs to tell (0 with --inconclusive pass), otherwise that of the run that stopped it.")]
#[command(group = clap::ArgGroup::new("before").required(true))]
pub struct GateArgs {
    #[command(flatten)]
    grid: GridArgs,
    /// A key of the scenario and its values; may be repeated for a grid. `nodes` and `replicas` are short for
    /// `topology.nodes` and `plan.replicas`.
    #[arg(long, value_name = "KEY=V1,V2,…")]
    vary: Vec<Vary>,
    /// The old program: it runs in turns with the new one.
    #[arg(long, value_name = "EMU", group = "before")]
    against: Option<PathBuf>,
    /// Stored runs to compare with: the folder of a gate or a sweep, or, if nothing varies, of runs.
    #[arg(long, value_name = "FOLDER", group = "before")]
    baseline: Option<PathBuf>,
    /// The new program; this one when not given.
    #[arg(long, value_name = "EMU")]
    new: Option<PathBuf>,
    /// Pairs of runs at each point.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeat: u32,
    /// A loss up to this is let pass, in percent.
    #[arg(long, value_name = "PERCENT", default_value = "5", value_parser = percent)]
    tolerance: f64,
    /// A loss that must not be overlooked, in percent: if these pairs could have, the gate says that it can't tell.
    #[arg(long, value_name = "PERCENT", default_value = "15", value_parser = percent)]
    detect: f64,
    /// The probability of an alarm when nothing has changed, in percent.
    #[arg(long, value_name = "PERCENT", default_value = "1", value_parser = percent)]
    alpha: f64,
    /// What becomes of a gate that can't tell.
    #[arg(long, value_enum, default_value_t = Inconclusive::Fail)]
    inconclusive: Inconclusive,
    /// Writes JUnit's XML, a case for each point and one for the curve.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Annotations beside the scenario's file; auto: where GITHUB_ACTIONS is set. (Where GITHUB_STEP_SUMMARY names a file, the tables are
    /// added to it.)
    #[arg(long, value_enum, default_value_t = Annotations::Auto)]
    annotations: Annotations,
    /// Prints what came of it as JSON on standard output.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Inconclusive {
    /// It ends with exit code 7.
    Fail,
    /// It passes.
    Pass,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Annotations {
    Auto,
    Github,
    None,
}

/// A percentage as a share.
fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').trim().parse::<f64>() {
        Ok(percent) if (0.0..100.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("a percentage from 0 to less than 100, such as 5".to_owned()),
    }
}

/// Runs it.
pub fn run(arguments: GateArgs) -> Exit {
    let fails = arguments.inconclusive == Inconclusive::Fail;
    let (junit, annotations, json) = (arguments.junit.clone(), arguments.annotations, arguments.json);
    let options = match options(arguments) {
        Ok(options) => options,
        Err(wrong) => {
            eprintln!("error: {wrong}");
            return Exit::Usage;
        }
    };
    // Before the work: nobody wants to hear of it after hours, or have CI read what the last gate left.
    if let Some(path) = &junit
        && let Err(error) = fs::write(path, report::junit::unmade("the gate was killed"))
    {
        eprintln!("error: can't write {}: {error}", path.display());
        return Exit::Usage;
    }
    let (gated, interrupted) = match gate(&options, &mut |line| eprintln!("{line}")) {
        Ok(gated) => gated,
        Err(error) => {
            if let Some(path) = &junit {
                // That it can be written was tried.
                let _ = fs::write(path, report::junit::unmade(&error.to_string()));
            }
            match &error {
                GateError::Grid(error) => super::grid::complain(error),
                error => super::complain(error),
            }
            return error.exit();
        }
    };
    if let Err(error) = report::write(&gated) {
        super::complain(&error);
        return Exit::SetupFailed;
    }
    if json {
        super::print_json(&gated);
    }
    eprintln!("{}", report::terminal(&gated, super::looks()));
    if let Err((path, error)) = tell(&gated, junit, annotations, fails) {
        eprintln!("error: can't write {}: {error}", path.display());
        return Exit::SetupFailed;
    }
    interrupted.unwrap_or_else(|| exit(&gated, fails))
}

fn options(arguments: GateArgs) -> Result<Options, String> {
    let GateArgs { grid, vary, against, baseline, new, repeat, .. } = arguments;
    let limits = Limits { tolerance: arguments.tolerance, detect: arguments.detect, alpha: arguments.alpha };
    if limits.detect <= limits.tolerance {
        return Err("--detect must be more than --tolerance: a loss that is let pass can't be detected".to_owned());
    }
    // The command line asks for one of the two.
    let before = match (against, baseline) {
        (Some(program), _) => Before::Program(program),
        (None, folder) => Before::Stored(folder.unwrap_or_default()),
    };
    Ok(Options { grid: grid.over(vary, repeat), new, before, limits })
}

/// What CI reads.
fn tell(
    gated: &Gated,
    junit: Option<PathBuf>,
    annotations: Annotations,
    fails: bool,
) -> Result<(), (PathBuf, std::io::Error)> {
    if let Some(path) = junit {
        fs::write(&path, report::junit::xml(gated, fails)).map_err(|error| (path, error))?;
    }
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let github = match annotations {
        Annotations::Auto => set("GITHUB_ACTIONS").is_some_and(|value| value == "true"),
        Annotations::Github => true,
        Annotations::None => false,
    };
    if github {
        // GitHub reads them from either output; the other may be a program's.
        eprint!("{}", report::github::annotations(gated, fails));
    }
    if let Some(path) = set("GITHUB_STEP_SUMMARY").map(PathBuf::from) {
        let mut options = fs::OpenOptions::new();
        let file = options.append(true).create(true).open(&path);
        file.and_then(|mut file| file.write_all(report::markdown(gated).as_bytes())).map_err(|error| (path, error))?;
    }
    Ok(())
}

fn exit(gated: &Gated, fails: bool) -> Exit {
    match gated.judgement.told {
        Told::Slower => Exit::ExpectFailed,
        _ if gated.failed().next().is_some() => Exit::ExpectFailed,
        // Nothing at all is no result that could be let pass.
        Told::Open if fails || gated.judgement.pairs == 0 => Exit::Inconclusive,
        Told::Open | Told::Held | Told::Faster => Exit::Success,
    }
}
