//! SEIFER's Wi-Fi square: nodes at random places of a square, and a rate between each pair that falls
//! with their distance.
//!
//! Source: Parthasarathy and Krishnamachari, "Partitioning and Deployment of Deep Neural Networks on
//! Edge Clusters" (arXiv 2304.11941). A pair at distance `d` metres has `log2(1 + 283230 / d²)` Mbit/s
//! for each MHz of channel, Shannon's formula with their measured signal strength; 1 MHz gives the
//! published figures, 2.88 Mbit/s at the far corners of 150 m and 6.04 Mbit/s on average.

use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use super::Rates;
use crate::units::Rate;

/// Signal to noise ratio at one metre, as a plain factor (arXiv 2304.11941).
const SIGNAL_AT_ONE_METRE: f64 = 283_230.0;

/// A Wi-Fi square to be filled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WifiSquare {
    /// How many nodes.
    pub nodes: usize,
    /// Side of the square, in metres.
    pub side: f64,
    /// Width of the channel, in MHz; rates grow with it.
    pub channel_mhz: f64,
}

impl WifiSquare {
    /// Side of the published square, in metres.
    pub const SIDE: f64 = 150.0;
    /// Channel with which the published rates come out, in MHz.
    pub const CHANNEL_MHZ: f64 = 1.0;
}

/// A place in the square, in metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    /// From the left.
    pub x: f64,
    /// From the bottom.
    pub y: f64,
}

/// A filled Wi-Fi square.
#[derive(Debug, Clone, PartialEq)]
pub struct Wifi {
    /// Where each node is.
    pub positions: Vec<Position>,
    /// What each pair can carry: symmetric, `None` on the diagonal.
    pub rates: Rates,
}

impl WifiSquare {
    /// Puts the nodes at uniformly random places of `[1, side]²`; the same seed gives the same places.
    pub fn place(&self, seed: u64) -> Wifi {
        let mut random = Pcg64::seed_from_u64(seed);
        // 53 bits make a float in [0, 1).
        let mut unit = || (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        let mut coordinate = || 1.0 + unit() * (self.side - 1.0).max(0.0);
        let positions: Vec<Position> = (0..self.nodes).map(|_| Position { x: coordinate(), y: coordinate() }).collect();
        let rates = positions
            .iter()
            .enumerate()
            .map(|(i, a)| {
                positions
                    .iter()
                    .enumerate()
                    .map(|(j, b)| (i != j).then(|| rate_at(distance(*a, *b), self.channel_mhz)))
                    .collect()
            })
            .collect();
        Wifi { positions, rates }
    }
}

fn distance(a: Position, b: Position) -> f64 {
    (a.x - b.x).hypot(a.y - b.y)
}

/// Rate of a pair `distance` metres apart on a channel of `channel_mhz`. Below one metre it grows no more.
pub fn rate_at(distance: f64, channel_mhz: f64) -> Rate {
    let metres = distance.max(1.0);
    Rate::from_mbits_per_second((1.0 + SIGNAL_AT_ONE_METRE / (metres * metres)).log2() * channel_mhz)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_agree_with_the_published_extremes_and_mean() {
        // The far corners of [1, 150]², and two nodes in one place.
        assert!((rate_at(149.0 * 2f64.sqrt(), 1.0).mbits_per_second() - 2.88).abs() < 0.01);
        assert!((rate_at(0.0, 1.0).mbits_per_second() - 18.11).abs() < 0.01);
        let square = WifiSquare { nodes: 50, side: WifiSquare::SIDE, channel_mhz: WifiSquare::CHANNEL_MHZ };
        let rates: Vec<f64> =
            (0..50).flat_map(|seed| square.place(seed).rates).flatten().flatten().map(Rate::mbits_per_second).collect();
        let mean = rates.iter().sum::<f64>() / rates.len() as f64;
        assert!((mean - 6.04).abs() < 0.1, "mean {mean}");
    }

    #[test]
    fn the_same_seed_gives_the_same_square_and_the_matrix_is_symmetric() {
        let square = WifiSquare { nodes: 7, side: 150.0, channel_mhz: 20.0 };
        let wifi = square.place(3);
        assert_eq!(wifi, square.place(3));
        assert_ne!(wifi, square.place(4));
        for i in 0..7 {
            assert_eq!(wifi.rates[i][i], None);
            for j in 0..7 {
                assert_eq!(wifi.rates[i][j], wifi.rates[j][i]);
            }
        }
    }
}
