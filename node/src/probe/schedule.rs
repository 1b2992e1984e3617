//! Who measures whom, when.

/// One measurement: from which node to which.
pub type Direction = (usize, usize);

/// Every ordered pair of `0..nodes` once, in rounds to be run one after another. In a round each node takes
/// part once at most, and no more than `at_once` measurements (at least one) run.
///
/// It is a round-robin tournament (the circle method: one node stays, the others move on by one place after
/// each round), each round played in one direction and then in the other.
pub fn rounds(nodes: usize, at_once: usize) -> Vec<Vec<Direction>> {
    // With an odd number, whoever meets the one that does not exist has a break.
    let places = nodes.next_multiple_of(2);
    let mut rounds = Vec::new();
    for turn in 0..places.saturating_sub(1) {
        let moving = |place: usize| (turn + place) % (places - 1);
        let with_last = (places - 1, moving(0));
        let others = (1..places / 2).map(|place| (moving(place), moving(places - 1 - place)));
        let pairs: Vec<Direction> =
            std::iter::once(with_last).chain(others).filter(|(a, b)| *a < nodes && *b < nodes).collect();
        let back: Vec<Direction> = pairs.iter().map(|(a, b)| (*b, *a)).collect();
        for way in [pairs, back] {
            rounds.extend(way.chunks(at_once.max(1)).map(<[Direction]>::to_vec));
        }
    }
    rounds
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_pair_is_measured_both_ways_and_no_node_twice_at_once() {
        for nodes in 0..25 {
            for at_once in [1, 3, 100] {
                let rounds = rounds(nodes, at_once);
                for round in &rounds {
                    let taking_part: BTreeSet<usize> = round.iter().flat_map(|(a, b)| [*a, *b]).collect();
                    assert_eq!(taking_part.len(), 2 * round.len());
                    assert!(!round.is_empty() && round.len() <= at_once);
                }
                let all: Vec<Direction> = rounds.into_iter().flatten().collect();
                let distinct: BTreeSet<Direction> = all.iter().copied().collect();
                assert_eq!((all.len(), distinct.len()), (nodes * nodes.saturating_sub(1), all.len()));
            }
        }
        assert_eq!(rounds(22, 100).len(), 2 * 21);
    }
}
