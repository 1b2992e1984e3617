//! The tests: lints, every crate's own, the stories through the binary, real netem in User-Mode Linux, the Vagrantfile.

use std::path::Path;
use std::process::Command;
use std::thread;

use crate::programs::{self, Program};
use crate::run::{Failed, cargo, root, step};
use crate::{lint, python, uml};

/// Installs what the tests need, then runs them all.
pub fn all() -> Result<(), Failed> {
    provision()?;
    lint::all()?;
    step(&mut cargo(&["build", "--release", "--workspace", "--bins"]))?;
    let environment = python::environment()?;
    // The planner's tests only compute: they fill the time in which stories, which measure, wait.
    let (computing, measuring): (Vec<Program>, Vec<Program>) =
        programs::build()?.into_iter().partition(|program| program.package == "planner");
    let (computed, measured) = thread::scope(|scope| {
        let computing = scope.spawn(|| programs::run_aside(&computing, &environment));
        let measured = programs::run(&measuring, &environment);
        (computing.join().unwrap_or_else(|_| Err(Failed("the tests that run aside: a panic".to_owned()))), measured)
    });
    measured.and(computed)?;
    step(&mut cargo(&["test", "--release", "--workspace", "--doc"]))?;
    uml::all()?;
    vagrant()
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

/// Whether Vagrant takes the Vagrantfile. Its state goes to the build folder.
fn vagrant() -> Result<(), Failed> {
    if Command::new("vagrant").arg("--version").output().is_err() {
        println!("\nskipped: vagrant validate (vagrant is not to be had here)");
        return Ok(());
    }
    let state = crate::run::target().join("vagrant");
    step(Command::new("vagrant").args(["validate", "--ignore-provider"]).env("VAGRANT_DOTFILE_PATH", state))
}
