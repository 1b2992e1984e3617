//! Tests that need sch_netem, in User-Mode Linux.

use crate::run::Failed;

/// Runs them.
pub fn all() -> Result<(), Failed> {
    Ok(())
}
