//! `emu schema`: prints the JSON Schema of scenarios.

use std::io::{self, Write};

use crate::exit::Exit;
use crate::scenario::schema::schema_text;

/// Prints the JSON Schema of scenarios (draft 7), which editors complete and check with.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  emu schema > schema.json                              then `#:schema ./schema.json` as a scenario's first line")]
pub struct SchemaArgs {}

/// Prints the schema.
pub fn run(_: &SchemaArgs) -> Exit {
    // A reader that has gone away has seen enough.
    let _ = io::stdout().write_all(schema_text().as_bytes());
    Exit::Success
}
