//! What each part of a model costs: parameters, activations, FLOPs, time, and bytes across each cut.
//!
//! [`measure`] finds out, [`input`] makes the tensors it measures with (and the client offers), and
//! [`reference()`] computes what the unsplit model makes of them.

mod candidates;
mod input;
mod measure;
mod nominal;
mod process;
mod timing;
mod unsplit;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::codec::Codec;
use crate::element::Element;
use crate::units::ByteSize;

pub use input::input;
pub use measure::{Encoder, measure, reference};
pub use nominal::nominal;

/// Version of the stored form of a [`ModelProfile`]; a cached profile of another version is measured again.
pub const PROFILE_VERSION: u32 = 4;

/// What is known of a model before it is planned: where it can be cut and what lies between the cuts.
///
/// `cuts` has one entry more than `pieces`: `pieces[i]` lies between `cuts[i]` and `cuts[i + 1]`;
/// the first cut is the model's input, the last its output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelProfile {
    /// See [`PROFILE_VERSION`].
    pub version: u32,
    /// The model's name: that of the zoo, or the file's stem.
    pub model: String,
    /// Digest of the model file this was measured on, in hexadecimal.
    pub digest: String,
    /// Where the times were measured: the host's name and CPU.
    pub host: String,
    /// Resident memory of a process that holds an empty segment: code, runtime, stacks.
    pub process_memory: ByteSize,
    /// How a segment's memory follows from its weights and activations.
    #[serde(default)]
    pub footprint: Footprint,
    /// The places at which the model can be cut, in the order in which they are computed.
    pub cuts: Vec<Cut>,
    /// What lies between neighbouring cuts.
    pub pieces: Vec<Piece>,
}

/// How a segment's memory follows from its weights and activations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Footprint {
    /// What a node's process really needs, with this project's inference engine; see [`ModelProfile::memory`].
    #[default]
    Process,
    /// Weights and activations alone, the largest of any piece: for engines and devices that are only thought of.
    Bare,
}

/// A place at which a model can be cut: everything before it reaches everything behind it through these tensors alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cut {
    /// The tensors that cross it: most often one; inside a residual or an inception block several.
    pub tensors: Vec<LiveTensor>,
    /// Their size together encoded by each codec, measured on the activation of a seeded input.
    pub encoded: BTreeMap<Codec, ByteSize>,
}

/// A tensor that crosses a cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveTensor {
    /// The tensor's name in the ONNX file.
    pub name: String,
    /// Its shape, with a batch of one.
    pub shape: Vec<usize>,
    /// The type of its elements.
    pub element: Element,
}

impl Cut {
    /// The names of its tensors: `"a"`, `"a + b"`.
    pub fn name(&self) -> String {
        self.tensors.iter().map(|tensor| tensor.name.as_str()).collect::<Vec<_>>().join(" + ")
    }
}

/// The part of a model between two neighbouring cuts: the smallest segment there is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    /// Names of the operators in the ONNX file, in order.
    pub operators: Vec<String>,
    /// Bytes of weights and other constants.
    pub parameters: ByteSize,
    /// Most bytes of activations alive at once while it runs, its input and output among them.
    pub activations: ByteSize,
    /// Floating-point operations of one inference (a multiply-add counts two).
    pub flops: u64,
    /// Time of one inference on [`ModelProfile::host`], one thread, otherwise idle.
    #[serde(with = "crate::units::duration")]
    pub time: Duration,
    /// What the inference engine makes of the operators, in the order in which it runs.
    #[serde(default)]
    pub timings: Vec<Timing>,
    /// CRC32 of its operators and weights as they lie in the file: what is loaded must have it. `None`: there is no file.
    #[serde(default)]
    pub digest: Option<u32>,
}

/// How long the inference engine takes for one of its own operators, into which it merges and splits those of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// The engine's name for it, which begins like that of an operator of the file.
    pub name: String,
    /// Its kind, as the engine calls it.
    pub kind: String,
    /// Time it takes for one inference.
    #[serde(with = "crate::units::duration")]
    pub time: Duration,
}

