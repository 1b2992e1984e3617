//! The dispatcher.

pub mod core;
