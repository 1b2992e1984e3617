//! The system under test: a distributed inference pipeline.
//!
//! Three programs in one binary. The **client** offers load and measures latency from the instant at
//! which each request was *scheduled*. The **dispatcher** accepts requests, plans which part of the
//! model runs where, feeds the first stage, collects from the last, detects failure, plans again over
//! the survivors and replays what was in flight. A **worker** holds one segment, runs it and forwards.
//!
//! In place of these a node can also run a program of others ([`foreign`]): what is emulated and measured is then that.
//!
//! Nothing here knows of the emulator: a node is given its [`config::NodeConfig`] as a file and runs
//! the same on a real device. If it is also given a telemetry socket, it tells what it does
//! ([`telemetry`]) outside the network under test.

pub mod client;
pub mod clock;
pub mod config;
pub mod digest;
pub mod dispatcher;
pub mod foreign;
pub mod memory;
#[doc(hidden)]
pub mod planted;
pub mod probe;
pub mod program;
pub mod telemetry;
pub mod wire;
pub mod worker;
