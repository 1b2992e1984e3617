//! How large a super-frame a host may send. Segmentation offload hands the network up to 64 KiB as one packet;
//! on a slow direction that is one lump (52 ms at 10 Mbit/s), and one loss would lose all of it. So every
//! sender keeps to what the strictest direction on its packets' way bears, as the carrier says.

use std::collections::BTreeMap;

use super::routes::{NextHops, path};
use super::{Carrier, Direction, Shape};

/// The most full-size packets in a super-frame, for each direction that begins a path.
pub(super) fn limits(
    carrier: &dyn Carrier,
    shapes: &BTreeMap<Direction, Shape>,
    next_hops: &NextHops,
) -> BTreeMap<Direction, u32> {
    let own: BTreeMap<Direction, u32> =
        shapes.iter().map(|(&direction, shape)| (direction, carrier.longest_super_frame(shape).max(1))).collect();
    // Where all are alike, every way bears as much.
    if own.values().is_sorted_by(|one, next| one == next) {
        return own;
    }
    let mut limits = own.clone();
    for from in 0..next_hops.len() {
        for to in (0..next_hops.len()).filter(|to| *to != from) {
            let Some(hops) = path(next_hops, from, to) else { continue };
            let starts = std::iter::once(from).chain(hops.iter().copied());
            let strictest = starts.zip(&hops).filter_map(|(from, &to)| own.get(&Direction { from, to }).copied()).min();
            let first = hops.first().and_then(|&to| limits.get_mut(&Direction { from, to }));
            if let (Some(first), Some(strictest)) = (first, strictest) {
                *first = strictest.min(*first);
            }
        }
    }
    limits
}
