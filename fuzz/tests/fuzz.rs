//! Every target for a second each, or as the command line says:
//!
//! ```text
//! fuzz [TARGET…] [--minutes N] [--seed N]      hunts
//! fuzz TARGET --input FILE…                    tries these inputs only
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuzz::coverage::Seen;
use fuzz::hunt::{Plan, hunt};
use fuzz::{Target, targets};

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (mut names, mut minutes, mut inputs) = (Vec::new(), None, None);
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_nanos() as u64);
    let mut seed = clock % 1_000_000;
    let mut list = false;
    while let Some(word) = words.next() {
        let mut number = || {
            words.next().and_then(|word| word.parse::<f64>().ok()).unwrap_or_else(|| panic!("{word} wants a number"))
        };
        match word.as_str() {
            "--minutes" => minutes = Some(number()),
            "--seed" => seed = number() as u64,
            "--input" => inputs = Some(words.by_ref().map(PathBuf::from).collect::<Vec<_>>()),
            "--list" => list = true,
            // What libtest understands besides, and no target of ours has.
            option if option.starts_with('-') => {}
            _ => names.push(word),
        }
    }
    let all = targets::all();
    let chosen: Vec<&dyn Target> = all
        .iter()
        .map(|target| &**target)
        .filter(|target| names.is_empty() || names.iter().any(|name| name == target.name()))
        .collect();
    if list {
        chosen.iter().for_each(|target| println!("{}: test", target.name()));
        return ExitCode::SUCCESS;
    }
    if chosen.is_empty() && minutes.is_some() {
        eprintln!(
            "no such target; there are {}",
            all.iter().map(|target| target.name()).collect::<Vec<_>>().join(", ")
        );
        return ExitCode::from(2);
    }
    println!("seed {seed}; edges are {}", if Seen::counts() { "counted" } else { "not counted" });
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let time = minutes.map_or(Duration::from_secs(1), |minutes| Duration::from_secs_f64(minutes * 60.0));
    let found = Path::new(env!("CARGO_TARGET_TMPDIR")).join("found");
    let mut failed = false;
    for target in chosen {
        let mut plan = Plan { seed, time, corpus: here.join("corpus"), found: found.clone(), tells: minutes.is_some() };
        if let Some(inputs) = &inputs {
            // Only these: as if they were all that was ever found.
            plan = Plan { time: Duration::ZERO, corpus: folder_of(inputs, target.name()), ..plan };
        }
        let outcome = hunt(target, &plan);
        println!("{}", outcome.told(target));
        failed |= !outcome.findings.is_empty();
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// A folder like that of what was found earlier, with these files in it.
fn folder_of(inputs: &[PathBuf], name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("inputs");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join(name)).expect("a folder for the inputs");
    for (number, input) in inputs.iter().enumerate() {
        std::fs::copy(input, folder.join(name).join(number.to_string()))
            .unwrap_or_else(|error| panic!("{}: {error}", input.display()));
    }
    folder
}
