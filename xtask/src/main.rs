//! What a contributor or CI does to this repository, as one command: `cargo xtask test`.

mod lint;
mod python;
mod run;
mod test;
mod uml;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask test    install what the tests need (Debian or Ubuntu), then run the tests
cargo xtask lint    formatting, clippy, documentation, licences
cargo xtask uml     only the tests that need sch_netem, in User-Mode Linux";

fn main() -> ExitCode {
    let verb = std::env::args().nth(1);
    let outcome = match verb.as_deref() {
        Some("test") => test::all(),
        Some("lint") => lint::all(),
        Some("uml") => uml::all(),
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
