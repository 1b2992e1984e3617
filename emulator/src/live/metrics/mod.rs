//! A run's figures for Prometheus, over HTTP.
//!
//! The listener is opened before the sandbox is entered: a socket belongs to the network namespace that it was made in,
//! so it is reached from the host while everything else lives in the sandbox, and nothing under test can reach it.

mod server;
mod text;

pub use server::{MetricsError, listen, serve};
pub use text::{FAMILIES, Family, Kind, exposition};
