//! How nodes speak: frames on TCP, tensors encoded by a codec, control messages, heartbeats.
//!
//! ```text
//! tensor ──codec──> payload ─┐
//! message ──postcard────────>┴─ frame ──connection──> TCP, joined by who knows the secret
//! ```

pub mod codec;
pub mod connection;
pub mod frame;
pub mod join;
pub mod message;
pub mod pulse;
pub mod secret;
mod socket;
pub mod stream;
