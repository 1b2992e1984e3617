//! A 64-bit digest to compare tensors and files by: FNV-1a (Fowler, Noll, Vo; IETF draft-eastlake-fnv).
//! It guards against accidents, not against malice.

/// FNV-1a of `bytes`.
pub fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
