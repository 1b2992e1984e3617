//! What became of the packets that a netem dropped.

use crate::fabric::Shape;
use crate::scenario::network::Loss;

/// netem counts all drops together. So drops are booked as lost while the shape loses anything at all, and as
/// overflow while it doesn't.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ledger {
    seen: u32,
    pub lost: u64,
    pub overflowed: u64,
}

impl Ledger {
    /// `drops` is what the qdisc has counted since it was made.
    pub fn book(&mut self, drops: u32, shape: &Shape) {
        // Fewer than before: it is another qdisc, and what that dropped is no shape's doing.
        let new = u64::from(drops.saturating_sub(self.seen));
        let lossy = match shape.loss {
            Loss::Random(share) => share > 0.0,
            Loss::GilbertElliott { bad, good, .. } => bad > 0.0 || good > 0.0,
        };
        *(if lossy { &mut self.lost } else { &mut self.overflowed }) += new;
        self.seen = drops;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qdisc_that_begins_to_count_anew_has_dropped_nothing_yet() {
        let (mut ledger, shape) = (Ledger::default(), Shape::default());
        [7, 9, 2, 5].into_iter().for_each(|drops| ledger.book(drops, &shape));
        assert_eq!((ledger.lost, ledger.overflowed), (0, 12));
        ledger.book(6, &Shape { loss: Loss::Random(0.5), ..shape });
        assert_eq!((ledger.lost, ledger.overflowed), (1, 12));
    }
}
