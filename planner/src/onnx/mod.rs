//! ONNX models: opened, cut, run.
//!
//! ```text
//! file ─ protobuf ─> index ─ extract ─> graph ─> Executable
//! ```
//!
//! A file is **indexed** without reading its weights; a **segment** is extracted from it by name of the
//! tensors at its ends, so a small device reads no more of a large model than it will run.
//!
//! # Exactness
//! A split model must compute exactly what the whole one computes, bit for bit. The inference engine
//! rewrites a model before it runs it: it folds a normalisation into the convolution before it, drops
//! axes of length one, merges, reorders. A model cut where the rewriting would have reached across the
//! cut is rewritten otherwise, and rounds otherwise. Whether it does can't be told from the file, so
//! [`crate::profile::measure`] finds out by trying, and offers only cuts at which nothing changes.

mod activation;
mod error;
mod extract;
mod graph;
mod index;
mod memory;
mod model;
mod protobuf;
mod segment;

pub use activation::{Activation, Kind};
pub use error::ModelError;
pub use model::Model;
pub use segment::{Executable, Origin, seal, write_segment};

pub(crate) use extract::{End, names};
pub(crate) use graph::{cut, engine, kinds, optimise, waists};
pub(crate) use index::{Frontier, Index};
pub(crate) use memory::{give_back, keep};
pub(crate) use segment::{part_between, seal_by};
