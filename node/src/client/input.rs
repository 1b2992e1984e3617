//! The inputs that requests carry.

use bytes::Bytes;
use planner::profile::input;

use crate::config::ClientConfig;
use crate::wire::codec::{CodecError, Tensor, encode};

/// Input number `index`, encoded: the one that profile and reference know by the same seed and number.
///
/// # Errors
/// When a tensor of the model's input can't be sent.
pub fn payload(config: &ClientConfig, index: u32) -> Result<Bytes, CodecError> {
    let image = input(&config.input_shape, config.input_element, config.seed, index);
    let mut payload = Vec::new();
    encode(&Tensor::new(image.element, image.shape, image.data)?, config.codec, &mut payload)?;
    Ok(payload.into())
}
