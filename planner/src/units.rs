//! Quantities with their unit in the type: [`Rate`], [`ByteSize`], [`Power`] and [`EnergyPerByte`]. Times are
//! [`std::time::Duration`].
//!
//! Each is written and read the way a person writes it (`"10 Mbit/s"`, `"64 MiB"`, `"20 ms"`), and
//! the written form is the serialised form, so a value in a file never needs its unit guessed.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A quantity that could not be read; the text says what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not {expected}")]
pub struct UnitError {
    /// What was written.
    pub found: String,
    /// What would have been understood, with an example.
    pub expected: &'static str,
}

/// A data rate, in bits per second. Never zero: a link without a limit has no rate at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(u64);

impl Rate {
    /// The highest rate that a scenario may ask for: 1 Tbit/s.
    pub const MAX: Rate = Rate(1_000_000_000_000);
    const EXPECTED: &'static str = "a rate such as \"10 Mbit/s\" (bit/s, kbit/s, Mbit/s or Gbit/s)";
    const UNITS: [(&'static str, f64); 4] = [("Gbit/s", 1e9), ("Mbit/s", 1e6), ("kbit/s", 1e3), ("bit/s", 1.0)];

    /// A rate of `bits` per second; zero is rounded up to one.
    pub const fn from_bits_per_second(bits: u64) -> Rate {
        Rate(if bits == 0 { 1 } else { bits })
    }

    /// A rate given in Mbit/s (10^6 bit/s).
    pub fn from_mbits_per_second(mbits: f64) -> Rate {
        Rate::from_bits_per_second((mbits * 1e6).round() as u64)
    }

    /// Bits per second.
    pub const fn bits_per_second(self) -> u64 {
        self.0
    }

    /// Mbit/s (10^6 bit/s).
    pub fn mbits_per_second(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// How long `size` occupies a link of this rate.
    pub fn time_for(self, size: ByteSize) -> Duration {
        let nanos = u128::from(size.bytes()) * 8 * 1_000_000_000 / u128::from(self.0);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How much fits onto a link of this rate within `time`.
    pub fn amount_in(self, time: Duration) -> ByteSize {
        let bytes = u128::from(self.0) * time.as_nanos() / 8_000_000_000;
        ByteSize::from_bytes(u64::try_from(bytes).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, scale) =
            Rate::UNITS.into_iter().find(|(_, scale)| self.0 as f64 >= *scale).unwrap_or(("bit/s", 1.0));
        write!(f, "{} {unit}", trimmed(self.0 as f64 / scale, 9))
    }
}

impl FromStr for Rate {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Rate, UnitError> {
        let bits = quantity(text, &Rate::UNITS, Rate::EXPECTED)?.round();
        if (1.0..=Rate::MAX.0 as f64).contains(&bits) {
            Ok(Rate(bits as u64))
        } else {
            Err(UnitError { found: text.to_owned(), expected: Rate::EXPECTED })
        }
    }
}

/// An amount of memory or data, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteSize(u64);

impl ByteSize {
    const EXPECTED: &'static str = "a size such as \"64 MiB\" (B, KiB, MiB, GiB, or kB, MB, GB)";
    const UNITS: [(&'static str, f64); 7] =
        [("GiB", 1073741824.0), ("MiB", 1048576.0), ("KiB", 1024.0), ("B", 1.0), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];

    /// Nothing.
    pub const ZERO: ByteSize = ByteSize(0);

    /// `bytes` bytes.
    pub const fn from_bytes(bytes: u64) -> ByteSize {
        ByteSize(bytes)
    }

    /// `mib` times 2^20 bytes.
    pub const fn from_mib(mib: u64) -> ByteSize {
        ByteSize(mib << 20)
    }

    /// Bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// Units of 2^20 bytes.
    pub fn mib(self) -> f64 {
        self.0 as f64 / 1048576.0
    }
}

impl std::ops::Add for ByteSize {
    type Output = ByteSize;
    fn add(self, other: ByteSize) -> ByteSize {
        ByteSize(self.0.saturating_add(other.0))
    }
}

impl std::iter::Sum for ByteSize {
    fn sum<I: Iterator<Item = ByteSize>>(sizes: I) -> ByteSize {
        sizes.fold(ByteSize::ZERO, |a, b| a + b)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, scale) =
            ByteSize::UNITS[..4].iter().copied().find(|(_, scale)| self.0 as f64 >= *scale).unwrap_or(("B", 1.0));
        let value = self.0 as f64 / scale;
        // Exact where it can be, so that the written form reads back as the same value.
        if value.fract() == 0.0 { write!(f, "{value} {unit}") } else { write!(f, "{} B", self.0) }
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<ByteSize, UnitError> {
        let bytes = quantity(text, &ByteSize::UNITS, ByteSize::EXPECTED)?.round();
        if bytes <= (1u64 << 52) as f64 {
            Ok(ByteSize(bytes as u64))
        } else {
            Err(UnitError { found: text.to_owned(), expected: ByteSize::EXPECTED })
        }
    }
}

/// Power, in watts: finite and not below zero.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Power(f64);

impl Power {
    /// The most that a scenario may say: 1 MW.
    pub const MAX: Power = Power(1e6);
    const EXPECTED: &'static str = "a power such as \"3.5 W\" (W, mW or kW)";
    const UNITS: [(&'static str, f64); 3] = [("W", 1.0), ("mW", 1e-3), ("kW", 1e3)];

    /// `watts` watts; what is not a number or below zero counts as none.
    pub const fn from_watts(watts: f64) -> Power {
        Power(if watts > 0.0 && watts < f64::INFINITY { watts } else { 0.0 })
    }

    /// Watts, that is joules per second.
    pub const fn watts(self) -> f64 {
        self.0
    }

    /// Joules that are used within `time`.
    pub fn joules_in(self, time: Duration) -> f64 {
        self.0 * time.as_secs_f64()
    }
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The shortest text that reads back as the same value.
        write!(f, "{} W", self.0)
    }
}

impl FromStr for Power {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Power, UnitError> {
        let watts = quantity(text, &Power::UNITS, Power::EXPECTED)?;
        if watts <= Power::MAX.0 {
            Ok(Power(watts))
        } else {
            Err(UnitError { found: text.to_owned(), expected: Power::EXPECTED })
        }
    }
}

/// Energy used for each byte that is sent or received, in nanojoules: finite and not below zero.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct EnergyPerByte(f64);

impl EnergyPerByte {
    /// The most that a scenario may say: 1 J/B.
    pub const MAX: EnergyPerByte = EnergyPerByte(1e9);
    const EXPECTED: &'static str = "an energy per byte such as \"20 nJ/B\" (nJ/B, uJ/B, mJ/B or J/B)";
    const UNITS: [(&'static str, f64); 4] = [("nJ/B", 1.0), ("uJ/B", 1e3), ("mJ/B", 1e6), ("J/B", 1e9)];

    /// `nanojoules` for each byte; what is not a number or below zero counts as none.
    pub const fn from_nanojoules(nanojoules: f64) -> EnergyPerByte {
        EnergyPerByte(if nanojoules > 0.0 && nanojoules < f64::INFINITY { nanojoules } else { 0.0 })
    }

    /// Joules for each byte.
    pub fn joules(self) -> f64 {
        self.0 * 1e-9
    }

    /// Joules for `size`.
    pub fn joules_for(self, size: ByteSize) -> f64 {
        self.joules() * size.bytes() as f64
    }
}

impl fmt::Display for EnergyPerByte {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} nJ/B", self.0)
    }
}

impl FromStr for EnergyPerByte {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<EnergyPerByte, UnitError> {
        let nanojoules = quantity(text, &EnergyPerByte::UNITS, EnergyPerByte::EXPECTED)?;
        if nanojoules <= EnergyPerByte::MAX.0 {
            Ok(EnergyPerByte(nanojoules))
        } else {
            Err(UnitError { found: text.to_owned(), expected: EnergyPerByte::EXPECTED })
        }
    }
}

const DURATION_EXPECTED: &str = "a time such as \"20 ms\" (ns, us, ms, s, min or h)";
const DURATION_UNITS: [(&str, f64); 6] =
    [("h", 3600e9), ("min", 60e9), ("s", 1e9), ("ms", 1e6), ("us", 1e3), ("ns", 1.0)];

/// Reads a time such as `"20 ms"`.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let nanos = quantity(text, &DURATION_UNITS, DURATION_EXPECTED)?.round();
    if nanos <= 1e18 {
        Ok(Duration::from_nanos(nanos as u64))
    } else {
        Err(UnitError { found: text.to_owned(), expected: DURATION_EXPECTED })
    }
}

/// Writes a time so that [`parse_duration`] reads it back as the same value.
pub fn format_duration(time: Duration) -> String {
    let nanos = time.as_nanos() as u64;
    let (unit, scale) = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)]
        .into_iter()
        .find(|(_, scale)| nanos >= *scale)
        .unwrap_or(("ns", 1));
    format!("{} {unit}", trimmed(nanos as f64 / scale as f64, 9))
}

/// `#[serde(with = "units::duration")]`: a time in its written form.
pub mod duration {
    use super::*;

    /// Writes the time as text.
    pub fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_duration(*time))
    }

    /// Reads the time from text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_duration(&text).map_err(de::Error::custom)
    }
}

/// The number before the unit, in the smallest unit; white space between them is optional.
fn quantity(text: &str, units: &[(&str, f64)], expected: &'static str) -> Result<f64, UnitError> {
    let error = || UnitError { found: text.to_owned(), expected };
    let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(error)?;
    let (number, unit) = (text[..split].trim(), text[split..].trim());
    let (_, scale) = units.iter().find(|(name, _)| *name == unit).ok_or_else(error)?;
    let value: f64 = number.parse().map_err(|_| error())?;
    if value.is_finite() && value >= 0.0 { Ok(value * scale) } else { Err(error()) }
}

/// At most `digits` decimals, without trailing zeros.
fn trimmed(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

macro_rules! written_form {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}
written_form!(Rate);
written_form!(ByteSize);
written_form!(Power);
written_form!(EnergyPerByte);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_written_quantity_reads_back_as_itself(bits in 1u64..1_000_000_000_000, bytes in 0u64..(1 << 52), nanos in 0u64..1_000_000_000_000, watts in 0.0..1e6f64, nanojoules in 0.0..1e9f64) {
            let (rate, size, time) = (Rate(bits), ByteSize(bytes), Duration::from_nanos(nanos));
            prop_assert_eq!(rate.to_string().parse::<Rate>(), Ok(rate));
            prop_assert_eq!(size.to_string().parse::<ByteSize>(), Ok(size));
            prop_assert_eq!(parse_duration(&format_duration(time)), Ok(time));
            let (power, each) = (Power::from_watts(watts), EnergyPerByte::from_nanojoules(nanojoules));
            prop_assert_eq!(power.to_string().parse::<Power>(), Ok(power));
            prop_assert_eq!(each.to_string().parse::<EnergyPerByte>(), Ok(each));
        }
    }

    #[test]
    fn a_number_without_its_unit_is_refused() {
        assert!("10".parse::<Rate>().is_err());
        assert!("10 MB/s".parse::<Rate>().is_err());
        assert!("64".parse::<ByteSize>().is_err());
        assert!(parse_duration("-3 ms").is_err());
        assert!("5".parse::<Power>().is_err() && "-1 W".parse::<Power>().is_err());
        assert!("20 nJ".parse::<EnergyPerByte>().is_err());
    }

    #[test]
    fn power_is_energy_over_time() {
        let power: Power = "600 mW".parse().unwrap();
        assert!((power.joules_in(Duration::from_secs(10)) - 6.0).abs() < 1e-12);
        let each: EnergyPerByte = "20 nJ/B".parse().unwrap();
        assert_eq!(each.to_string(), "20 nJ/B");
        assert!((each.joules_for(ByteSize::from_bytes(1_000_000_000)) - 20.0).abs() < 1e-9);
    }
}
