//! SEIFER's partition: the cuts with the smallest *sum* of transfers, chosen before any node is (arXiv 2304.11941).

use super::Instance;

/// The ends of the segments, the model's end last; `None` when some piece fits nowhere, or the chain would be longer
/// than the cluster. A segment must fit the node with the most memory.
pub fn least_sum(instance: &Instance) -> Option<Vec<usize>> {
    let end = instance.end;
    let mut sums = vec![f64::INFINITY; end + 1];
    let mut after = vec![0; end + 1];
    sums[end] = 0.0;
    for from in (0..end).rev() {
        let furthest = (0..instance.nodes.len()).map(|node| instance.fits(node, from)).max()?;
        for to in from + 1..=furthest {
            // The result is not counted.
            let sum = sums[to] + if to == end { 0.0 } else { instance.wire_bits(to) };
            if sum < sums[from] {
                (sums[from], after[from]) = (sum, to);
            }
        }
    }
    let mut ends = Vec::new();
    let mut at = 0;
    while at < end {
        if sums[at].is_infinite() || ends.len() == instance.nodes.len() {
            return None;
        }
        at = after[at];
        ends.push(at);
    }
    Some(ends)
}
