//! Runs seen from outside: which there are, which are alive, what their processes use, and the way into their nodes.
//!
//! ```text
//! alive ─> runs ─> inhabitants ─┬─> enter   a program in a node's namespaces
//!                               └─> usage   what each process takes
//! ```
//!
//! A run that goes on says so in its folder ([`alive`]); everything else is read from `/proc`. Nothing here needs more rights
//! than the user has who started the run: the user namespace of a run without root is theirs.

pub mod alive;
pub mod enter;
pub mod inhabitants;
pub mod runs;
pub mod usage;
pub mod visits;
