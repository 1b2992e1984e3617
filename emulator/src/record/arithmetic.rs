//! What figures are made with: nearest ranks and medians of values that are in order, the least first; rounding.

/// The rank, from 1, of the value that such a share of `count` values does not exceed.
pub fn nearest_rank(share: f64, count: usize) -> usize {
    // A share that was computed may lie a hair above the one that was meant, and 0.07 of 100 above 7.
    ((share * count as f64 - 1e-9).ceil() as usize).clamp(1, count.max(1))
}

/// The value that such a share of them does not exceed; `None` of nothing.
pub fn nearest<T: Copy>(sorted: &[T], share: f64) -> Option<T> {
    sorted.get(nearest_rank(share, sorted.len()) - 1).copied()
}

/// The one in the middle, or what is midway between the two that are; `None` of nothing.
pub fn median(sorted: &[f64]) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    Some(sorted[last / 2].midpoint(sorted[sorted.len() / 2]))
}

/// With so many digits behind the point: shorter to read, and the same wherever it is computed.
pub fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_has_the_value_that_it_does_not_exceed() {
        let hundred: Vec<u32> = (1..=100).collect();
        let shares = [0.0, 0.001, 0.01, 0.07, 0.5, 0.501, 0.99, 0.999, 1.0];
        assert_eq!(shares.map(|share| nearest(&hundred, share).unwrap()), [1, 1, 1, 7, 50, 51, 99, 100, 100]);
        assert_eq!((nearest(&[4], 0.0), nearest(&[4], 1.0), nearest::<u32>(&[], 0.5)), (Some(4), Some(4), None));
    }

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(
            [&[][..], &[3.0], &[3.0, 4.0], &[3.0, 4.0, 9.0]].map(median),
            [None, Some(3.0), Some(3.5), Some(4.0)]
        );
    }
}
