//! Who measures whom, when. Pure.

use std::time::Duration;

use planner::units::Rate;

use super::Measured;

/// One measurement: from which node to which.
pub type Direction = (usize, usize);

/// The survey of a cluster should be done in this time.
const GOAL: Duration = Duration::from_secs(8);
/// What a measurement takes until one has been made.
const USUAL: Duration = Duration::from_millis(150);
/// What all measurements of a round together may send: a machine that emulates a whole cluster must keep up.
const TOGETHER: Rate = Rate::from_bits_per_second(400_000_000);
/// The rate of a measurement until one has been made, and of one that was too fast to tell.
const FAST: Rate = Rate::from_bits_per_second(200_000_000);

/// Every ordered pair of `0..nodes` once, in rounds to be run one after another. In a round each node takes
/// part once at most, so any part of it may be measured at the same time.
///
/// It is a round-robin tournament (the circle method: one node stays, the others move on by one place after
/// each round), each round played in one direction and then in the other.
pub fn rounds(nodes: usize) -> Vec<Vec<Direction>> {
    // With an odd number, whoever meets the one that does not exist has a break.
    let places = nodes.next_multiple_of(2);
    let mut rounds = Vec::new();
    for turn in 0..places.saturating_sub(1) {
        let moving = |place: usize| (turn + place) % (places - 1);
        let with_last = (places - 1, moving(0));
        let others = (1..places / 2).map(|place| (moving(place), moving(places - 1 - place)));
        let pairs: Vec<Direction> =
            std::iter::once(with_last).chain(others).filter(|(a, b)| *a < nodes && *b < nodes).collect();
        let back = pairs.iter().map(|(a, b)| (*b, *a)).collect();
        rounds.extend([pairs, back].into_iter().filter(|pairs| !pairs.is_empty()));
    }
    rounds
}

/// What the measurements so far took, and found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Experience {
    made: u32,
    took: Duration,
    bits_per_second: u64,
    /// Measurements made at the same time were seen to disturb each other.
    disturbed: bool,
}

impl Experience {
    /// One more measurement was made.
    pub fn add(&mut self, took: Duration, rate: Option<Rate>) {
        self.made += 1;
        self.took += took;
        self.bits_per_second += rate.unwrap_or(FAST).min(FAST).bits_per_second();
    }

    /// The same directions were measured by themselves and then all at once: what was found of each.
    pub fn compare(&mut self, found: &[(Measured, Measured)]) {
        let slower = |(alone, together): &&(Measured, Measured)| match (alone.rate, together.rate) {
            (Some(alone), Some(together)) => {
                (together.bits_per_second() as f64) < 0.9 * alone.min(FAST).bits_per_second() as f64
            }
            _ => false,
        };
        // One may have been disturbed by something else.
        self.disturbed |= found.iter().filter(slower).count() > 1 + found.len() / 10;
    }

    /// How many of the `left` measurements to make at once, `spent` after the beginning: as few as the
    /// [`GOAL`] allows and no more than go [`TOGETHER`]; one by one where pairs were seen to disturb each other,
    /// as those that share a link do.
    pub fn at_once(&self, left: usize, spent: Duration) -> usize {
        if self.disturbed {
            return 1;
        }
        let each = if self.made == 0 { USUAL } else { self.took / self.made };
        let rate = self.bits_per_second.checked_div(u64::from(self.made)).unwrap_or(FAST.bits_per_second());
        let time = GOAL.saturating_sub(spent).max(GOAL / 8);
        let wanted = (each.as_secs_f64() * left as f64 / time.as_secs_f64()).ceil() as usize;
        let bearable = (TOGETHER.bits_per_second() / rate.max(1)) as usize;
        wanted.min(bearable).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_pair_is_measured_both_ways_and_no_node_twice_at_once() {
        for nodes in 0..25 {
            let rounds = rounds(nodes);
            for round in &rounds {
                let taking_part: BTreeSet<usize> = round.iter().flat_map(|(a, b)| [*a, *b]).collect();
                assert_eq!(taking_part.len(), 2 * round.len());
            }
            let all: Vec<Direction> = rounds.into_iter().flatten().collect();
            let distinct: BTreeSet<Direction> = all.iter().copied().collect();
            assert_eq!((all.len(), distinct.len()), (nodes * nodes.saturating_sub(1), all.len()));
        }
        assert_eq!(rounds(22).len(), 2 * 21);
    }

    #[test]
    fn a_few_pairs_are_measured_one_by_one_and_many_as_many_at_once_as_is_needed_and_bearable() {
        let mut experience = Experience::default();
        assert_eq!(experience.at_once(42, Duration::ZERO), 1);
        assert_eq!(experience.at_once(462, Duration::ZERO), 2);
        experience.add(Duration::from_millis(160), Some(Rate::from_mbits_per_second(6.0)));
        assert_eq!(experience.at_once(461, Duration::from_millis(160)), 10);
        experience.add(Duration::from_millis(100), None);
        assert_eq!(experience.at_once(460, Duration::from_millis(300)), 3);
        let measured = |mbits| Measured { rate: Some(Rate::from_mbits_per_second(mbits)), delay: Duration::ZERO };
        experience.compare(&[(measured(5.0), measured(5.1)), (measured(8.0), measured(2.0))]);
        assert_eq!(experience.at_once(460, Duration::from_millis(300)), 3);
        let mut disturbed = experience;
        disturbed.compare(&[(measured(5.0), measured(3.0)); 4]);
        assert_eq!(disturbed.at_once(460, Duration::from_millis(300)), 1);
        // Late: more at once, but not without end.
        assert!(experience.at_once(400, Duration::from_secs(60)) <= 4);
    }
}
