//! The record.

pub mod event;
