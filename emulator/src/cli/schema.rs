//! `emu schema`: prints the JSON Schema of scenarios.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::scenario::schema::schema_text;

/// Prints the JSON Schema of scenarios (draft 7), which editors complete and check with.
#[derive(Debug, Clone, clap::Args)]
pub struct SchemaArgs {}

/// Prints the schema.
pub fn run(_: &SchemaArgs) -> ExitCode {
    // A reader that has gone away has seen enough.
    let _ = io::stdout().write_all(schema_text().as_bytes());
    ExitCode::SUCCESS
}
