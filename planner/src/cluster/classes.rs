//! Rates between nodes that fall into classes: every node of a class has the same rate to every node of
//! another. The two ways of a pair of classes may differ.

use super::Rates;
use crate::units::Rate;

/// Values between nodes from values between classes: `between[a][b]` is that from each node of class `a` to
/// each of class `b`, and class `c` has the next `sizes[c]` nodes. Classes that `between` doesn't have, have
/// no nodes.
pub fn spread<T: Clone>(sizes: &[usize], between: &[Vec<T>]) -> Vec<Vec<T>> {
    let row = |row: &Vec<T>| -> Vec<T> {
        row.iter().zip(sizes).flat_map(|(value, size)| std::iter::repeat_n(value.clone(), *size)).collect()
    };
    between.iter().zip(sizes).flat_map(|(values, size)| std::iter::repeat_n(row(values), *size)).collect()
}

/// Rates between nodes from rates between classes, as [`spread`] does it; `None` means that there is no path.
pub fn rates(sizes: &[usize], between: &[Vec<Option<Rate>>]) -> Rates {
    let mut rates = spread(sizes, between);
    rates.iter_mut().enumerate().filter_map(|(node, row)| row.get_mut(node)).for_each(|own| *own = None);
    rates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_nodes_has_the_rate_of_its_classes_each_way() {
        let mbits = |mbits: f64| Some(Rate::from_mbits_per_second(mbits));
        // Two cameras that don't hear each other, and three servers.
        let found = rates(&[2, 3], &[vec![None, mbits(20.0)], vec![mbits(5.0), mbits(1000.0)]]);
        assert_eq!(found.len(), 5);
        assert_eq!((found[0][1], found[0][4], found[3][1]), (None, mbits(20.0), mbits(5.0)));
        assert_eq!((found[2][3], found[4][2], found[3][3]), (mbits(1000.0), mbits(1000.0), None));
        assert!(rates(&[], &[]).is_empty());
    }
}
