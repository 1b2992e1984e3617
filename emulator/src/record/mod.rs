//! What happened, kept: the event log is the truth of a run, and all else is computed from it.
//!
//! ```text
//!              ┌─> summary  ─> summary.json
//! log ─> tally ├─> latency  ─> latency.hlog, latency-uncorrected.hlog
//!              └─> series   ─> throughput.csv
//! ```
//!
//! A run appends [`event::Entry`] values with a [`log::LogWriter`] to `events.jsonl` in its
//! [`folder::Folder`]. A [`tally::Tally`] takes entries in one by one, when the run is over or again from an old
//! log; from a tally and the scenario, [`summary::Summary::of`], [`latency`] and [`series`] compute
//! what people and programs read. [`outputs::write`] does all three.

pub mod arithmetic;
pub mod env;
pub mod event;
pub mod fidelity;
pub mod folder;
pub mod growth;
pub mod impact;
pub mod invariant;
pub mod latency;
pub mod log;
pub mod outputs;
pub mod passage;
pub mod rate;
pub mod recovery;
pub mod reopen;
pub mod sample;
pub mod series;
pub mod summary;
pub mod tally;
pub mod trial;

#[cfg(test)]
pub(crate) mod fixture;