impl Piece {
    /// Its operators in words: the first three by name, how many more there are.
    pub fn named(&self) -> String {
        let named: Vec<String> = self.operators.iter().take(3).map(|name| format!("{name:?}")).collect();
        let kind = if self.operators.len() == 1 { "operator" } else { "operators" };
        match self.operators.len() - named.len() {
            0 => format!("{kind} {}", named.join(", ")),
            more => format!("{kind} {} and {more} more", named.join(", ")),
        }
    }
}

/// A segment: the part of a model between two cuts, by their index in [`ModelProfile::cuts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Segment {
    /// Index of the cut whose tensor is the segment's input.
    pub from: usize,
    /// Index of the cut whose tensor is the segment's output; greater than `from`.
    pub to: usize,
}

impl Segment {
    /// The pieces that make up the segment.
    pub fn pieces(self) -> Range<usize> {
        self.from..self.to
    }
}

/// No piece takes longer: a sum of such times never overflows.
const LONGEST: Duration = Duration::from_secs(86_400);

impl ModelProfile {
    /// Why this can't be a profile that was measured by this version; `None` if it can. To be asked of every profile that
    /// comes from a file: everything else rests on it.
    pub fn unsound(&self) -> Option<&'static str> {
        if self.version != PROFILE_VERSION {
            return Some("it is of another version");
        }
        if self.pieces.is_empty() || self.cuts.len() != self.pieces.len() + 1 {
            return Some("it has not one cut before and one behind each piece");
        }
        if self.cuts.iter().any(|cut| cut.tensors.is_empty()) {
            return Some("a cut in it has no tensor");
        }
        self.pieces.iter().any(|piece| piece.time > LONGEST).then_some("a piece in it takes longer than a day")
    }

    /// Whether it is known of every piece what its bytes must be.
    pub fn is_sealed(&self) -> bool {
        self.pieces.iter().all(|piece| piece.digest.is_some())
    }

    /// The whole model as one segment.
    pub fn whole(&self) -> Segment {
        Segment { from: 0, to: self.pieces.len() }
    }

    /// Memory that a process holding `segment` needs: process, weights, and what it needs beside them for a
    /// while. That is twice the activation peak while it runs: a heap that serves tensors of many sizes holds about
    /// twice what is alive at once. Or, while it is loaded, it is a second copy of one piece's weights, from which
    /// the inference engine makes its own form of them. A quarter is added for the tensors that wait before and behind
    /// the segment, and for what a heap keeps when stages come and go.
    ///
    /// With [`Footprint::Bare`] it is the weights and the most activations of a piece.
    ///
    /// A longer segment never needs less: strategies build on that.
    pub fn memory(&self, segment: Segment) -> ByteSize {
        self.memory_together(&[segment])
    }

    /// Memory that a process needs which holds all of `segments` and runs one of them at a time: the weights of each, and
    /// beside them what the one needs that needs most.
    pub fn memory_together(&self, segments: &[Segment]) -> ByteSize {
        let pieces = || segments.iter().flat_map(|segment| &self.pieces[segment.pieces()]);
        let parameters: ByteSize = pieces().map(|piece| piece.parameters).sum();
        if self.footprint == Footprint::Bare {
            return parameters + pieces().map(|piece| piece.activations).max().unwrap_or_default();
        }
        let beside = pieces().map(|piece| piece.parameters.max(piece.activations + piece.activations)).max();
        let needed = self.process_memory + parameters + beside.unwrap_or_default();
        ByteSize::from_bytes((needed.bytes() / 4).saturating_mul(5))
    }

    /// Time of one inference of `segment` on the profiled host, one thread.
    pub fn time(&self, segment: Segment) -> Duration {
        self.pieces[segment.pieces()].iter().map(|piece| piece.time).sum()
    }

    /// Bytes that cross the network at `cut` with `codec`.
    pub fn transfer(&self, cut: usize, codec: Codec) -> ByteSize {
        self.cuts[cut].encoded.get(&codec).copied().unwrap_or_default()
    }
}
