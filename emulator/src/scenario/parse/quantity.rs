//! Numbers with units: how they are read, and what to say of those that can't be.

use std::time::Duration;

use planner::units::{ByteSize, Rate, parse_duration};
use schemars::json_schema;

use super::leaf::leaf_schema;
use super::mistake::{Mistake, QuantityError};
use super::reader::{Read, Reader};
use super::tree::{Node, Value};

/// A kind of quantity.
struct Quantity {
    /// With an article.
    what: &'static str,
    /// What its units are units of.
    of: &'static str,
    /// The units and how many of the smallest each is.
    units: &'static [(&'static str, f64)],
    /// What people write instead: the unit meant, and how many of it one of theirs is.
    instead: &'static [(&'static str, &'static str, f64)],
    example: &'static str,
}

const TIME: Quantity = Quantity {
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

const RATE: Quantity = Quantity {
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

const SIZE: Quantity = Quantity {
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
const QUEUE: Quantity = Quantity {
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

const LENGTH: Quantity = Quantity {
    what: "a length",
    of: "length",
    units: &[("m", 1.0), ("km", 1e3)],
    instead: &[("meters", "m", 1.0), ("metres", "m", 1.0), ("ft", "m", 0.3048)],
    example: "150 m",
};

const FREQUENCY: Quantity = Quantity {
    what: "a frequency",
    of: "frequency",
    units: &[("kHz", 1e-3), ("MHz", 1.0), ("GHz", 1e3)],
    instead: &[],
    example: "20 MHz",
};

const PER_SECOND: Quantity = Quantity {
    what: "a number per second",
    of: "frequency",
    units: &[("/s", 1.0), ("/min", 1.0 / 60.0)],
    instead: &[("per second", "/s", 1.0), ("req/s", "/s", 1.0), ("rps", "/s", 1.0), ("Hz", "/s", 1.0)],
    example: "20 /s",
};

impl Quantity {
    /// The number before the unit, in the smallest unit.
    fn measure(&self, text: &str) -> Result<f64, QuantityError> {
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

    fn out_of_range(&self, text: &str, problem: &'static str) -> QuantityError {
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

    fn mistake(&self, reason: QuantityError, text: &str) -> Mistake {
        let suggestion = match &reason {
            QuantityError::UnknownUnit { unit, .. } => self.suggestion(text, unit),
            _ => None,
        };
        let names: Vec<&str> = self.units.iter().map(|(name, _)| *name).collect();
        Mistake::BadQuantity { reason, what: self.what, units: names.join(", "), example: self.example, suggestion }
    }

    /// Reads a quantity and makes a value of it; `make` answers with what is wrong with the number.
    fn read<T: Read>(
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

    fn pattern(&self) -> String {
        let units: Vec<&str> = self.units.iter().map(|(name, _)| *name).collect();
        format!("^ *[+]?([0-9]+[.]?[0-9]*|[.][0-9]+) *({}) *$", units.join("|"))
    }
}

macro_rules! quantity {
    ($(#[$meta:meta])* $Name:ident($Value:ty), $table:ident, $example:literal, $make:expr) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct $Name(pub $Value);

        impl Read for $Name {
            const WHAT: &'static str = $table.what;
            const EXAMPLE: &'static str = $example;
            fn read(node: &Node, reader: &mut Reader) -> Option<$Name> {
                #[allow(clippy::redundant_closure_call)]
                $table.read(node, reader, |text, value| $make(text, value).map($Name))
            }
        }
        leaf_schema!($Name, "Quantity", json_schema!({
            "title": $table.what.trim_start_matches("a "),
            "type": "string",
            "pattern": $table.pattern(),
            "examples": [$table.example],
        }));
    };
}

const TOO_LARGE: &str = "absurdly large";
const ZERO: &str = "zero, which makes no sense here";

fn time(text: &str, _: f64) -> Result<Duration, &'static str> {
    // A hundred days: whatever is scheduled, sums of such times never overflow.
    parse_duration(text).ok().filter(|time| time.as_secs() <= 8_640_000).ok_or(TOO_LARGE)
}

quantity!(
    /// A time, zero included.
    Time(Duration), TIME, "\"20 ms\"", time
);
quantity!(
    /// A time that isn't zero.
    Period(Duration), TIME, "\"60 s\"", |text: &str, value: f64| {
        let period = time(text, value)?;
        if period.is_zero() { Err(ZERO) } else { Ok(period) }
    }
);
quantity!(
    /// A size, zero excluded.
    Size(ByteSize), SIZE, "\"64 MiB\"", |text: &str, value: f64| match text.parse::<ByteSize>() {
        _ if value < 0.5 => Err(ZERO),
        Ok(size) => Ok(size),
        Err(_) => Err(TOO_LARGE),
    }
);
quantity!(
    /// A length in metres.
    Length(f64), LENGTH, "\"150 m\"", |_: &str, metres: f64| match metres {
        _ if metres < 1.0 => Err("shorter than a metre"),
        _ if metres > 100_000.0 => Err(TOO_LARGE),
        _ => Ok(metres),
    }
);
quantity!(
    /// A frequency in MHz.
    Frequency(f64), FREQUENCY, "\"20 MHz\"", |_: &str, mhz: f64| match mhz {
        0.0 => Err(ZERO),
        _ if mhz > 10_000.0 => Err(TOO_LARGE),
        _ => Ok(mhz),
    }
);
quantity!(
    /// Events per second.
    PerSecond(f64), PER_SECOND, "\"20 /s\"", |_: &str, value: f64| match value {
        0.0 => Err(ZERO),
        _ if value > 1e6 => Err(TOO_LARGE),
        _ => Ok(value),
    }
);

/// A rate, or that there is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit(pub Option<Rate>);

const UNLIMITED: &str = "unlimited";

impl Read for RateLimit {
    const WHAT: &'static str = RATE.what;
    const EXAMPLE: &'static str = "\"10 Mbit/s\"";
    fn read(node: &Node, reader: &mut Reader) -> Option<RateLimit> {
        if node.value == Value::Text(UNLIMITED.to_owned()) {
            return Some(RateLimit(None));
        }
        RATE.read(node, reader, |text, value| match text.parse::<Rate>() {
            Ok(rate) => Ok(RateLimit(Some(rate))),
            Err(_) if value < 1.0 => Err("zero; for a link that carries nothing, use a fault of kind \"down\""),
            Err(_) => Err(TOO_LARGE),
        })
    }
}
leaf_schema!(
    shared RateLimit,
    "RateLimit",
    json_schema!({
        "title": "rate or \"unlimited\"",
        "type": "string",
        "pattern": format!("{}|^{UNLIMITED}$", RATE.pattern()),
        "examples": [RATE.example, UNLIMITED],
    })
);

/// A share: 0 to 1, or a percentage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(pub f64);

const SHARE_WHAT: &str = "a share (0 to 1, or a percentage)";

impl Read for Share {
    const WHAT: &'static str = SHARE_WHAT;
    const EXAMPLE: &'static str = "\"1 %\"";
    fn read(node: &Node, reader: &mut Reader) -> Option<Share> {
        let (share, found) = match &node.value {
            Value::Integer(number) => (Some(*number as f64), number.to_string()),
            Value::Float(number) => (Some(*number), number.to_string()),
            Value::Text(text) => {
                let percent = text.trim().strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
                (percent.map(|percent| percent / 100.0), format!("{text:?}"))
            }
            _ => (None, node.value.type_name().to_owned()),
        };
        match share {
            Some(share) if (0.0..=1.0).contains(&share) => Some(Share(share)),
            Some(_) => {
                let (key, range) = (reader.key(), "from 0 to 1 (or \"0 %\" to \"100 %\")".to_owned());
                reader.note(Mistake::OutOfRange { key, found, range }, node.place);
                None
            }
            None => {
                reader.wrong_type::<Share>(node);
                None
            }
        }
    }
}
leaf_schema!(
    shared Share,
    "Share",
    json_schema!({
        "title": "share",
        "anyOf": [
            { "type": "number", "minimum": 0, "maximum": 1 },
            { "type": "string", "pattern": "^ *([0-9]+[.]?[0-9]*|[.][0-9]+) *% *$" },
        ],
        "examples": ["1 %", 0.01],
    })
);

/// What may wait in front of a rate: bytes, packets or time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueSize(pub crate::scenario::network::Queue);

impl Read for QueueSize {
    const WHAT: &'static str = "a size, a number of packets, or a time";
    const EXAMPLE: &'static str = "\"64 KiB\"";
    fn read(node: &Node, reader: &mut Reader) -> Option<QueueSize> {
        use crate::scenario::network::Queue;
        let Value::Text(text) = &node.value else {
            reader.wrong_type::<QueueSize>(node);
            return None;
        };
        let packets = text.trim().strip_suffix("packets").map(|count| count.trim().parse::<u32>());
        if let Some(Ok(count @ 1..)) = packets {
            return Some(QueueSize(Queue::Packets(count)));
        }
        match (TIME.measure(text), SIZE.measure(text)) {
            (Ok(nanos), _) if nanos >= 1.0 => {
                if let Ok(value) = time(text, nanos) {
                    return Some(QueueSize(Queue::Time(value)));
                }
            }
            (_, Ok(bytes)) if bytes >= 1.0 => {
                if let Ok(size) = text.parse() {
                    return Some(QueueSize(Queue::Bytes(size)));
                }
            }
            _ => {}
        }
        let reason = match QUEUE.measure(text) {
            Err(reason) => reason,
            Ok(_) => QUEUE.out_of_range(text, "out of range"),
        };
        let mistake = QUEUE.mistake(reason, text);
        reader.note(mistake, node.place);
        None
    }
}
leaf_schema!(
    shared QueueSize,
    "QueueSize",
    json_schema!({
        "title": "size, packets or time",
        "type": "string",
        "pattern": format!("{}|{}|^ *[1-9][0-9]* *packets *$", SIZE.pattern(), TIME.pattern()),
        "examples": ["64 KiB", "100 packets", "50 ms"],
    })
);
