//! The fault.
