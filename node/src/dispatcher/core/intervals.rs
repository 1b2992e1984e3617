//! A set of request numbers, compact because the client numbers its requests without gaps.

use std::collections::BTreeMap;

/// A set of numbers, held as the intervals it consists of: numbers 0 to 1,000,000 cost one entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intervals {
    /// First number of each interval → the number behind its last.
    runs: BTreeMap<u64, u64>,
}

impl Intervals {
    /// Whether `number` is in the set.
    pub fn contains(&self, number: u64) -> bool {
        self.runs.range(..=number).next_back().is_some_and(|(_, end)| number < *end)
    }

    /// Puts `number` into the set; `false` if it was there.
    pub fn insert(&mut self, number: u64) -> bool {
        if self.contains(number) {
            return false;
        }
        let end = self.runs.remove(&number.saturating_add(1)).unwrap_or(number.saturating_add(1));
        match self.runs.range_mut(..number).next_back() {
            Some((_, before)) if *before == number => *before = end,
            _ => {
                self.runs.insert(number, end);
            }
        }
        true
    }

    /// Takes `number` out of the set; `false` if it was not there.
    pub fn remove(&mut self, number: u64) -> bool {
        let Some((&start, &end)) = self.runs.range(..=number).next_back().filter(|(_, end)| number < **end) else {
            return false;
        };
        self.runs.remove(&start);
        if start < number {
            self.runs.insert(start, number);
        }
        if number + 1 < end {
            self.runs.insert(number + 1, end);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn the_set_behaves_like_a_set(steps in prop::collection::vec((any::<bool>(), 0u64..40), 0..200)) {
            let (mut intervals, mut set) = (Intervals::default(), BTreeSet::new());
            for (insert, number) in steps {
                if insert {
                    prop_assert_eq!(intervals.insert(number), set.insert(number));
                } else {
                    prop_assert_eq!(intervals.remove(number), set.remove(&number));
                }
                for number in 0..41 {
                    prop_assert_eq!(intervals.contains(number), set.contains(&number));
                }
                let gaps = set.iter().filter(|number| !set.contains(&(**number + 1))).count();
                prop_assert_eq!(intervals.runs.len(), gaps);
            }
        }
    }
}
