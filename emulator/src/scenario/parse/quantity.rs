//! Numbers with units, each kind a type.

use std::time::Duration;

use planner::units::{ByteSize, EnergyPerByte, Power, Rate, parse_duration};
use schemars::json_schema;

use super::leaf::leaf_schema;
use super::mistake::Mistake;
use super::reader::{Read, Reader};
use super::tree::{Node, Value};
use super::unit::{FREQUENCY, LENGTH, PER_BYTE, PER_SECOND, POWER, QUEUE, RATE, SIZE, TIME};
use crate::scenario::LONGEST;

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
            "title": $table.what.trim_start_matches("an ").trim_start_matches("a "),
            "type": "string",
            "pattern": $table.pattern(),
            "examples": [$table.example],
        }));
    };
}

const TOO_LARGE: &str = "absurdly large";
const ZERO: &str = "zero, which makes no sense here";

fn time(text: &str, _: f64) -> Result<Duration, &'static str> {
    // Whatever is scheduled, sums of such times never overflow.
    parse_duration(text).ok().filter(|time| *time <= LONGEST).ok_or(TOO_LARGE)
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

quantity!(
    /// What a node uses, zero included.
    PowerDraw(Power), POWER, "\"3.5 W\"", |text: &str, _: f64| text.parse::<Power>().map_err(|_| TOO_LARGE)
);
quantity!(
    /// What a byte costs, zero included.
    PerByte(EnergyPerByte), PER_BYTE, "\"20 nJ/B\"", |text: &str, _: f64| {
        text.parse::<EnergyPerByte>().map_err(|_| TOO_LARGE)
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
