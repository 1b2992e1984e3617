//! A node on a real device: client, dispatcher or worker, as its configuration says.

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: node::memory::aligned::Aligned = node::memory::aligned::Aligned;

/// A node of a distributed inference pipeline: client, dispatcher or worker
#[derive(Debug, Parser)]
#[command(name = "emu-node", version)]
struct Cli {
    #[command(flatten)]
    node: node::program::NodeArgs,
}

fn main() -> ExitCode {
    node::program::main(&Cli::parse().node)
}
