//! Which carriers work here, found out by trying.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::carrier::{Carrier, CarrierError};
use super::namespace::Namespace;
use super::netem::Netem;
use super::software::Software;

/// Which carrier a run is to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CarrierChoice {
    /// netem where it works, else software.
    #[default]
    Auto,
    /// The kernel's netem, or an error that says why not.
    Netem,
    /// Software.
    Software,
}

impl CarrierChoice {
    /// The ways it can be written.
    pub const NAMES: [&str; 3] = ["auto", "netem", "software"];
}

impl fmt::Display for CarrierChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CarrierChoice::Auto => "auto",
            CarrierChoice::Netem => "netem",
            CarrierChoice::Software => "software",
        })
    }
}

/// Not a carrier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a carrier: use auto, netem or software")]
pub struct UnknownCarrier(String);

impl FromStr for CarrierChoice {
    type Err = UnknownCarrier;
    fn from_str(text: &str) -> Result<CarrierChoice, UnknownCarrier> {
        match text {
            "auto" => Ok(CarrierChoice::Auto),
            "netem" => Ok(CarrierChoice::Netem),
            "software" => Ok(CarrierChoice::Software),
            _ => Err(UnknownCarrier(text.to_owned())),
        }
    }
}

/// Tries netem for real, in a throwaway namespace: on a link, and on a medium if `media` is set.
///
/// # Errors
/// [`CarrierError::Unavailable`] with the kernel's reason when the kernel lacks what netem links need; any other
/// error when not even a namespace can be made.
pub fn netem(media: bool) -> Result<(), CarrierError> {
    Netem::try_in(&Arc::new(Namespace::create("probe")?), media)
}

/// The carrier for a choice.
///
/// # Errors
/// As for [`netem`] when netem is asked for by name; what the software carrier says otherwise.
pub(super) fn open(choice: CarrierChoice, media: bool, seed: u64) -> Result<Box<dyn Carrier>, CarrierError> {
    let netem_works = match choice {
        CarrierChoice::Software => false,
        CarrierChoice::Netem => netem(media).map(|()| true)?,
        CarrierChoice::Auto => match netem(media) {
            Ok(()) => true,
            Err(CarrierError::Unavailable { .. }) => false,
            Err(error) => return Err(error),
        },
    };
    if netem_works { Ok(Box::new(Netem::new(seed))) } else { Ok(Box::new(Software::new(seed)?)) }
}
