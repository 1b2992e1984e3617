//! `emu replay RUN`

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::run::WayArgs;
use crate::bundle::{self, Unpacked};
use crate::exit::Exit;
use crate::record::env::Env;
use crate::record::event::SIMULATED;
use crate::record::outputs::{ENV, RESOLVED, SCENARIO};
use crate::run::Repeated;
use crate::scenario::{Loaded, Scenario};
use crate::shell::runs;

/// Arguments of `emu replay`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  emu replay latest                        the same scenario and seed again
  emu replay results/quickstart/latest --keep
  emu replay latest --ui                   and watch it this time
  emu replay paper-figure-3.tar.gz         what emu bundle packed, here or elsewhere")]
pub struct ReplayArgs {
    /// The run: `latest`, its folder, a part of its name that no other has (see `emu ls`), or an archive of `emu bundle`.
    run: String,
    /// Folder of results: the run is looked for there, and its repetition put there.
    #[arg(long, value_name = "FOLDER", default_value = "results")]
    results: PathBuf,
    #[command(flatten)]
    way: WayArgs,
}

/// Runs what that run resolved to once more.
pub fn run(arguments: ReplayArgs) -> Exit {
    let (loaded, repeated) = match read(&arguments) {
        Ok(read) => read,
        Err(error) => {
            eprintln!("error: {error}");
            return Exit::Usage;
        }
    };
    arguments.way.run(&loaded, arguments.results, repeated)
}

/// What is to be repeated.
struct Original {
    title: String,
    folder: PathBuf,
    /// What a bundle brought along.
    bundle: Option<Unpacked>,
}

fn original(arguments: &ReplayArgs) -> Result<Original, String> {
    let path = Path::new(&arguments.run);
    if path.is_file() {
        let bundle = bundle::unpack(path).map_err(|error| error.to_string())?;
        return Ok(Original { title: bundle.content.run.clone(), folder: bundle.run.clone(), bundle: Some(bundle) });
    }
    let run = runs::find(&arguments.results, &arguments.run, false).map_err(|error| error.to_string())?;
    Ok(Original { title: run.title(), folder: run.folder, bundle: None })
}

fn read(arguments: &ReplayArgs) -> Result<(Loaded, Option<Repeated>), String> {
    let Original { title, folder, bundle } = original(arguments)?;
    let path = folder.join(RESOLVED);
    let text = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let scenario: Scenario = serde_json::from_slice(&text)
        .map_err(|error| format!("{}: {error}; was it written by another version of emu?", path.display()))?;
    if let Some(reason) = scenario.unsound() {
        return Err(format!("{}: {reason}; the file was damaged or changed", path.display()));
    }
    let written = fs::read_to_string(folder.join(SCENARIO)).unwrap_or_default();
    // A run that was killed did not come to writing its surroundings: what they were is not known then.
    let env: Option<Env> = fs::read(folder.join(ENV)).ok().and_then(|text| serde_json::from_slice(&text).ok());
    match &env {
        Some(env) if env.carrier.as_deref() == Some(SIMULATED) => {
            return Err(format!("{title} was simulated; emu simulate with its scenario.toml does it again"));
        }
        Some(env) if env.version != env!("CARGO_PKG_VERSION") => {
            eprintln!("warning: that run was of emu {}, this is {}", env.version, env!("CARGO_PKG_VERSION"));
        }
        Some(_) => {}
        None => eprintln!("warning: that run was killed: which version of emu it was of is not known"),
    }
    Ok(match bundle {
        Some(Unpacked { content, cache, model, .. }) => {
            let scenario = bundle::relocated(scenario, model.as_deref());
            (Loaded::again(scenario, &written), Some(Repeated { run: title, model: content.model, cache: Some(cache) }))
        }
        None => {
            let repeated = env.and_then(|env| Some(Repeated { run: title, model: env.model?, cache: None }));
            (Loaded::again(scenario, &written), repeated)
        }
    })
}
