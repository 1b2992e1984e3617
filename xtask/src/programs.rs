//! The test programs of the workspace, run in turns, or aside at the lowest priority.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::python::Environment;
use crate::run::{Failed, cargo, read};

/// A test program.
#[derive(Debug)]
pub struct Program {
    /// The package whose tests these are.
    pub package: String,
    /// Where cargo runs it.
    folder: PathBuf,
    executable: PathBuf,
}

/// Builds all there are.
pub fn build() -> Result<Vec<Program>, Failed> {
    let mut build =
        cargo(&["test", "--release", "--workspace", "--no-run", "--message-format", "json-render-diagnostics"]);
    let messages = read(build.stderr(Stdio::inherit()))?;
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let programs: Vec<Program> = messages.filter_map(|message| program(&message)).collect();
    if programs.is_empty() { Err(Failed("cargo has built no tests".to_owned())) } else { Ok(programs) }
}

fn program(message: &Value) -> Option<Program> {
    if message["profile"]["test"] != true {
        return None;
    }
    let executable = PathBuf::from(message["executable"].as_str()?);
    let folder = PathBuf::from(message["manifest_path"].as_str()?).parent()?.to_owned();
    let package = folder.file_name()?.to_string_lossy().into_owned();
    Some(Program { package, folder, executable })
}

/// Runs them one after the other, one test at a time: they measure, and the machine may be small.
pub fn run(programs: &[Program], environment: &Environment) -> Result<(), Failed> {
    let mut failed = Vec::new();
    for program in programs {
        println!("\n$ {}", program.executable.display());
        let status = program.command(&[], environment).env("RUST_TEST_THREADS", "1").status();
        failed.extend(program.failed(status.map(|status| (status.success(), status.to_string()))));
    }
    together(failed)
}

/// Runs them one after the other at the lowest priority. What each has said follows when it has ended.
pub fn run_aside(programs: &[Program], environment: &Environment) -> Result<(), Failed> {
    let mut failed = Vec::new();
    for program in programs {
        let output = program.command(&["nice", "-n", "19"], environment).output();
        if let Ok(output) = &output {
            let said = [&output.stdout[..], &output.stderr[..]].concat();
            println!("\n$ nice -n 19 {}\n{}", program.executable.display(), String::from_utf8_lossy(&said));
        }
        failed.extend(program.failed(output.map(|output| (output.status.success(), output.status.to_string()))));
    }
    together(failed)
}

impl Program {
    fn command(&self, before: &[&str], environment: &Environment) -> Command {
        let mut words = before.iter().map(PathBuf::from).chain([self.executable.clone()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).current_dir(&self.folder);
        command.env("CARGO_MANIFEST_DIR", &self.folder);
        command.env("EMU_PYTHON", &environment.interpreter).env("EMU_MODELS", &environment.models);
        command
    }

    /// What there is to say if it has not passed.
    fn failed(&self, ended: std::io::Result<(bool, String)>) -> Option<String> {
        let name = self.executable.display();
        match ended {
            Ok((true, _)) => None,
            Ok((false, how)) => Some(format!("{name}: {how}")),
            Err(error) => Some(format!("{name}: {error}")),
        }
    }
}

fn together(failed: Vec<String>) -> Result<(), Failed> {
    if failed.is_empty() { Ok(()) } else { Err(Failed(failed.join("\n       "))) }
}
