//! Where a value is on an axis, and which values are worth a label.

use crate::report::numbers::{grouped, significant};

/// How values are spread along an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Spread {
    /// Evenly.
    Linear,
    /// Evenly by their logarithm.
    Log,
    /// Shares of a whole (0.99), evenly by the logarithm of what is left: as many nines, as far.
    Tail,
}

/// An axis: its ends, and what lies between.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// What it counts, with its unit.
    pub says: String,
    /// How.
    pub spread: Spread,
    /// The value at its beginning.
    pub from: f64,
    /// The value at its end.
    pub to: f64,
}

impl Axis {
    /// From 0 to `most` or somewhat more, so that it ends at a labelled value.
    pub fn linear(says: &str, most: f64) -> Axis {
        let step = step(most.max(1e-9) / 4.0);
        let to = (most / step * (1.0 - 1e-9)).ceil().max(1.0) * step;
        Axis { says: says.to_owned(), spread: Spread::Linear, from: 0.0, to }
    }

    /// From one value exactly to another.
    pub fn exactly(says: &str, from: f64, to: f64) -> Axis {
        Axis { says: says.to_owned(), spread: Spread::Linear, from, to: if to > from { to } else { from + 1.0 } }
    }

    /// The powers of ten and the halves between them that hold all from `least` to `most`.
    pub fn log(says: &str, least: f64, most: f64) -> Axis {
        let least = least.max(1e-9);
        let most = most.max(least * (1.0 + 1e-9));
        let below = labels(least / 10.0, most * 10.0).into_iter().rfind(|value| *value <= least).unwrap_or(least);
        let above = labels(least / 10.0, most * 10.0).into_iter().find(|value| *value >= most).unwrap_or(most);
        Axis { says: says.to_owned(), spread: Spread::Log, from: below, to: above.max(below * 2.0) }
    }

    /// Shares from 0 until so many samples can't tell more.
    pub fn tail(says: &str, samples: u64) -> Axis {
        let least = 1.0 / (samples.max(10) as f64);
        Axis { says: says.to_owned(), spread: Spread::Tail, from: 0.0, to: 1.0 - least }
    }

    /// Where a value is: 0 at the beginning, 1 at the end, at most.
    pub fn place(&self, value: f64) -> f64 {
        let measure = |value: f64| match self.spread {
            Spread::Linear => value,
            Spread::Log => value.max(1e-12).ln(),
            Spread::Tail => -(1.0 - value).max(1e-12).ln(),
        };
        let (from, to) = (measure(self.from), measure(self.to));
        ((measure(value) - from) / (to - from)).clamp(0.0, 1.0)
    }

    /// The values with a label, about `most` of them, with their labels.
    pub fn ticks(&self, most: usize) -> Vec<(f64, String)> {
        let most = most.max(2);
        let values = match self.spread {
            Spread::Linear => {
                let step = step((self.to - self.from) / most as f64);
                let (first, last) = ((self.from / step - 1e-9).ceil() as i64, (self.to / step + 1e-9).floor() as i64);
                (first..=last).map(|index| index as f64 * step).collect()
            }
            Spread::Log => {
                let all = labels(self.from, self.to);
                let tens: Vec<f64> = all.iter().copied().filter(|value| power(*value)).collect();
                if all.len() > most + 3 && tens.len() >= 2 { tens } else { all }
            }
            Spread::Tail => {
                let shares = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999_999];
                shares.into_iter().filter(|share| *share <= self.to + 1e-12).collect()
            }
        };
        values.into_iter().map(|value| (value, self.label(value))).collect()
    }

    fn label(&self, value: f64) -> String {
        match self.spread {
            Spread::Tail => match value * 100.0 {
                percent if percent == percent.round() => format!("{percent:.0} %"),
                percent => format!("{} %", format!("{percent:.4}").trim_end_matches('0')),
            },
            _ if value.abs() >= 1000.0 => grouped(value.round() as u64),
            _ if value != 0.0 && value.abs() < 0.0095 => format!("{value:e}"),
            _ => significant(value),
        }
    }
}

/// 1, 2 or 5 times a power of ten: the least that is not below `value`.
fn step(value: f64) -> f64 {
    let power = 10f64.powf(value.max(1e-12).log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|times| times * power)
        .find(|step| *step >= value * (1.0 - 1e-9))
        .unwrap_or(power)
}

/// 1, 2 and 5 times the powers of ten, between two values.
fn labels(from: f64, to: f64) -> Vec<f64> {
    let (first, last) = (from.log10().floor() as i32, to.log10().ceil() as i32);
    let all = (first..=last).flat_map(|power| [1.0, 2.0, 5.0].map(|times| times * 10f64.powi(power)));
    all.filter(|value| (from * (1.0 - 1e-9)..=to * (1.0 + 1e-9)).contains(value)).collect()
}

fn power(value: f64) -> bool {
    let exponent = value.log10();
    (exponent - exponent.round()).abs() < 1e-9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(axis: &Axis, most: usize) -> Vec<String> {
        axis.ticks(most).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn labels_are_round_numbers() {
        assert_eq!(said(&Axis::linear("", 7.3), 4), ["0", "2", "4", "6", "8"]);
        assert_eq!(said(&Axis::exactly("", 0.0, 60.0), 6), ["0", "10", "20", "30", "40", "50", "60"]);
        assert_eq!(
            said(&Axis::log("", 34.0, 800.0), 5),
            ["20", "50", "100", "200", "500", "1,000"].map(String::from)[..].to_vec()
        );
        assert_eq!(said(&Axis::tail("", 1200), 6), ["0 %", "50 %", "90 %", "99 %", "99.9 %"]);
    }

    #[test]
    fn a_value_is_between_the_ends_wherever_it_comes_from() {
        for axis in [Axis::linear("", 0.0), Axis::log("", 0.0, 0.0), Axis::tail("", 0), Axis::exactly("", 3.0, 3.0)] {
            for value in [-1.0, 0.0, 0.5, 1e12, f64::NAN] {
                let place = axis.place(value);
                assert!(place.is_nan() || (0.0..=1.0).contains(&place), "{axis:?} {value}");
            }
            assert!(axis.ticks(5).len() <= 20);
        }
    }
}
