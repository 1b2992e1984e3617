//! Chaos: faults drawn by lot, run after run, until one breaks an invariant; and then as few of them as still do.
//!
//! ```text
//! [chaos] ─> draw ─> [[fault]] entries ─> an ordinary scenario
//!                                              │ hunt: a child process `emu run` for each seed
//!                                              └─> a run that breaks an invariant ─> shrink ─> minimal.toml
//! ```
//!
//! [`kinds`] is the table of what can be drawn; [`draw()`] draws, purely, from a seed and within [`Limits`]; what it
//! draws is written down as a user would have written it, so that reading, resolving, running and recording know
//! nothing of chaos. [`hunt`] runs seed after seed in child processes ([`crate::child`]), and [`shrink`] takes faults away and
//! makes them smaller for as long as the run still fails; [`script`] writes the scenario files.

pub mod draw;
pub mod hunt;
pub mod kinds;
mod lots;
pub mod script;
pub mod shrink;

pub use draw::{Cast, Drawn, Limits, draw};
