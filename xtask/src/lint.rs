//! Formatting, clippy, documentation, licences of dependencies.

use std::process::Command;

use crate::run::{Failed, cargo, step};

/// Every lint; each must pass without a warning.
pub fn all() -> Result<(), Failed> {
    step(&mut cargo(&["fmt", "--all", "--check"]))?;
    step(&mut cargo(&["clippy", "--quiet", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    step(cargo(&["doc", "--quiet", "--release", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    if Command::new("cargo-deny").arg("--version").output().is_ok() {
        step(&mut cargo(&["deny", "--offline", "check", "bans", "licenses", "sources"]))
    } else {
        println!("\nskipped: cargo deny (not installed: cargo install cargo-deny)");
        Ok(())
    }
}
