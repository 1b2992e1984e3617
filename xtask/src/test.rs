//! Every test: lints, the crates' own tests, and real netem in User-Mode Linux.

use std::path::Path;
use std::process::Command;

use crate::run::{Failed, cargo, root, step};
use crate::{lint, python, uml};

/// Installs what the tests need, then runs them all.
pub fn all() -> Result<(), Failed> {
    provision()?;
    let (python, models) = python::environment()?;
    lint::all()?;
    step(&mut cargo(&["build", "--release", "--workspace", "--bins"]))?;
    step(
        cargo(&["test", "--release", "--workspace", "--no-fail-fast"])
            .env("EMU_PYTHON", &python)
            .env("EMU_MODELS", &models),
    )?;
    uml::all()
}

/// System packages, where this is Debian or Ubuntu and we are or can become root.
fn provision() -> Result<(), Failed> {
    if !Path::new("/etc/debian_version").exists() {
        println!("not Debian or Ubuntu: install the packages listed in scripts/provision.sh by hand");
        return Ok(());
    }
    let script = root().join("scripts/provision.sh");
    if nix::unistd::geteuid().is_root() {
        return step(Command::new("sh").arg(script));
    }
    step(Command::new("sudo").arg("sh").arg(script))
}
