//! The tests: formatting, the crates' own tests, and a whole run.

use std::path::Path;
use std::process::Command;

use crate::run::{Failed, cargo, root, step};

/// Installs what the tests need, then runs them all.
pub fn all() -> Result<(), Failed> {
    provision()?;
    step(&mut cargo(&["fmt", "--all", "--check"]))?;
    step(&mut cargo(&["build", "--release", "--workspace", "--bins"]))?;
    step(&mut cargo(&["test", "--release", "--workspace", "--lib", "--no-fail-fast"]))?;
    step(&mut cargo(&["test", "--release", "--package", "emulator", "--test", "runs", "quickstart"]))
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
