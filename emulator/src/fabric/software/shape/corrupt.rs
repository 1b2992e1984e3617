//! The stage that flips bits.

use super::dice::Dice;

/// In a share of packets one bit is flipped.
#[derive(Debug, Clone)]
pub struct Corrupt {
    dice: Dice,
    share: f64,
}

impl Corrupt {
    /// Flips a bit in `share` of the packets.
    pub fn new(dice: Dice, share: f64) -> Corrupt {
        Corrupt { dice, share }
    }

    /// Goes on with another share.
    pub fn set(&mut self, share: f64) {
        self.share = share;
    }

    /// Whether every packet has to be looked at by itself.
    pub fn is_active(&self) -> bool {
        self.share > 0.0
    }

    /// A random number if the next packet is to be corrupted: which bit, modulo how many it has.
    pub fn strikes(&mut self) -> Option<u32> {
        self.dice.chance(self.share).then(|| self.dice.number())
    }
}
