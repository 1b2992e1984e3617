//! What a contributor or CI does to this repository, as one command: `cargo xtask test`.

mod deb;
mod fuzz;
mod lint;
mod programs;
mod python;
mod run;
mod test;
mod uml;

use std::ffi::OsStr;
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask test    install what the tests need (Debian or Ubuntu), then run the tests
cargo xtask lint    formatting, clippy, documentation, licences
cargo xtask fuzz [TARGET…] [--minutes N] [--seed N]
                    hunts for inputs that break what reads them, guided by coverage
cargo xtask fuzz TARGET --input FILE…
                    tries these inputs
cargo xtask deb [--from FOLDER] [--out FOLDER]
                    a package for Debian and Ubuntu, into target/deb; FOLDER: programs that are built
cargo xtask uml     only the tests that need sch_netem, in User-Mode Linux
cargo xtask uml COMMAND…
                    any command there, as root, with all of this machine's files";

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if fuzz::wraps() {
        eprintln!("xtask: the compiler can't be started: {}", fuzz::compile(words));
        return ExitCode::FAILURE;
    }
    let verb = words.next();
    let outcome = match verb.as_deref().and_then(OsStr::to_str) {
        Some("test") => test::all(),
        Some("lint") => lint::all(),
        Some("fuzz") => fuzz::hunt(&words.collect::<Vec<_>>()),
        Some("deb") => deb::package(&words.collect::<Vec<_>>()),
        Some("uml") => uml::command(&words.collect::<Vec<_>>()),
        Some("help" | "--help" | "-h") => {
            println!("{HELP}");
            Ok(())
        }
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
