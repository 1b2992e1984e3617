//! What the nodes are, as it is written.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::scenario::Role;
use crate::scenario::parse::choice::Choice;
use crate::scenario::parse::leaf::{Cores, List, NodeName, Real, Slowdown, Tables};
use crate::scenario::parse::macros::table;
use crate::scenario::parse::quantity::{PerByte, PowerDraw, Size};
use crate::scenario::parse::raw::{CommandLine, Ready};
use crate::scenario::parse::reader::{At, Read, Reader, Table};
use crate::scenario::parse::tree::{Node, Value};

table! {
    /// What a node is.
    pub struct NodeKeys as "{ memory = \"64 MiB\" }" {
        /// Memory its process may use; `"512 MiB"` when not given.
        memory: Optional<Size>,
        /// Memory that the dispatcher is told it has, if that is wrong; `memory` when not given.
        claims: Optional<Size>,
        /// Cores of this host its process may use at most (0.5 is half a core); no limit when not given.
        cpu: Optional<Real<Cores>>,
        /// How many times longer it computes than this host; 1 when not given. It waits, so slow nodes
        /// cost this host nothing.
        slowdown: Optional<Real<Slowdown>>,
        /// Size of its state folder; `"256 MiB"` when not given.
        storage: Optional<Size>,
        /// Power while it computes; `"5 W"` when not given, like a Raspberry Pi 4. Energy is computed from
        /// these figures, not measured.
        busy_power: Optional<PowerDraw>,
        /// Power while it does not compute; `"2 W"` when not given.
        idle_power: Optional<PowerDraw>,
        /// Energy for each byte it sends or receives, besides; `"50 nJ/B"` when not given.
        byte_energy: Optional<PerByte>,
        /// What runs on it for as long as it is up: a list of words, or a text for the shell. `{{name}}`, `{{address}}`, `{{state}}`,
        /// `{{scenario}}` and `{{NODE.address}}` stand for what is known only when the network is there.
        run: Optional<CommandLine>,
        /// By what it is seen that this serves; once it has been started, when not given.
        ready: Optional<Ready>,
        /// What runs on it while load is offered.
        load: Optional<CommandLine>,
        /// What says, when load is over, whether all is as it must be: by exit code 0.
        check: Optional<CommandLine>,
        /// What it does. Unless given, the first node is the client, the second the dispatcher, and
        /// all others are workers.
        role: Optional<Choice<Role>>,
    }
}

table! {
    /// One node of a `graph`, or several alike.
    pub struct ListedNode as "[[node]]\nname = \"camera\"" {
        /// Its name.
        name: Optional<NodeName>,
        /// The names of several nodes that are alike, instead of `name`.
        names: Optional<List<NodeName>>,
        ..keys: NodeKeys,
    }
}

/// `[node]` with its overrides, or `[[node]]`.
#[derive(Debug, Clone)]
pub enum Nodes {
    /// What all nodes are, and what some are instead.
    Defaults {
        /// What all are.
        all: Box<NodeKeys>,
        /// What some are: by name or role.
        some: Vec<(At<String>, NodeKeys)>,
    },
    /// Each by itself.
    Listed(Tables<ListedNode>),
}

impl Read for Nodes {
    const WHAT: &'static str = "a table, or a list of tables";
    const EXAMPLE: &'static str = "{ memory = \"64 MiB\" }";
    fn read(node: &Node, reader: &mut Reader) -> Option<Nodes> {
        if let Value::List(_) = node.value {
            return Tables::read(node, reader).map(Nodes::Listed);
        }
        reader.table(node, Self::EXAMPLE, |table| {
            let all = Box::new(NodeKeys::read_keys(table));
            let mut some = Vec::new();
            for entry in table.rest() {
                if !matches!(entry.node.value, Value::Table(_)) {
                    table.unknown(entry);
                } else if let Some(keys) = table.read(entry) {
                    some.push((At { value: entry.key.clone(), place: entry.place }, keys));
                }
            }
            table.all_known();
            Some(Nodes::Defaults { all, some })
        })
    }
}

impl JsonSchema for Nodes {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Nodes".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        // Not by reference: names may stand besides its keys.
        let mut defaults = NodeKeys::json_schema(generator);
        let listed = generator.subschema_for::<Tables<ListedNode>>();
        let one = generator.subschema_for::<NodeKeys>();
        defaults.insert("additionalProperties".to_owned(), one.into());
        json_schema!({ "title": "table or list", "anyOf": [defaults, listed] })
    }
}
