//! A 64-bit digest to compare tensors and files by: FNV-1a (Fowler, Noll, Vo; IETF draft-eastlake-fnv).
//! It guards against accidents, not against malice.

use std::io::{self, Read};
use std::path::Path;

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// FNV-1a of `bytes`.
pub fn digest(bytes: &[u8]) -> u64 {
    extend(OFFSET, bytes)
}

/// FNV-1a of a whole file, in the sixteen hexadecimal digits that a profile stores.
///
/// # Errors
/// Whatever reading the file fails with.
pub fn digest_file(path: &Path) -> io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut buffer = vec![0; 1 << 18];
    let mut hash = OFFSET;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(format!("{hash:016x}")),
            read => hash = extend(hash, &buffer[..read]),
        }
    }
}

fn extend(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_match_the_published_vectors() {
        assert_eq!(digest(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(digest(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(digest(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
