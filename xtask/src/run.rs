//! Runs commands, saying which.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;

/// A step that failed.
#[derive(Debug)]
pub struct Failed(pub String);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The root of the repository.
pub fn root() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map(PathBuf::from).unwrap_or(manifest)
}

/// Where cargo builds.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Runs a command in the root of the repository, its output passed on.
pub fn step(command: &mut Command) -> Result<(), Failed> {
    let line = shown(command);
    println!("\n$ {line}");
    let status = command.current_dir(root()).status().map_err(|error| Failed(format!("{line}: {error}")))?;
    if status.success() { Ok(()) } else { Err(Failed(format!("{line}: {status}"))) }
}

/// Runs a command and returns what it wrote to standard output.
pub fn read(command: &mut Command) -> Result<String, Failed> {
    let line = shown(command);
    let output = command.current_dir(root()).output().map_err(|error| Failed(format!("{line}: {error}")))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(Failed(format!("{line}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr))))
    }
}

/// A cargo command.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
