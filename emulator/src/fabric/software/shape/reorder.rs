//! The stage that lets packets overtake others.

use super::dice::Dice;

/// A share of packets skips the delay, and so overtakes whatever is under way.
#[derive(Debug, Clone)]
pub struct Reorder {
    dice: Dice,
    share: f64,
}

impl Reorder {
    /// Lets `share` of the packets skip the delay.
    pub fn new(dice: Dice, share: f64) -> Reorder {
        Reorder { dice, share }
    }

    /// Goes on with another share.
    pub fn set(&mut self, share: f64) {
        self.share = share;
    }

    /// Whether every packet has to be looked at by itself.
    pub fn is_active(&self) -> bool {
        self.share > 0.0
    }

    /// Whether the next packet skips the delay.
    pub fn skips_delay(&mut self) -> bool {
        self.dice.chance(self.share)
    }
}
