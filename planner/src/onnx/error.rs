//! Why a model can't be used.

use std::io;

/// Why a model can't be read, cut or run. Every variant names the file (or `a segment`, for a model that came over the
/// network) and, where there is one, what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file can't be read.
    #[error("can't read the model {file}: {source}")]
    Read {
        /// The file.
        file: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// A segment can't be written.
    #[error("can't write the segment {file}: {source}")]
    Write {
        /// The file.
        file: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// Whoever loads a segment did not want the rest of it.
    #[error("loading of {file} was stopped before piece {piece}")]
    Stopped {
        /// The file.
        file: String,
        /// The first piece that is not loaded.
        piece: usize,
    },
    /// The file ends in the middle of something.
    #[error("{file} is truncated: {length} bytes are there, at least {needed} were announced; copy or export it again")]
    Truncated {
        /// The file.
        file: String,
        /// Its length.
        length: u64,
        /// The length that its contents announce.
        needed: u64,
    },
    /// The file is no ONNX model.
    #[error("{file} is not an ONNX model ({found}); give a file written by an ONNX exporter, or a name of the zoo")]
    NotOnnx {
        /// The file.
        file: String,
        /// What was found instead.
        found: &'static str,
    },
    /// Weights lie in another file.
    #[error(
        "{file} keeps the weights {tensor:?} in another file; save the model as one file \
         (in Python: onnx.save_model(onnx.load(path), path, save_as_external_data=False))"
    )]
    ExternalData {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
    },
    /// The model has not exactly one input.
    #[error("{file} has {}; only models with one input are supported", counted("input", names))]
    Inputs {
        /// The file.
        file: String,
        /// Their names.
        names: Vec<String>,
    },
    /// The model has not exactly one output.
    #[error("{file} has {}; only models with one output are supported", counted("output", names))]
    Outputs {
        /// The file.
        file: String,
        /// Their names.
        names: Vec<String>,
    },
    /// A dimension of the input is not a number, and is not the batch.
    #[error("the input {input:?} of {file} has the shape [{shape}], which leaves more open than the batch")]
    SymbolicShape {
        /// The file.
        file: String,
        /// The input.
        input: String,
        /// Its shape as the file has it.
        shape: String,
        /// The dimensions that are numbers; empty if the file does not even say how many there are.
        known: Vec<Option<usize>>,
    },
    /// The input has more bytes than one tensor may have.
    #[error("the input {input:?} of {file} would have the shape {shape:?}: more than {} MiB", .limit >> 20)]
    TooLarge {
        /// The file.
        file: String,
        /// The input.
        input: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Most bytes of an input.
        limit: usize,
    },
    /// The shape that was asked for does not fit the file's.
    #[error("the input {input:?} of {file} has the shape [{shape}], which {asked:?} does not fit")]
    ShapeMismatch {
        /// The file.
        file: String,
        /// The input.
        input: String,
        /// Its shape as the file has it.
        shape: String,
        /// The shape that was asked for.
        asked: Vec<usize>,
    },
    /// A tensor has a type that can't be sent or computed.
    #[error("the tensor {tensor:?} of {file} has elements of type {element}, which is not supported")]
    Element {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// The type.
        element: String,
    },
    /// The shape of a tensor follows only from what the input holds.
    #[error(
        "the shape of {tensor:?} in {file} is [{shape}]: only models whose every shape follows from the input's shape are supported"
    )]
    OpenShape {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// Its shape, as far as it is known.
        shape: String,
    },
    /// An operator reads a tensor that is not there.
    #[error("{file} is damaged: its operators read {tensor:?}, which is neither computed nor stored")]
    Dangling {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
    },
    /// The model has operators that the inference engine does not have.
    #[error("the inference engine does not have these operators of {file}: {}", operators.join(", "))]
    Operators {
        /// The file.
        file: String,
        /// Their kinds.
        operators: Vec<String>,
    },
    /// The inference engine refuses the model.
    #[error("{file} can't be {step}: {reason}")]
    Engine {
        /// The file.
        file: String,
        /// What was being done.
        step: &'static str,
        /// The engine's reason, from the outermost to the innermost.
        reason: String,
    },
    /// A tensor at which to cut does not separate the model in this file.
    #[error("{file} can't be cut at {tensor:?}: {other:?} is also needed behind it; measure the profile again")]
    NotACut {
        /// The file.
        file: String,
        /// The cut's tensor.
        tensor: String,
        /// The tensor that goes around it.
        other: String,
    },
    /// The file is not the one that was profiled.
    #[error("{file} differs from the model that was profiled ({what}); measure the profile again")]
    ProfileMismatch {
        /// The file.
        file: String,
        /// What differs.
        what: String,
    },
    /// Something in the file is not what it was.
    #[error("{file} is damaged between {from:?} and {to:?}: its bytes are not those that were profiled; copy it again")]
    Damaged {
        /// The file.
        file: String,
        /// The tensors before the damage.
        from: String,
        /// The tensors behind it.
        to: String,
    },
    /// The segment does not exist.
    #[error("there is no segment {from}..{to} of {file}, which has {pieces} pieces")]
    NoSuchSegment {
        /// The file.
        file: String,
        /// First cut asked for.
        from: usize,
        /// Last cut asked for.
        to: usize,
        /// How many pieces there are.
        pieces: usize,
    },
    /// A segment was given a tensor of another shape or type than it takes.
    #[error("the segment takes {expected}, it was given {given}")]
    WrongInput {
        /// What it takes.
        expected: String,
        /// What it was given.
        given: String,
    },
}

impl ModelError {
    /// Whether the file is to blame, so that another copy of it would do: it can't be read, or is not the one that was profiled.
    pub fn is_of_the_file(&self) -> bool {
        use ModelError::*;
        match self {
            Read { .. } | Truncated { .. } | NotOnnx { .. } | ExternalData { .. } | Inputs { .. } | Outputs { .. } => {
                true
            }
            Dangling { .. } | NotACut { .. } | ProfileMismatch { .. } | Damaged { .. } => true,
            Write { .. } | SymbolicShape { .. } | TooLarge { .. } | ShapeMismatch { .. } | Element { .. } => false,
            OpenShape { .. } | Operators { .. } | Engine { .. } | NoSuchSegment { .. } => false,
            WrongInput { .. } | Stopped { .. } => false,
        }
    }
}

/// So many of a kind, and which.
fn counted(kind: &str, names: &[String]) -> String {
    match names {
        [] => format!("no {kind}"),
        [one] => format!("one {kind} ({one})"),
        names => format!("{} {kind}s ({})", names.len(), names.join(", ")),
    }
}
