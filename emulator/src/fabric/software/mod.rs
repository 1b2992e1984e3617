//! The software carrier.

use std::collections::BTreeMap;

use super::carrier::{Plug, UNLIMITED_SEGMENTS};
use super::{Carrier, CarrierError, Counters, Direction, Shape};

/// The software carrier.
pub struct Software;

const UNAVAILABLE: &str = "it is not built yet";

impl Software {
    /// A carrier whose every random choice follows from `seed`.
    ///
    /// # Errors
    /// [`CarrierError::Unavailable`].
    pub fn new(_seed: u64) -> Result<Software, CarrierError> {
        Err(CarrierError::Unavailable { carrier: "software", reason: UNAVAILABLE.to_owned() })
    }
}

impl Carrier for Software {
    fn name(&self) -> &'static str {
        "software"
    }
    fn add_link(&mut self, _: Plug<'_>, _: Plug<'_>, _: &Shape, _: &Shape) -> Result<(), CarrierError> {
        Ok(())
    }
    fn add_medium(&mut self, _: &str, _: &[Plug<'_>], _: &[Vec<Shape>]) -> Result<(), CarrierError> {
        Ok(())
    }
    fn start(&mut self) -> Result<(), CarrierError> {
        Ok(())
    }
    fn set_shape(&mut self, direction: Direction, _: &Shape) -> Result<Shape, CarrierError> {
        Err(CarrierError::NoSuchDirection(direction))
    }
    fn counters(&mut self) -> Result<BTreeMap<Direction, Counters>, CarrierError> {
        Ok(BTreeMap::new())
    }
    fn longest_super_frame(&self, _: &Shape) -> u32 {
        UNLIMITED_SEGMENTS
    }
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}
