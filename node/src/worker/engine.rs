//! What a worker needs of the inference engine: load a segment, run it on a tensor. The seam lets the
//! protocol be tested without a model.

use std::path::PathBuf;

use planner::onnx::{Activation, Executable, ModelError, Origin};
use planner::profile::{ModelProfile, Segment};
use planner::units::ByteSize;

use super::needs;
use crate::memory::room::room;
use crate::wire::codec::{CodecError, Tensor};
use crate::wire::message::Shortage;

/// A loaded segment.
pub trait Engine: Send {
    /// Runs the segment on the tensors of the cut before it; gives those of the cut behind it.
    ///
    /// # Errors
    /// When the inputs are not the segment's, or the engine fails.
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, EngineError>;
}

/// Loads segments.
pub trait Loader: Send + Sync {
    /// Loads `segment` from `file` (the segment as ONNX), or from the device's own model file when there is none.
    ///
    /// # Errors
    /// When it can't be read, is not the model that was profiled, or does not fit.
    fn load(&self, segment: Segment, file: Option<Vec<u8>>) -> Result<Box<dyn Engine>, EngineError>;
}

/// Why a segment could not be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The model or the segment of it.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The output can't be sent.
    #[error(transparent)]
    Tensor(#[from] CodecError),
    /// It is too large.
    #[error("not enough memory for it: {0}")]
    TooLarge(#[from] Shortage),
    /// There is no thread to load it.
    #[error(transparent)]
    Thread(#[from] std::io::Error),
    /// It panicked.
    #[error("the engine broke off: {0}")]
    Panicked(String),
}

impl EngineError {
    /// Whether the file that was loaded from is to blame.
    pub fn is_of_the_file(&self) -> bool {
        matches!(self, EngineError::Model(error) if error.is_of_the_file())
    }
}

/// Loads segments of an ONNX model from the device's own storage, or as the dispatcher sends them.
/// Only as long as they fit into the `memory` that the device has, or where that is not told, into what the kernel allows.
pub fn onnx(model: PathBuf, profile: ModelProfile, memory: Option<ByteSize>) -> impl Loader {
    Onnx { model, profile, memory }
}

struct Onnx {
    model: PathBuf,
    profile: ModelProfile,
    memory: Option<ByteSize>,
}

impl Loader for Onnx {
    fn load(&self, segment: Segment, file: Option<Vec<u8>>) -> Result<Box<dyn Engine>, EngineError> {
        let fits = |piece| room(self.memory).map_or(Ok(()), |room| needs::check(&self.profile, segment, piece, room));
        let origin = file.map_or(Origin::File(&self.model), Origin::Bytes);
        let mut shortage = Ok(());
        let mut may = |piece| {
            shortage = fits(piece);
            shortage.is_ok()
        };
        let loaded = Executable::load_while(origin, &self.profile, segment, &mut may);
        shortage?;
        let loaded = loaded?;
        fits(segment.to)?;
        Ok(Box::new(loaded))
    }
}

impl Engine for Executable {
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, EngineError> {
        let activation = |input: &Tensor| Activation {
            shape: input.shape.clone(),
            element: input.element,
            data: input.data.to_vec(),
        };
        let inputs: Vec<Activation> = inputs.iter().map(activation).collect();
        let outputs = Executable::run(self, &inputs)?;
        outputs.into_iter().map(|output| Ok(Tensor::new(output.element, output.shape, output.data)?)).collect()
    }
}
