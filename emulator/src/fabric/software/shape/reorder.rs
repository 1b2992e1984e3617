//! The stage that lets packets overtake others.

use super::dice::Dice;

/// A share of packets skips the delay, and so overtakes whatever is under way. With a gap, all but the last of so many packets keep
/// their place after one that overtook; from then on chance decides about each, as in netem.
#[derive(Debug, Clone)]
pub struct Reorder {
    dice: Dice,
    share: f64,
    gap: u32,
    /// Packets that have kept their place since one overtook.
    kept: u32,
}

impl Reorder {
    /// Lets `share` of the packets skip the delay, of `gap` in a row at most one.
    pub fn new(dice: Dice, share: f64, gap: u32) -> Reorder {
        Reorder { dice, share, gap, kept: 0 }
    }

    /// Goes on with another share and gap.
    pub fn set(&mut self, share: f64, gap: u32) {
        (self.share, self.gap) = (share, gap);
    }

    /// Whether every packet has to be looked at by itself.
    pub fn is_active(&self) -> bool {
        self.share > 0.0
    }

    /// Whether the next packet skips the delay.
    pub fn skips_delay(&mut self) -> bool {
        let skips = self.kept.saturating_add(1) >= self.gap && self.dice.chance(self.share);
        self.kept = if skips { 0 } else { self.kept.saturating_add(1) };
        skips
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::network::Direction;

    #[test]
    fn with_a_gap_and_no_chance_every_so_manyth_overtakes() {
        let mut reorder = Reorder::new(Dice::new(1, Direction { from: 0, to: 1 }, 4), 1.0, 5);
        let overtaking: Vec<usize> = (1..=20).filter(|_| reorder.skips_delay()).collect();
        assert_eq!(overtaking, [5, 10, 15, 20]);
    }
}
