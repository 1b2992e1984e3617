//! The `emu` command.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: node::memory::aligned::Aligned = node::memory::aligned::Aligned;

fn main() -> ExitCode {
    emulator::cli::main()
}
