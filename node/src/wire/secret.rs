//! The secret of a run, and what is proven with it.
//!
//! Every node of a run is given the same random key of 128 bits. Who wants to connect proves that it knows the key
//! ([`super::join`]), and each heartbeat carries a tag made with it: SipHash-2-4 with 128 bits, a keyed pseudo-random
//! function made for short inputs.
//!
//! It keeps out whoever merely reaches a node's ports. It hides nothing, and who can change bytes of a connection that
//! others have made, or has read a node's configuration, is not kept out.

use std::fmt;
use std::hash::Hasher;
use std::io;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use siphasher::sip128::{Hasher128, SipHasher24};

/// Bytes of a key, of a tag and of a nonce.
pub const LENGTH: usize = 16;

/// Proof that its maker knows the secret, for one content.
pub type Tag = [u8; LENGTH];

/// The secret. It is written as 32 hexadecimal digits, and never into logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; LENGTH]);

impl Secret {
    /// Another one each time.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn draw() -> io::Result<Secret> {
        nonce().map(Secret)
    }

    /// The tag for `parts`, one behind the other. `use_` says what for: a tag for one use is none for another.
    pub fn tag(&self, use_: &str, parts: &[&[u8]]) -> Tag {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(use_.as_bytes());
        hasher.write(&[0]);
        parts.iter().for_each(|part| hasher.write(part));
        hasher.finish128().as_bytes()
    }

    /// Whether `tag` is the one for `parts`. Takes as long whichever bytes are wrong.
    pub fn proves(&self, use_: &str, parts: &[&[u8]], tag: &[u8]) -> bool {
        let expected = self.tag(use_, parts);
        let difference = expected.iter().zip(tag).fold(0, |difference, (a, b)| difference | (a ^ b));
        tag.len() == LENGTH && std::hint::black_box(difference) == 0
    }
}

/// Random bytes that nobody can foresee.
///
/// # Errors
/// When the system gives none.
pub fn nonce() -> io::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:032x}", u128::from_be_bytes(self.0)))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.len() == 2 * LENGTH && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = u128::from_str_radix(&text, 16).ok().filter(|_| digits);
        let number = number.ok_or_else(|| D::Error::custom("the secret must be 32 hexadecimal digits"))?;
        Ok(Secret(number.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_proves_its_content_its_use_and_its_secret() {
        let (secret, other) = (Secret::draw().unwrap(), Secret::draw().unwrap());
        let tag = secret.tag("a", &[b"content"]);
        assert!(secret.proves("a", &[b"con", b"tent"], &tag));
        assert!(!secret.proves("b", &[b"content"], &tag) && !secret.proves("a", &[b"Content"], &tag));
        assert!(!other.proves("a", &[b"content"], &tag) && !secret.proves("a", &[b"content"], &tag[..15]));
        assert!(!secret.proves("a", &[b"content"], &[]));
    }

    #[test]
    fn a_secret_is_written_in_digits_and_shown_to_nobody() {
        let secret = Secret::draw().unwrap();
        let text = serde_json::to_string(&secret).unwrap();
        assert_eq!(serde_json::from_str::<Secret>(&text).unwrap(), secret);
        assert!(!format!("{secret:?}").contains(&text[1..9]));
        for wrong in ["\"\"", "\"12\"", "\"+2345678901234567890123456789012\""] {
            assert!(serde_json::from_str::<Secret>(wrong).unwrap_err().to_string().contains("32 hexadecimal digits"));
        }
    }
}
