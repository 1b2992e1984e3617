//! How far the figures of a run can be trusted: what [`crate::record::fidelity`] judges, and `[expect] verdict` asks for.

use serde::{Deserialize, Serialize};

/// How far the figures can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Nothing was seen that could be noticed in them.
    Faithful,
    /// Something may have biased them; by how much is estimated.
    Degraded,
    /// They are not those of the scenario.
    Invalid,
}

impl Grade {
    /// As it is written in scenarios and summaries.
    pub const fn word(self) -> &'static str {
        match self {
            Grade::Faithful => "faithful",
            Grade::Degraded => "degraded",
            Grade::Invalid => "invalid",
        }
    }
}
