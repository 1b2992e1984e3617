//! Attributes of queueing disciplines, classes and filters as bytes: `packet-route` has no types for those
//! that netem and HTB need, and netem's don't even begin with an attribute.

use netlink_packet_core::NLA_F_NESTED;

/// Kind of an attribute without its flags (`NLA_TYPE_MASK`).
const KIND: u16 = 0x3fff;

/// Writes attributes one after the other.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Attributes(Vec<u8>);

impl Attributes {
    /// Begins with a structure, as netem's do.
    pub(super) fn after(structure: &[u8]) -> Attributes {
        Attributes(structure.to_vec())
    }

    pub(super) fn put(mut self, kind: u16, value: &[u8]) -> Attributes {
        let length = 4 + value.len();
        self.0.extend((length as u16).to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    pub(super) fn nest(self, kind: u16, inner: Attributes) -> Attributes {
        self.put(kind | NLA_F_NESTED, &inner.0)
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// The value of the first attribute of this kind.
pub(super) fn find(mut attributes: &[u8], kind: u16) -> Option<&[u8]> {
    loop {
        let (header, _) = attributes.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let value = attributes.get(4..length)?;
        if u16::from_ne_bytes([header[2], header[3]]) & KIND == kind {
            return Some(value);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

/// Writes numbers one after the other, as a C structure without holes.
pub(super) fn words<const N: usize>(words: [u32; N]) -> Vec<u8> {
    words.into_iter().flat_map(u32::to_ne_bytes).collect()
}

/// Number `index` of a structure of 32-bit numbers.
pub(super) fn word(structure: &[u8], index: usize) -> Option<u32> {
    let bytes = structure.get(4 * index..4 * index + 4)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

/// A 64-bit number at the beginning.
pub(super) fn long(structure: &[u8]) -> Option<u64> {
    Some(u64::from_ne_bytes(*structure.first_chunk()?))
}
