//! Sets of cuts.

use std::ops::{BitAnd, BitOr, BitOrAssign};

const WORDS: usize = 4;

/// A set of numbers below [`Bits::LIMIT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Bits([u64; WORDS]);

impl Bits {
    /// One more than the highest number.
    pub const LIMIT: usize = WORDS * 64;

    pub fn insert(&mut self, number: usize) {
        self.0[number / 64] |= 1 << (number % 64);
    }

    pub fn contains(&self, number: usize) -> bool {
        self.0[number / 64] >> (number % 64) & 1 == 1
    }

    pub fn is_empty(&self) -> bool {
        self.0 == [0; WORDS]
    }

    pub fn within(&self, other: &Bits) -> bool {
        self.0.iter().zip(&other.0).all(|(own, other)| own & !other == 0)
    }

    /// The numbers below `end`.
    fn below(end: usize) -> Bits {
        Bits(std::array::from_fn(|word| match end.saturating_sub(word * 64) {
            64.. => u64::MAX,
            bits => (1 << bits) - 1,
        }))
    }

    /// Adds the numbers from `first` to `last`, both included.
    pub fn insert_range(&mut self, first: usize, last: usize) {
        let (below, end) = (Bits::below(first), Bits::below(last + 1));
        for word in 0..WORDS {
            self.0[word] |= end.0[word] & !below.0[word];
        }
    }

    /// The numbers, from the lowest.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..WORDS).flat_map(move |word| {
            let mut left = self.0[word];
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(word * 64 + bit)
            })
        })
    }

    pub fn highest(&self) -> Option<usize> {
        (0..WORDS)
            .rev()
            .find(|word| self.0[*word] != 0)
            .map(|word| word * 64 + 63 - self.0[word].leading_zeros() as usize)
    }
}

impl BitAnd for Bits {
    type Output = Bits;
    fn bitand(self, other: Bits) -> Bits {
        Bits(std::array::from_fn(|word| self.0[word] & other.0[word]))
    }
}

impl BitOr for Bits {
    type Output = Bits;
    fn bitor(self, other: Bits) -> Bits {
        Bits(std::array::from_fn(|word| self.0[word] | other.0[word]))
    }
}

impl BitOrAssign for Bits {
    fn bitor_assign(&mut self, other: Bits) {
        *self = *self | other;
    }
}
