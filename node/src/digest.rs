//! A 64-bit digest to compare tensors and files by: FNV-1a (Fowler, Noll, Vo; IETF draft-eastlake-fnv).
//! It guards against accidents, not against malice.

/// FNV-1a of `bytes`.
pub fn digest(bytes: &[u8]) -> u64 {
    let mut digest = Digest::default();
    digest.update(bytes);
    digest.value()
}

/// FNV-1a of bytes that come in pieces.
#[derive(Debug, Clone, Copy)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Digest {
        Digest(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    }

    /// The digest of everything taken in.
    pub fn value(self) -> u64 {
        self.0
    }
}
