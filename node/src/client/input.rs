//! The inputs that requests carry.

use bytes::Bytes;

use crate::config::ClientConfig;
use crate::program::ProgramError;

/// Input number `index`, encoded.
///
/// # Errors
/// When the configuration names an element type that does not exist.
pub fn payload(_config: &ClientConfig, _index: u32) -> Result<Bytes, ProgramError> {
    Ok(Bytes::new())
}
