//! Which carriers work here, found out by trying.

use std::sync::Arc;

use super::carrier::{Carrier, CarrierError};
use super::namespace::Namespace;
use super::netem::Netem;
use super::software::Software;
use crate::scenario::network::Network;

/// Which carrier a run is to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum CarrierChoice {
    /// netem where it works and can do what is asked, else software.
    #[default]
    Auto,
    /// The kernel's netem, or an error that says why not.
    Netem,
    /// Software, in a thread that sleeps until a packet is due.
    Software,
    /// Software, with processors that stay awake while nothing is to do: sharper, but they draw current all the time.
    Precise,
}

impl CarrierChoice {
    /// The choice where something is asked that netem can't do, if `beyond` says so.
    #[must_use]
    pub fn for_what_netem_cannot(self, beyond: bool) -> CarrierChoice {
        if beyond && self == CarrierChoice::Auto { CarrierChoice::Software } else { self }
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

/// The carrier for a choice, and what it is to carry.
///
/// # Errors
/// As for [`netem`] when netem is asked for by name; what the software carrier says otherwise.
pub(super) fn open(choice: CarrierChoice, network: &Network, seed: u64) -> Result<Box<dyn Carrier>, CarrierError> {
    let media = !network.media.is_empty();
    let choice = choice.for_what_netem_cannot(network.is_beyond_netem());
    let netem_works = match choice {
        CarrierChoice::Software | CarrierChoice::Precise => false,
        CarrierChoice::Netem => netem(media).map(|()| true)?,
        CarrierChoice::Auto => match netem(media) {
            Ok(()) => true,
            Err(CarrierError::Unavailable { .. }) => false,
            Err(error) => return Err(error),
        },
    };
    Ok(match choice {
        _ if netem_works => Box::new(Netem::new(seed)),
        CarrierChoice::Precise => Box::new(Software::new(seed)?.precise()),
        _ => Box::new(Software::new(seed)?),
    })
}
