//! The u32 filter that sends packets for one hardware address to one class.
//!
//! The kernel's structures are those of `linux/pkt_cls.h`; values and masks are in network order.

use super::super::veth::Mac;
use super::attributes::{Attributes, find, word};

const CLASSID: u16 = 1;
const SEL: u16 = 5;

/// The packet belongs to the class, and no further filter is asked.
const TERMINAL: u8 = 1;
/// Where the last four bytes of the destination are, from the start of the IP header: the two MACs and the
/// type (14 bytes) precede it, and the first two bytes are skipped.
const OFFSET: i32 = 2 - 14;
/// `struct tc_u32_sel` without its keys.
const SELECTOR: usize = 16;

/// Options of a filter that sends packets for `mac` to `class`.
pub(super) fn towards(mac: Mac, class: u32) -> Vec<u8> {
    let [_, _, key @ ..] = mac.0;
    let mut selector = vec![TERMINAL, 0, 1];
    selector.resize(SELECTOR, 0);
    // One key: mask, value, offset, offset mask.
    selector.extend([0xff; 4]);
    selector.extend(key);
    selector.extend(OFFSET.to_ne_bytes());
    selector.extend([0; 4]);
    Attributes::default().put(CLASSID, &class.to_ne_bytes()).put(SEL, &selector).into_bytes()
}

/// The class and the last four bytes of the hardware address of a filter as read back; `None` for the hash tables
/// that a listing also has.
pub(super) fn decode(options: &[u8]) -> Option<(u32, [u8; 4])> {
    let class = word(find(options, CLASSID)?, 0)?;
    let selector = find(options, SEL)?;
    let key = selector.get(SELECTOR + 4..SELECTOR + 8)?;
    Some((class, key.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_decoded_as_it_was_encoded() {
        let options = towards(Mac([2, 0, 1, 2, 3, 4]), 0x1_0007);
        assert_eq!(decode(&options), Some((0x1_0007, [1, 2, 3, 4])));
    }
}
