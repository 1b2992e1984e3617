//! Keys, from the bytes that a terminal sends for them.

/// A key that means something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A letter, a digit, a space.
    Letter(char),
    /// The arrow, or `k`.
    Up,
    /// The arrow, or `j`.
    Down,
    /// Return.
    Enter,
    /// Escape, or backspace.
    Back,
}

/// The keys in what a terminal sent at once. What belongs to no key is left out.
pub fn keys(mut bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    while let [first, rest @ ..] = bytes {
        let (key, left) = match (first, rest) {
            // An escape sequence: parameters, then a letter that ends it. Arrows come as ESC [ A or ESC O A.
            (0x1b, [b'[' | b'O', sequence @ ..]) => {
                let length = sequence.iter().position(|byte| (0x40..=0x7e).contains(byte));
                let key = match length.map(|end| sequence[end]) {
                    Some(b'A') => Some(Key::Up),
                    Some(b'B') => Some(Key::Down),
                    _ => None,
                };
                (key, &sequence[length.map_or(sequence.len(), |end| end + 1)..])
            }
            (0x1b | 0x7f | 0x08, rest) => (Some(Key::Back), rest),
            (b'\r' | b'\n', rest) => (Some(Key::Enter), rest),
            (b'k', rest) => (Some(Key::Up), rest),
            (b'j', rest) => (Some(Key::Down), rest),
            (letter @ b' '..=b'~', rest) => (Some(Key::Letter(char::from(*letter))), rest),
            (_, rest) => (None, rest),
        };
        keys.extend(key);
        bytes = left;
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_letters_and_escape_are_told_apart() {
        assert_eq!(keys(b"i\x1b[A\x1bOB\r"), [Key::Letter('i'), Key::Up, Key::Down, Key::Enter]);
        assert_eq!(keys(b"\x1b"), [Key::Back]);
        assert_eq!(keys(b"\x1b[1;5Cq"), [Key::Letter('q')]);
        assert_eq!(keys(b"\x1b["), []);
        assert_eq!(keys("ä".as_bytes()), []);
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_terminal_sends_is_read_to_its_end(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            proptest::prop_assert!(keys(&bytes).len() <= bytes.len());
        }
    }
}
