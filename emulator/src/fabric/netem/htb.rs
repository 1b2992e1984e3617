//! HTB on a medium's senders: only to sort packets by destination. Its classes never hold anything back (the
//! rate is the netem leaf's): unlike DRR, it doesn't let one leaf that waits block the others.
//!
//! The kernel's structures are those of `linux/pkt_sched.h`.

use super::attributes::{Attributes, find, word, words};

const PARMS: u16 = 1;
const INIT: u16 = 2;

/// Version of HTB's interface.
const VERSION: u32 = 3;
/// Bytes per second of every class: more than any link has, and what 32 bits can say.
const RATE: u32 = 4_000_000_000;
/// A burst of 1 ms, in the kernel's ticks of 64 ns.
const BURST: u32 = 15_625;
/// Bytes that a class sends before the next one may: a super-frame.
const QUANTUM: u32 = 65_536;
/// Ethernet, which also tells the kernel that no rate table follows.
const ETHERNET: u32 = 1;

/// Options of the root. What matches no filter goes to `default`, the class's number below the root.
pub(super) fn root(default: u16) -> Vec<u8> {
    // Version, rate to quantum, default class, debug, packets sent directly (only reported).
    Attributes::default().put(INIT, &words([VERSION, 10, u32::from(default), 0, 0])).into_bytes()
}

/// Options of a class.
pub(super) fn class() -> Vec<u8> {
    // Twice a `tc_ratespec` of 12 bytes (link layer in its second byte, rate in its last four), then buffer,
    // cbuffer, quantum, level and priority.
    let layer = u32::from_ne_bytes([0, ETHERNET as u8, 0, 0]);
    Attributes::default().put(PARMS, &words([layer, 0, RATE, layer, 0, RATE, BURST, BURST, QUANTUM, 0, 0])).into_bytes()
}

/// Whether a class's options, as read back, are those of [`class`]: otherwise the first that differs, asked and got.
pub(super) fn class_difference(options: &[u8]) -> Option<(&'static str, u32, Option<u32>)> {
    let got = |index| find(options, PARMS).and_then(|parameters| word(parameters, index));
    [("class rate", 2, RATE), ("class ceiling", 5, RATE), ("class burst", 6, BURST), ("class quantum", 8, QUANTUM)]
        .into_iter()
        .find_map(|(name, index, asked)| (got(index) != Some(asked)).then(|| (name, asked, got(index))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_recognised_and_another_is_not() {
        assert_eq!(class_difference(&class()), None);
        assert_eq!(class_difference(&root(1)), Some(("class rate", RATE, None)));
    }
}
