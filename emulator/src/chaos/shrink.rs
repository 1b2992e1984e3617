//! Shrinks a list for as long as something stays true of it: first leaves out as much as can be (delta debugging: halves,
//! quarters, …, single ones), then makes what is left smaller, one step at a time.

/// Shrinks `items`, of which `fails` is taken to be true. `simpler` has the next smaller forms of an item, best first; `fails` says
/// `None` when nothing more may be tried, which ends it with what was found until then.
pub fn shrink<T: Clone>(
    items: Vec<T>,
    simpler: impl Fn(&T) -> Vec<T>,
    mut fails: impl FnMut(&[T]) -> Option<bool>,
) -> Vec<T> {
    let mut items = items;
    // Whoever sees this to its end has the smallest; else what there is.
    let _ = leave_out(&mut items, &mut fails).and_then(|()| reduce(&mut items, &simpler, &mut fails));
    items
}

fn leave_out<T: Clone>(items: &mut Vec<T>, fails: &mut impl FnMut(&[T]) -> Option<bool>) -> Option<()> {
    if items.is_empty() {
        return Some(());
    }
    if fails(&[])? {
        items.clear();
        return Some(());
    }
    let mut size = items.len().div_ceil(2);
    while items.len() > 1 {
        let mut start = 0;
        let mut any = false;
        while start < items.len() && items.len() > 1 {
            let end = (start + size).min(items.len());
            let rest: Vec<T> = items[..start].iter().chain(&items[end..]).cloned().collect();
            if !rest.is_empty() && fails(&rest)? {
                *items = rest;
                any = true;
            } else {
                start = end;
            }
        }
        if size > 1 {
            size = size.div_ceil(2).min(items.len().div_ceil(2).max(1));
        } else if !any {
            break;
        }
    }
    Some(())
}

fn reduce<T: Clone>(
    items: &mut Vec<T>,
    simpler: &impl Fn(&T) -> Vec<T>,
    fails: &mut impl FnMut(&[T]) -> Option<bool>,
) -> Option<()> {
    for index in 0..items.len() {
        let mut forms = simpler(&items[index]).into_iter();
        while let Some(form) = forms.next() {
            let mut candidate = items.clone();
            candidate[index] = form;
            if fails(&candidate)? {
                forms = simpler(&candidate[index]).into_iter();
                *items = candidate;
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_needed_stays_and_nothing_else(
            count in 0usize..24, needed in prop::collection::btree_set(0usize..24, 0..4),
        ) {
            let needed: BTreeSet<usize> = needed.into_iter().filter(|item| *item < count).collect();
            let mut tries = 0;
            let found = shrink((0..count).collect(), |_| Vec::new(), |items| {
                tries += 1;
                Some(needed.iter().all(|item| items.contains(item)))
            });
            prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), needed);
            prop_assert!(tries <= 120, "{} tries", tries);
        }

        #[test]
        fn what_is_left_is_as_small_as_it_can_be(values in prop::collection::vec(0u32..200, 1..8), least in 1u32..40) {
            prop_assume!(values.iter().any(|value| *value >= least));
            let halves = |value: &u32| if *value > 0 { vec![value / 2, value - 1] } else { Vec::new() };
            let fails = |items: &[u32]| Some(items.iter().any(|value| *value >= least));
            prop_assert_eq!(shrink(values, halves, fails), vec![least]);
        }

        #[test]
        fn a_budget_ends_it_with_something_that_fails(count in 1usize..24, budget in 0usize..30, needed in 0usize..24) {
            let needed = needed % count;
            let mut left = budget;
            let found = shrink((0..count).collect::<Vec<_>>(), |_| Vec::new(), |items| {
                left = left.checked_sub(1)?;
                Some(items.contains(&needed))
            });
            prop_assert!(found.contains(&needed));
        }
    }
}
