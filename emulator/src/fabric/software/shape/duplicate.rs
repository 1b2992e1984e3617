//! The stage that sends packets twice.

use super::dice::Dice;

/// A share of packets is transmitted twice, one directly behind the other.
#[derive(Debug, Clone)]
pub struct Duplicate {
    dice: Dice,
    share: f64,
}

impl Duplicate {
    /// Doubles `share` of the packets.
    pub fn new(dice: Dice, share: f64) -> Duplicate {
        Duplicate { dice, share }
    }

    /// Goes on with another share.
    pub fn set(&mut self, share: f64) {
        self.share = share;
    }

    /// Whether every packet has to be looked at by itself.
    pub fn is_active(&self) -> bool {
        self.share > 0.0
    }

    /// Whether the next packet is doubled.
    pub fn doubles(&mut self) -> bool {
        self.dice.chance(self.share)
    }
}
