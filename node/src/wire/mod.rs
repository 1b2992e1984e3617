//! How nodes speak: frames on TCP, tensors encoded by a codec, control messages, heartbeats.

pub mod message;
