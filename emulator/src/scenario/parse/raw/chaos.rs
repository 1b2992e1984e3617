//! Faults drawn by lot, as it is written.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::chaos::kinds::KINDS;
use crate::scenario::parse::leaf::{Flag, Whole};
use crate::scenario::parse::macros::table;
use crate::scenario::parse::quantity::{PerSecond, Period, Time};
use crate::scenario::parse::reader::{Key, Read, Reader};
use crate::scenario::parse::tree::Node;

table! {
    /// Faults drawn by lot, the same for the same seed, besides those of `[[fault]]`: see docs/chaos.md.
    pub struct Chaos as "{ rate = \"20 /min\" }" {
        /// Which kinds of faults, each with its weight: what has 2 comes twice as often as what has 1, what is not
        /// named never. Each has a weight of its own when this is not given.
        kinds: Optional<Weights>,
        /// How many faults fire, on average; fewer where the limits forbid it.
        rate: Optional<PerSecond> = "20 /min",
        /// How long each lasts, at least.
        shortest: Optional<Period> = "500 ms",
        /// How long each lasts, at most.
        longest: Optional<Period> = "4 s",
        /// Most nodes that are down at once: dead, frozen or cut off. A fault between two nodes counts as one.
        down: Optional<Whole<1, 1000>> = 1,
        /// How many workers are whole at any moment, at least. As long as so many can hold the model, no stage is without a
        /// node to hold it. Half of the workers when not given.
        left: Optional<Whole<1, 1000>>,
        /// Whether the dispatcher may be hit, too.
        dispatcher: Optional<Flag> = false,
        /// How long nothing breaks at the start.
        begin: Optional<Time> = "5 s",
        /// How long nothing is broken any more at the end.
        quiet: Optional<Time> = "7 s",
    }
}

/// The weight of each of [`KINDS`], in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weights(pub Vec<u64>);

impl Read for Weights {
    const WHAT: &'static str = "a weight for each kind of fault";
    const EXAMPLE: &'static str = "{ kill = 3, pause = 1 }";
    fn read(node: &Node, reader: &mut Reader) -> Option<Weights> {
        reader.table(node, Weights::EXAMPLE, |table| {
            let keys = KINDS.iter().map(|kind| Key { name: kind.name, required: false, default: Some("0") });
            // A wrong one has been noted.
            let weights = keys.map(|key| table.field::<Whole<0, 1000>>(&key).get().map_or(0, |weight| weight.0));
            Some(Weights(weights.collect()))
        })
    }
}

impl JsonSchema for Weights {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Weights".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let weight = || json_schema!({ "type": "integer", "minimum": 0, "maximum": 1000 });
        let kinds: serde_json::Map<String, serde_json::Value> =
            KINDS.iter().map(|kind| (kind.name.to_owned(), weight().to_value())).collect();
        json_schema!({ "title": "table of weights", "type": "object", "additionalProperties": false, "properties": kinds })
    }
}
