//! What a segment needs of memory while it is loaded, and whether there is so much: found out before the first piece and
//! between all others, from what the process uses by then, so that it is this process that gives up and not the kernel
//! that ends it.

use planner::profile::{ModelProfile, Segment};
use planner::units::ByteSize;

use crate::memory::room::Room;
use crate::wire::message::Shortage;

/// Whether what is left of a segment, from `piece` on, still fits.
///
/// What is needed beside the weights is what [`ModelProfile::memory`] says, without the reserve that a plan holds: a copy of one piece's
/// weights while it is loaded, and twice the activation peak while it runs.
///
/// # Errors
/// [`Shortage`]: it does not.
pub fn check(profile: &ModelProfile, segment: Segment, piece: usize, room: Room) -> Result<(), Shortage> {
    let pieces = profile.pieces.get(segment.pieces()).unwrap_or_default();
    let left = profile.pieces.get(piece..segment.to).unwrap_or_default();
    let weights: ByteSize = left.iter().map(|piece| piece.parameters).sum();
    let copied = left.iter().map(|piece| piece.parameters).max().unwrap_or_default();
    let running = pieces.iter().map(|piece| piece.activations + piece.activations).max().unwrap_or_default();
    let need = room.used + weights + copied.max(running);
    if need > room.limit { Err(Shortage { need, limit: room.limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use planner::profile::{Footprint, PROFILE_VERSION, Piece};
    use std::time::Duration;

    /// Pieces with so many MiB of weights and of activations.
    fn profile(pieces: &[(u64, u64)]) -> ModelProfile {
        let piece = |(parameters, activations): &(u64, u64)| Piece {
            digest: None,
            operators: Vec::new(),
            parameters: ByteSize::from_mib(*parameters),
            activations: ByteSize::from_mib(*activations),
            flops: 0,
            time: Duration::ZERO,
            timings: Vec::new(),
        };
        ModelProfile {
            version: PROFILE_VERSION,
            model: String::new(),
            digest: String::new(),
            host: String::new(),
            process_memory: ByteSize::from_mib(10),
            footprint: Footprint::Process,
            cuts: Vec::new(),
            pieces: pieces.iter().map(piece).collect(),
        }
    }

    #[test]
    fn what_is_loaded_counts_as_it_is_and_the_rest_as_it_is_expected() {
        let profile = profile(&[(99, 99), (20, 1), (8, 3), (2, 1)]);
        let segment = Segment { from: 1, to: 4 };
        let room = |limit, used| Room { limit: ByteSize::from_mib(limit), used: ByteSize::from_mib(used) };
        let check = |piece, limit, used| {
            check(&profile, segment, piece, room(limit, used)).map_err(|s| (s.need.mib() as u64, s.limit.mib() as u64))
        };
        // Nothing loaded: all weights, and the largest once more.
        assert_eq!(check(1, 60, 10), Ok(()));
        assert_eq!(check(1, 59, 10), Err((60, 59)));
        // The first is loaded and took more than it should.
        assert_eq!(check(2, 60, 35), Ok(()));
        assert_eq!(check(2, 60, 43), Err((61, 60)));
        // Only the last is left: what running needs is more than a copy of it.
        assert_eq!(check(3, 60, 52), Ok(()));
        assert_eq!(check(3, 60, 53), Err((61, 60)));
        // Everything is loaded, and has to run.
        assert_eq!(check(4, 60, 54), Ok(()));
        assert_eq!(check(4, 60, 55), Err((61, 60)));
    }
}
