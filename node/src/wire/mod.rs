//! How nodes speak: frames on TCP, tensors encoded by a codec, control messages, heartbeats.
//!
//! ```text
//! tensor ──codec──> payload ─┐
//! message ──postcard────────>┴─ frame ──connection──> TCP
//! ```

pub mod codec;
pub mod connection;
pub mod frame;
pub mod message;
pub mod pulse;
mod socket;
pub mod stream;
