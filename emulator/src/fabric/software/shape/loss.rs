//! The stage that loses packets.

use super::dice::Dice;
use crate::scenario::network;

/// Which packets are lost: each by itself, or in bursts.
#[derive(Debug, Clone)]
pub struct Loss {
    dice: Dice,
    model: network::Loss,
    in_bad_state: bool,
}

impl Loss {
    /// A stage that loses by `model`, beginning in the good state.
    pub fn new(dice: Dice, model: network::Loss) -> Loss {
        Loss { dice, model, in_bad_state: false }
    }

    /// Goes on with another model where the generator stands. A burst goes on if the new model has bursts too.
    pub fn set(&mut self, model: network::Loss) {
        self.in_bad_state &= matches!(model, network::Loss::GilbertElliott { .. });
        self.model = model;
    }

    /// Whether every packet has to be looked at by itself.
    pub fn is_active(&self) -> bool {
        match self.model {
            network::Loss::Random(probability) => probability > 0.0,
            network::Loss::GilbertElliott { p, bad, good, .. } => good > 0.0 || (p > 0.0 && bad > 0.0),
        }
    }

    /// Decides about the next packet. The state in which a packet arrives decides; then the state may
    /// change, as in the kernel's netem.
    pub fn takes(&mut self) -> bool {
        match self.model {
            network::Loss::Random(probability) => self.dice.chance(probability),
            network::Loss::GilbertElliott { p, r, bad, good } => {
                let (loss, change) = if self.in_bad_state { (bad, r) } else { (good, p) };
                let lost = self.dice.chance(loss);
                self.in_bad_state ^= self.dice.chance(change);
                lost
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::network::Direction;

    fn pattern(model: network::Loss, packets: usize) -> Vec<bool> {
        let mut loss = Loss::new(Dice::new(7, Direction { from: 0, to: 1 }, 0), model);
        (0..packets).map(|_| loss.takes()).collect()
    }

    #[test]
    fn random_loss_has_its_probability() {
        let lost = pattern(network::Loss::Random(0.1), 100_000).iter().filter(|lost| **lost).count();
        // The standard deviation is 95.
        assert!((9_500..10_500).contains(&lost), "{lost}");
        assert!(pattern(network::Loss::Random(1.0), 1_000).iter().all(|lost| *lost));
    }

    #[test]
    fn gilbert_elliott_loses_in_bursts_of_the_length_it_says() {
        let lost = pattern(network::Loss::GilbertElliott { p: 0.01, r: 0.25, bad: 1.0, good: 0.0 }, 400_000);
        let share = lost.iter().filter(|lost| **lost).count() as f64 / lost.len() as f64;
        let bursts = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count() as f64;
        let mean_burst = share * lost.len() as f64 / bursts;
        // In the long run p / (p + r) of the time is bad, and a burst lasts 1 / r packets.
        assert!((share - 0.01 / 0.26).abs() < 0.003, "{share}");
        assert!((mean_burst - 4.0).abs() < 0.2, "{mean_burst}");
    }
}
