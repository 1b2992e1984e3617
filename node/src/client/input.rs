//! The inputs that requests carry.

use bytes::Bytes;
use planner::onnx;
use planner::profile;

use crate::config::ClientConfig;
use crate::wire::codec::{CodecError, Tensor, encode};
use crate::wire::element;

/// Why the inputs can't be made.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// Tensors of this type don't exist.
    #[error("the model's input: {0}")]
    Element(#[from] onnx::UnknownElement),
    /// Tensors of this type can't be sent.
    #[error("the model's input: {0}")]
    Unsendable(#[from] element::UnknownElement),
    /// Such a tensor can't be encoded.
    #[error("the model's input: {0}")]
    Encode(#[from] CodecError),
}

/// Input number `index`, encoded: the one that profile and reference know by the same seed and number.
///
/// # Errors
/// See [`InputError`].
pub fn payload(config: &ClientConfig, index: u32) -> Result<Bytes, InputError> {
    let input = profile::input(&config.input_shape, config.input_element.parse()?, config.seed, index);
    let tensor = Tensor::new(config.input_element.parse()?, input.shape, input.data)?;
    let mut buffer = Vec::new();
    encode(&tensor, config.codec, &mut buffer)?;
    Ok(buffer.into())
}
