//! Sets of cuts.

use std::ops::{BitAnd, BitOrAssign, Sub};

/// A set of numbers below 64 times the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bits<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Default for Bits<WORDS> {
    fn default() -> Bits<WORDS> {
        Bits([0; WORDS])
    }
}

impl<const WORDS: usize> Bits<WORDS> {
    pub fn of(number: usize) -> Bits<WORDS> {
        let mut bits = Bits::default();
        bits.insert(number);
        bits
    }

    pub fn insert(&mut self, number: usize) {
        self.0[number / 64] |= 1 << (number % 64);
    }

    pub fn remove(&mut self, number: usize) {
        self.0[number / 64] &= !(1 << (number % 64));
    }

    pub fn contains(&self, number: usize) -> bool {
        self.0[number / 64] >> (number % 64) & 1 == 1
    }

    pub fn is_empty(&self) -> bool {
        self.0 == [0; WORDS]
    }

    pub fn within(&self, other: &Bits<WORDS>) -> bool {
        self.0.iter().zip(&other.0).all(|(own, other)| own & !other == 0)
    }

    /// The numbers below `end`.
    fn below(end: usize) -> Bits<WORDS> {
        Bits(std::array::from_fn(|word| match end.saturating_sub(word * 64) {
            64.. => u64::MAX,
            bits => (1 << bits) - 1,
        }))
    }

    /// Adds the numbers from `first` to `last`, both included.
    pub fn insert_range(&mut self, first: usize, last: usize) {
        let (below, end): (Bits<WORDS>, Bits<WORDS>) = (Bits::below(first), Bits::below(last + 1));
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

impl<const WORDS: usize> BitAnd for Bits<WORDS> {
    type Output = Bits<WORDS>;
    fn bitand(self, other: Bits<WORDS>) -> Bits<WORDS> {
        Bits(std::array::from_fn(|word| self.0[word] & other.0[word]))
    }
}

/// What is in the first and not in the second.
impl<const WORDS: usize> Sub for Bits<WORDS> {
    type Output = Bits<WORDS>;
    fn sub(self, other: Bits<WORDS>) -> Bits<WORDS> {
        Bits(std::array::from_fn(|word| self.0[word] & !other.0[word]))
    }
}

impl<const WORDS: usize> BitOrAssign for Bits<WORDS> {
    fn bitor_assign(&mut self, other: Bits<WORDS>) {
        self.0.iter_mut().zip(&other.0).for_each(|(own, other)| *own |= other);
    }
}
