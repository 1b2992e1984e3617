//! The testbed: one command turns a scenario into a result that a person can trust.
//!
//! ```text
//! scenario → planner → sandbox → fabric → fleet → fault → record → report
//! ```
//!
//! Each room hands a typed value to the next; `run.rs` reads like that sentence. A [`scenario`] is what
//! the user wrote, checked. The [`sandbox`] is a set of private namespaces in which everything a run
//! makes lives and dies. The [`fabric`] builds the nodes' namespaces and the links and media between
//! them; the [`fleet`] runs one process on each node; [`fault`] breaks things on time; [`record`]
//! appends every event; [`report`] computes what people read from that record alone.

/// As std's, which panic when the reader has gone away: one that has seen enough ends no run.
macro_rules! eprintln {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($words)*);
    }};
}
/// See `eprintln`.
macro_rules! eprint {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = write!(std::io::stderr(), $($words)*);
    }};
}
/// See `eprintln`.
macro_rules! println {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($words)*);
    }};
}

pub mod bench;
pub mod bundle;
pub mod capture;
pub mod chaos;
pub mod child;
pub mod cli;
pub mod compare;
pub mod exit;
pub mod fabric;
pub mod fault;
pub mod fleet;
pub mod gate;
pub mod live;
pub mod model;
pub mod procfs;
pub mod record;
pub mod report;
pub mod run;
pub mod sandbox;
pub mod scenario;
pub mod shell;
pub mod simulate;
pub mod sweep;
