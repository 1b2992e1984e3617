//! The keys that say what happens to packets.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::choice::{Choice, Family};
use super::leaf::Whole;
use super::macros::table;
use super::mistake::Mistake;
use super::quantity::{QueueSize, RateLimit, Share, Time};
use super::reader::{Read, Reader};
use super::tree::{Node, Value};
use crate::scenario::network::{Aqm, Distribution};

table! {
    /// What happens to packets on a link, in one direction.
    pub struct ShapeKeys as "{ rate = \"10 Mbit/s\", delay = \"5 ms\" }" {
        /// How much passes at most, counted in bytes on the wire, or `"unlimited"`. Not limited when not given.
        rate: Optional<RateLimit>,
        ..rest: Impairments,
    }
}

table! {
    /// What happens to packets besides the limit of their rate.
    pub struct Impairments as "{ delay = \"5 ms\" }" {
        /// Time that every packet takes besides its transmission. None when not given.
        delay: Optional<Time>,
        /// How much the delay varies: the standard deviation, or half the width of the uniform
        /// distribution. It doesn't when not given.
        jitter: Optional<Time>,
        /// How much the jitter of one packet has to do with that of the one before, 0 to 1. Only links in software can do that.
        jitter_correlation: Optional<Share>,
        /// How the delay varies: `"normal"` (when not given), `"uniform"`, `"pareto"`, or as measured: a list of quantiles in jitters, at
        /// equal steps from the least to the most; `[-1, -0.5, 0, 3]`: a third of all delays is between -1 and -0.5 jitters more than `delay`.
        distribution: Optional<Variation>,
        /// Which packets are lost: a share of all, each alike (`0.01` or `"1 %"`), or in bursts by the
        /// Gilbert-Elliott model: `{ p = "1 %", r = "25 %" }`. None when not given.
        loss: Optional<LossModel>,
        /// Share of packets that skip the delay and so overtake others; needs a `delay`.
        reorder: Optional<Share>,
        /// Of so many packets in a row at most one overtakes: the last, or one behind it, by the chance that `reorder` is; `5` and
        /// `reorder = 1.0`: every fifth. Any may when not given.
        reorder_gap: Optional<Whole<1, 1_000_000>>,
        /// Share of packets that arrive twice.
        duplicate: Optional<Share>,
        /// Share of packets in which one bit is flipped.
        corrupt: Optional<Share>,
        /// How much may wait for the rate before packets are dropped: `"64 KiB"`, `"100 packets"`, or
        /// as much as the rate carries in `"50 ms"`. Sized from rate and delay when not given.
        queue: Optional<QueueSize>,
        /// Which packets are dropped though the queue has room: none (`"drop-tail"`, when not given), or such as waited too long, by CoDel
        /// (`"codel"`; RFC 8289, 5 ms and 100 ms). Only links in software can do that.
        aqm: Optional<Choice<Aqm>>,
    }
}

/// Which packets are lost.
#[derive(Debug, Clone)]
pub enum LossModel {
    /// Each with the same probability.
    Random(Share),
    /// In bursts.
    Bursts(Box<Bursts>),
}

table! {
    /// Loss in bursts: the Gilbert-Elliott model, a good and a bad state.
    pub struct Bursts as "{ p = \"1 %\", r = \"25 %\" }" {
        /// Probability, per packet, to go from the good state to the bad one.
        p: Required<Share>,
        /// Probability, per packet, to go from the bad state to the good one; bursts are `1 / r` packets long.
        r: Required<Share>,
        /// Probability of loss in the bad state.
        bad: Optional<Share> = 1.0,
        /// Probability of loss in the good state.
        good: Optional<Share> = 0.0,
    }
}

impl Read for LossModel {
    const WHAT: &'static str = "a share (0 to 1, or a percentage) or a table";
    const EXAMPLE: &'static str = "\"1 %\"";
    fn read(node: &Node, reader: &mut Reader) -> Option<LossModel> {
        match &node.value {
            Value::Table(_) => Bursts::read(node, reader).map(|bursts| LossModel::Bursts(Box::new(bursts))),
            Value::Integer(_) | Value::Float(_) | Value::Text(_) => Share::read(node, reader).map(LossModel::Random),
            _ => {
                reader.wrong_type::<LossModel>(node);
                None
            }
        }
    }
}

impl JsonSchema for LossModel {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Loss".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (share, bursts) = (generator.subschema_for::<Share>(), generator.subschema_for::<Bursts>());
        json_schema!({ "title": "share or bursts", "anyOf": [share, bursts] })
    }
}

/// How a delay varies.
#[derive(Debug, Clone)]
pub struct Variation(pub Distribution);

impl Read for Variation {
    const WHAT: &'static str = "\"normal\", \"uniform\", \"pareto\", or a list of quantiles";
    const EXAMPLE: &'static str = "\"normal\"";
    fn read(node: &Node, reader: &mut Reader) -> Option<Variation> {
        match &node.value {
            Value::Text(_) => Choice::<Family>::read(node, reader).map(|Choice(family)| {
                Variation(match family {
                    Family::Normal => Distribution::Normal,
                    Family::Uniform => Distribution::Uniform,
                    Family::Pareto => Distribution::Pareto,
                })
            }),
            Value::List(elements) => {
                quantiles(node, elements, reader).map(|table| Variation(Distribution::Table(table)))
            }
            _ => {
                reader.wrong_type::<Variation>(node);
                None
            }
        }
    }
}

fn quantiles(node: &Node, elements: &[Node], reader: &mut Reader) -> Option<Vec<f64>> {
    let (key, count) = (reader.key(), Distribution::QUANTILES);
    if !count.contains(&elements.len()) {
        let (found, range) =
            (format!("a list of {}", elements.len()), format!("one of {} to {}", count.start(), count.end()));
        reader.note(Mistake::OutOfRange { key, found, range }, node.place);
        return None;
    }
    let mut least = -Distribution::MOST;
    let mut quantiles = Vec::with_capacity(elements.len());
    for element in elements {
        let quantile = match element.value {
            Value::Integer(whole) => whole as f64,
            Value::Float(number) => number,
            _ => {
                reader.wrong_type_as(element, "a list of numbers", "[-1, 0, 2]");
                return None;
            }
        };
        // No number at all is in no range.
        if !(least..=Distribution::MOST).contains(&quantile) {
            let range = format!("from {least} to {} jitters, none less than the one before", Distribution::MOST);
            reader.note(Mistake::OutOfRange { key, found: quantile.to_string(), range }, element.place);
            return None;
        }
        least = quantile;
        quantiles.push(quantile);
    }
    Some(quantiles)
}

impl JsonSchema for Variation {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Distribution".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (family, most) = (generator.subschema_for::<Choice<Family>>(), Distribution::MOST);
        let count = Distribution::QUANTILES;
        let number = json_schema!({ "type": "number", "minimum": -most, "maximum": most });
        let table =
            json_schema!({ "type": "array", "minItems": count.start(), "maxItems": count.end(), "items": number });
        json_schema!({ "title": "word or quantiles", "anyOf": [family, table] })
    }
}
