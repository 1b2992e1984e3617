//! Kinds of quantities with their units: how the text of one is read, and what to say when it can't be.

use super::mistake::{Mistake, QuantityError};
use super::reader::{Read, Reader};
use super::tree::{Node, Value};

/// A kind of quantity.
pub(super) struct Quantity {
    /// With an article.
    pub(super) what: &'static str,
    /// What its units are units of.
    of: &'static str,
    /// The units and how many of the smallest each is.
    units: &'static [(&'static str, f64)],
    /// What people write instead: the unit meant, and how many of it one of theirs is.
    instead: &'static [(&'static str, &'static str, f64)],
    pub(super) example: &'static str,
}

pub(super) const TIME: Quantity = Quantity {
    what: "a time",
    of: "time",
    units: &[("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9), ("min", 60e9), ("h", 3600e9)],
    instead: &[
        ("µs", "us", 1.0),
        ("μs", "us", 1.0),
        ("usec", "us", 1.0),
        ("msec", "ms", 1.0),
        ("milliseconds", "ms", 1.0),
        ("sec", "s", 1.0),
        ("secs", "s", 1.0),
        ("second", "s", 1.0),
        ("seconds", "s", 1.0),
        ("m", "min", 1.0),
        ("mins", "min", 1.0),
        ("minute", "min", 1.0),
        ("minutes", "min", 1.0),
        ("hour", "h", 1.0),
        ("hours", "h", 1.0),
        ("hr", "h", 1.0),
    ],
    example: "20 ms",
};

pub(super) const RATE: Quantity = Quantity {
    what: "a rate",
    of: "rate",
    units: &[("bit/s", 1.0), ("kbit/s", 1e3), ("Mbit/s", 1e6), ("Gbit/s", 1e9)],
    instead: &[
        ("bps", "bit/s", 1.0),
        ("kbps", "kbit/s", 1.0),
        ("kb/s", "kbit/s", 1.0),
        ("kbit", "kbit/s", 1.0),
        ("Mbps", "Mbit/s", 1.0),
        ("Mb/s", "Mbit/s", 1.0),
        ("Mbit", "Mbit/s", 1.0),
        ("Gbps", "Gbit/s", 1.0),
        ("Gb/s", "Gbit/s", 1.0),
        ("Gbit", "Gbit/s", 1.0),
        ("kB/s", "kbit/s", 8.0),
        ("MB/s", "Mbit/s", 8.0),
        ("GB/s", "Gbit/s", 8.0),
    ],
    example: "10 Mbit/s",
};

pub(super) const SIZE: Quantity = Quantity {
    what: "a size",
    of: "size",
    units: &[
        ("B", 1.0),
        ("KiB", 1024.0),
        ("MiB", 1048576.0),
        ("GiB", 1073741824.0),
        ("kB", 1e3),
        ("MB", 1e6),
        ("GB", 1e9),
    ],
    instead: &[
        ("bytes", "B", 1.0),
        ("Ki", "KiB", 1.0),
        ("K", "KiB", 1.0),
        ("Mi", "MiB", 1.0),
        ("M", "MiB", 1.0),
        ("Gi", "GiB", 1.0),
        ("G", "GiB", 1.0),
    ],
    example: "64 MiB",
};

/// Only for its words: see [`QueueSize`].
pub(super) const QUEUE: Quantity = Quantity {
    what: "a queue size",
    of: "queue size",
    units: &[
        ("B", 1.0),
        ("KiB", 1024.0),
        ("MiB", 1048576.0),
        ("kB", 1e3),
        ("MB", 1e6),
        ("packets", 1.0),
        ("us", 1e3),
        ("ms", 1e6),
        ("s", 1e9),
    ],
    instead: &[("packet", "packets", 1.0), ("pkts", "packets", 1.0), ("p", "packets", 1.0)],
    example: "64 KiB",
};

pub(super) const LENGTH: Quantity = Quantity {
    what: "a length",
    of: "length",
    units: &[("m", 1.0), ("km", 1e3)],
    instead: &[("meters", "m", 1.0), ("metres", "m", 1.0), ("ft", "m", 0.3048)],
    example: "150 m",
};

pub(super) const FREQUENCY: Quantity = Quantity {
    what: "a frequency",
    of: "frequency",
    units: &[("kHz", 1e-3), ("MHz", 1.0), ("GHz", 1e3)],
    instead: &[],
    example: "20 MHz",
};

pub(super) const PER_SECOND: Quantity = Quantity {
    what: "a number per second",
    of: "frequency",
    units: &[("/s", 1.0), ("/min", 1.0 / 60.0)],
    instead: &[("per second", "/s", 1.0), ("req/s", "/s", 1.0), ("rps", "/s", 1.0), ("Hz", "/s", 1.0)],
    example: "20 /s",
};

pub(super) const POWER: Quantity = Quantity {
    what: "a power",
    of: "power",
    units: &[("mW", 1e-3), ("W", 1.0), ("kW", 1e3)],
    instead: &[("watt", "W", 1.0), ("watts", "W", 1.0), ("J/s", "W", 1.0)],
    example: "3.5 W",
};

pub(super) const PER_BYTE: Quantity = Quantity {
    what: "an energy per byte",
    of: "energy per byte",
    units: &[("nJ/B", 1.0), ("uJ/B", 1e3), ("mJ/B", 1e6), ("J/B", 1e9)],
    instead: &[
        ("µJ/B", "uJ/B", 1.0),
        ("μJ/B", "uJ/B", 1.0),
        ("nJ/byte", "nJ/B", 1.0),
        ("uJ/byte", "uJ/B", 1.0),
        ("J/byte", "J/B", 1.0),
        ("nJ/bit", "nJ/B", 8.0),
    ],
    example: "20 nJ/B",
};

impl Quantity {
    /// The number before the unit, in the smallest unit.
    pub(super) fn measure(&self, text: &str) -> Result<f64, QuantityError> {
        let not_a_number = || QuantityError::NotANumber { found: text.to_owned(), what: self.what };
        let text = text.trim();
        let digits = |c: char| c.is_ascii_digit() || ".+-_".contains(c);
        let split = text.find(|c| !digits(c)).unwrap_or(text.len());
        let (number, unit) = (text[..split].trim(), text[split..].trim());
        let number: f64 = number.parse().map_err(|_| not_a_number())?;
        if unit.is_empty() {
            return Err(QuantityError::NoUnit(text.to_owned()));
        }
        let Some((_, scale)) = self.units.iter().find(|(name, _)| *name == unit) else {
            return Err(QuantityError::UnknownUnit { unit: unit.to_owned(), of: self.of });
        };
        if number < 0.0 { Err(self.out_of_range(text, "below zero")) } else { Ok(number * scale) }
    }

    pub(super) fn out_of_range(&self, text: &str, problem: &'static str) -> QuantityError {
        QuantityError::OutOfRange { found: text.trim().to_owned(), problem }
    }

    /// What was probably meant by a number with an unknown unit.
    fn suggestion(&self, text: &str, unit: &str) -> Option<String> {
        let number = text.trim().strip_suffix(unit)?.trim().to_owned();
        let known = |(name, _): &&(&str, f64)| name.eq_ignore_ascii_case(unit);
        if let Some((_, meant, times)) = self.instead.iter().find(|(theirs, ..)| *theirs == unit) {
            let value: f64 = number.parse().ok()?;
            return Some(if *times == 1.0 {
                format!("{number} {meant}")
            } else {
                format!("{} {meant}", value * times)
            });
        }
        if let Some((meant, _)) = self.units.iter().find(known) {
            return Some(format!("{number} {meant}"));
        }
        let (_, meant, times) = self.instead.iter().find(|(theirs, ..)| theirs.eq_ignore_ascii_case(unit))?;
        (*times == 1.0).then(|| format!("{number} {meant}"))
    }

    pub(super) fn mistake(&self, reason: QuantityError, text: &str) -> Mistake {
        let suggestion = match &reason {
            QuantityError::UnknownUnit { unit, .. } => self.suggestion(text, unit),
            _ => None,
        };
        let names: Vec<&str> = self.units.iter().map(|(name, _)| *name).collect();
        Mistake::BadQuantity { reason, what: self.what, units: names.join(", "), example: self.example, suggestion }
    }

    /// Reads a quantity and makes a value of it; `make` answers with what is wrong with the number.
    pub(super) fn read<T: Read>(
        &self,
        node: &Node,
        reader: &mut Reader,
        make: impl FnOnce(&str, f64) -> Result<T, &'static str>,
    ) -> Option<T> {
        let (text, result) = match &node.value {
            Value::Text(text) => {
                let made = self.measure(text);
                (text.clone(), made.and_then(|value| make(text, value).map_err(|why| self.out_of_range(text, why))))
            }
            Value::Integer(number) => (number.to_string(), Err(QuantityError::NoUnit(number.to_string()))),
            Value::Float(number) => (number.to_string(), Err(QuantityError::NoUnit(number.to_string()))),
            _ => {
                reader.wrong_type::<T>(node);
                return None;
            }
        };
        match result {
            Ok(value) => Some(value),
            Err(reason) => {
                let mistake = self.mistake(reason, &text);
                reader.note(mistake, node.place);
                None
            }
        }
    }

    pub(super) fn pattern(&self) -> String {
        let units: Vec<&str> = self.units.iter().map(|(name, _)| *name).collect();
        format!("^ *[+]?([0-9]+[.]?[0-9]*|[.][0-9]+) *({}) *$", units.join("|"))
    }
}
