//! How often each of several ways can be taken when they share what they need: a packing linear programme, solved by
//! the simplex method (Dantzig's tableau with Bland's rule, which never cycles).

/// What rounding leaves of nothing.
const NOTHING: f64 = 1e-12;

/// The rates `x ≥ 0` with the greatest sum for which `Σ needs[resource][way] · x[way] ≤ 1` for every resource.
///
/// Needs are at least 0, and every way needs something; one that doesn't gets a rate of 0.
pub fn pack(needs: &[Vec<f64>], ways: usize) -> Vec<f64> {
    let rows = needs.len();
    // Rows: the resources, then what each way brings. Columns: ways, slacks, right-hand side.
    let mut tableau: Vec<Vec<f64>> = Vec::with_capacity(rows + 1);
    for (row, need) in needs.iter().enumerate() {
        let slack = (0..rows).map(|other| f64::from(u8::from(other == row)));
        tableau.push(need.iter().copied().chain(slack).chain([1.0]).collect());
    }
    let unlimited = |way: usize| needs.iter().all(|need| need[way] <= NOTHING);
    let brings = (0..ways).map(|way| if unlimited(way) { 0.0 } else { -1.0 });
    tableau.push(brings.chain(std::iter::repeat_n(0.0, rows + 1)).collect());
    let mut basis: Vec<usize> = (ways..ways + rows).collect();
    let last = ways + rows;
    while let Some(column) = (0..last).find(|column| tableau[rows][*column] < -1e-9) {
        let ratio = |row: usize| tableau[row][last] / tableau[row][column];
        let leaving = (0..rows)
            .filter(|row| tableau[*row][column] > NOTHING)
            .min_by(|a, b| ratio(*a).total_cmp(&ratio(*b)).then(basis[*a].cmp(&basis[*b])));
        let Some(leaving) = leaving else { break };
        let pivot = tableau[leaving][column];
        tableau[leaving].iter_mut().for_each(|value| *value /= pivot);
        let pivot_row = tableau[leaving].clone();
        for (row, values) in tableau.iter_mut().enumerate() {
            let factor = values[column];
            if row != leaving && factor != 0.0 {
                values.iter_mut().zip(&pivot_row).for_each(|(value, pivot)| *value -= factor * pivot);
            }
        }
        basis[leaving] = column;
    }
    let mut rates = vec![0.0; ways];
    for (row, column) in basis.iter().enumerate().filter(|(_, column)| **column < ways) {
        rates[*column] = tableau[row][last].max(0.0);
    }
    rates
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ways_that_share_a_resource_share_its_rate() {
        // Two ways through one resource, and a third that needs half as much of another.
        let rates = pack(&[vec![1.0, 1.0, 0.0], vec![0.0, 0.0, 0.5], vec![2.0, 0.0, 0.0]], 3);
        assert!((rates[0] + rates[1] - 1.0).abs() < 1e-9);
        assert!((rates[2] - 2.0).abs() < 1e-9);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn no_resource_is_overbooked_and_no_way_can_be_raised(
            needs in (1usize..6, 1usize..8).prop_flat_map(|(ways, rows)| {
                prop::collection::vec(prop::collection::vec(0.1f64..3.0, ways), rows)
            }),
        ) {
            let ways = needs[0].len();
            let rates = pack(&needs, ways);
            let load = |need: &Vec<f64>| need.iter().zip(&rates).map(|(need, rate)| need * rate).sum::<f64>();
            prop_assert!(needs.iter().all(|need| load(need) <= 1.0 + 1e-9));
            // Every way needs of every resource, so at the optimum some resource is used up.
            prop_assert!(needs.iter().any(|need| load(need) >= 1.0 - 1e-9));
            // No single way is better than all together.
            for way in 0..ways {
                let alone = needs.iter().map(|need| 1.0 / need[way]).fold(f64::INFINITY, f64::min);
                prop_assert!(rates.iter().sum::<f64>() >= alone - 1e-9);
            }
        }
    }
}
