//! A long hunt for inputs that break what reads them, guided by which edges of the code they take.
//!
//! The project's own crates are compiled with LLVM's SanitizerCoverage, which a stable compiler can do, too; nothing else
//! is built anew. For that cargo calls this very program in place of the compiler ([`compile`]).

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::run::{Failed, cargo, step};

/// Says to this program that cargo calls it as a compiler.
const WRAPS: &str = "XTASK_COUNTS_EDGES";
/// Crates whose edges are counted. The targets' own is among them, since generic code is compiled where it is used.
const COUNTED: [&str; 4] = ["planner", "node", "emulator", "fuzz"];
/// A byte for each edge, counted up in place.
const FLAGS: [&str; 3] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=3",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
];

/// Builds the targets so that they count, and hunts as `words` say.
pub fn hunt(words: &[OsString]) -> Result<(), Failed> {
    let program = std::env::current_exe().map_err(|error| Failed(format!("this program can't be found: {error}")))?;
    let mut command = cargo(&["test", "--release", "--workspace", "--test", "fuzz", "--"]);
    step(command.args(words).env("RUSTC_WORKSPACE_WRAPPER", program).env(WRAPS, "1"))
}

/// Whether cargo calls this program as a compiler. The hunt itself is started with the same environment.
pub fn wraps() -> bool {
    std::env::var_os(WRAPS).is_some()
}

/// The compiler, for crates that are counted with the flags for it. Returns only when that can't be started.
pub fn compile(mut words: impl Iterator<Item = OsString>) -> std::io::Error {
    let compiler = words.next().unwrap_or_else(|| "rustc".into());
    let words: Vec<OsString> = words.collect();
    let named = words.windows(2).any(|pair| pair[0] == "--crate-name" && COUNTED.iter().any(|name| pair[1] == *name));
    let flags = if named { &FLAGS[..] } else { &[] };
    Command::new(compiler).args(words).args(flags).exec()
}
