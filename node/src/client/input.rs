//! The inputs that requests carry.

use bytes::Bytes;
use planner::profile::input;

use crate::config::ClientConfig;
use crate::program::ProgramError;
use crate::wire::codec::{Tensor, encode};

/// Input number `index`, encoded.
///
/// # Errors
/// When the configuration names an element type that does not exist, or an input that can't be sent.
pub fn payload(config: &ClientConfig, index: u32) -> Result<Bytes, ProgramError> {
    let refused = |reason: String| ProgramError::Input { element: config.input_element.clone(), reason };
    let element =
        config.input_element.parse().map_err(|error: planner::onnx::UnknownElement| refused(error.to_string()))?;
    let image = input(&config.input_shape, element, config.seed, index);
    let element = config
        .input_element
        .parse()
        .map_err(|error: crate::wire::element::UnknownElement| refused(error.to_string()))?;
    let mut payload = Vec::new();
    Tensor::new(element, image.shape, image.data)
        .and_then(|tensor| encode(&tensor, config.codec, &mut payload))
        .map_err(|error| refused(error.to_string()))?;
    Ok(payload.into())
}
