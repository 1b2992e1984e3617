//! What should run where.
//!
//! A **model** (an ONNX file) is a graph of **operators**. Where few tensors, most often one, connect the part
//! before to the part after, there may be a **cut**; between two cuts lies a **segment**. A **cluster** has
//! nodes with memory, speed and a bandwidth to each other. A **plan** puts consecutive segments on
//! distinct nodes, as **stages**, and says what that costs: the **bottleneck latency** is the longest
//! time any stage or link needs for one request, so its inverse is the **throughput**.
//!
//! ```text
//! onnx ─┐
//! zoo  ─┴─> profile ─┐
//! cluster ───────────┴─> strategy ─> plan ─> simulate
//! ```
//!
//! Everything here is pure but [`profile::measure`], which times operators: no sockets, and no threads but those of
//! [`paper`], which asks all strategies for thousands of plans.

pub mod chains;
pub mod cluster;
pub mod codec;
pub mod digest;
pub mod element;
pub mod onnx;
pub mod pace;
pub mod paper;
pub mod plan;
pub mod profile;
pub mod seifer;
pub mod simulate;
pub mod strategy;
pub mod units;
pub mod zoo;
