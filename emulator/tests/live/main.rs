//! A run watched while it goes on: on a terminal, and by Prometheus.

mod metrics;
mod pty;
mod screen;
#[path = "../story/mod.rs"]
mod story;

/// The scenario that is watched.
const WATCHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios/live.toml");
