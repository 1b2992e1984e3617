//! A Python environment of the tests' own: other people's readers of the formats that `emu` writes.

use std::path::PathBuf;
use std::process::Command;

use crate::run::{Failed, step, target};

/// What the tests import.
const PACKAGES: [&str; 5] = ["numpy", "onnx", "onnxruntime", "hdrhistogram", "jsonschema"];
/// Wheels that carry real models; only unpacked, because they pull in far more than the models.
const MODEL_WHEELS: [&str; 1] = ["rapidocr-onnxruntime"];

/// The interpreter of the environment, made if need be, and the folder with real models.
pub fn environment() -> Result<(PathBuf, PathBuf), Failed> {
    let home = target().join("python");
    let python = home.join("bin/python");
    if !python.exists() {
        step(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
    }
    let pip = |arguments: &[&str]| {
        let mut command = Command::new(&python);
        command.args(["-m", "pip", "--disable-pip-version-check", "install", "--quiet"]).args(arguments);
        step(&mut command)
    };
    pip(&PACKAGES)?;
    let models = target().join("models");
    if !models.exists() {
        let folder = models.to_string_lossy().into_owned();
        pip(&[&["--no-deps", "--target", &folder][..], &MODEL_WHEELS[..]].concat())?;
    }
    Ok((python, models))
}
