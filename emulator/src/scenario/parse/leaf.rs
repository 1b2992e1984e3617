//! Texts, names, numbers and lists.

use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::mistake::Mistake;
use super::reader::{At, Read, Reader};
use super::tree::{Node, Value};

/// Gives a leaf its schema: in place, or (`shared`) among the definitions.
macro_rules! leaf_schema {
    (shared $Type:ty, $name:literal, $schema:expr) => {
        impl schemars::JsonSchema for $Type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $schema
            }
        }
    };
    ($Type:ty $(where [$($generics:tt)*])?, $name:literal, $schema:expr) => {
        impl $(<$($generics)*>)? schemars::JsonSchema for $Type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $schema
            }
        }
    };
}
pub(crate) use leaf_schema;

/// Any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(pub String);

impl Read for Text {
    const WHAT: &'static str = "a string";
    const EXAMPLE: &'static str = "\"text\"";
    fn read(node: &Node, reader: &mut Reader) -> Option<Text> {
        match &node.value {
            Value::Text(text) => Some(Text(text.clone())),
            _ => {
                reader.wrong_type::<Text>(node);
                None
            }
        }
    }
}
leaf_schema!(Text, "Text", json_schema!({ "title": "text", "type": "string" }));

/// True or false.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag(pub bool);

impl Read for Flag {
    const WHAT: &'static str = "true or false";
    const EXAMPLE: &'static str = "true";
    fn read(node: &Node, reader: &mut Reader) -> Option<Flag> {
        match &node.value {
            Value::Bool(value) => Some(Flag(*value)),
            _ => {
                reader.wrong_type::<Flag>(node);
                None
            }
        }
    }
}
leaf_schema!(Flag, "Flag", json_schema!({ "title": "true or false", "type": "boolean" }));

/// The name of a scenario, which is also that of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioName(pub String);

const SCENARIO_NAME: &str = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$";

impl Read for ScenarioName {
    const WHAT: &'static str = "a short name";
    const EXAMPLE: &'static str = "\"first-try\"";
    fn read(node: &Node, reader: &mut Reader) -> Option<ScenarioName> {
        let rule = "a scenario's name is a folder's name too: up to 64 letters, digits, dots, dashes and underscores, \
                    the first a letter or a digit";
        let Text(found) = Text::read(node, reader)?;
        let first = found.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
        if first && found.len() <= 64 && found.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
            return Some(ScenarioName(found));
        }
        reader.note(Mistake::BadName { found, what: "the name of a scenario", rule }, node.place);
        None
    }
}
leaf_schema!(
    ScenarioName,
    "ScenarioName",
    json_schema!({ "title": "name", "type": "string", "pattern": SCENARIO_NAME, "examples": ["first-try"] })
);

/// The name of a node or switch, which is also a hostname.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeName(pub String);

impl NodeName {
    /// Words that mean something else where a node is named.
    pub const RESERVED: [&'static str; 2] = ["random", "spare"];
    const PATTERN: &'static str = "^[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?$";
}

impl Read for NodeName {
    const WHAT: &'static str = "the name of a node";
    const EXAMPLE: &'static str = "\"camera-1\"";
    fn read(node: &Node, reader: &mut Reader) -> Option<NodeName> {
        let rule = "a node's name is its hostname too: up to 32 letters, digits and dashes, no dash at either end; \
                    \"random\" and \"spare\" have another meaning";
        let Text(found) = Text::read(node, reader)?;
        let made_of = found.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let dashed = found.starts_with('-') || found.ends_with('-');
        if made_of && !dashed && (1..=32).contains(&found.len()) && !NodeName::RESERVED.contains(&found.as_str()) {
            return Some(NodeName(found));
        }
        reader.note(Mistake::BadName { found, what: "the name of a node", rule }, node.place);
        None
    }
}
leaf_schema!(
    NodeName,
    "NodeName",
    json_schema!({ "title": "node name", "type": "string", "pattern": NodeName::PATTERN, "examples": ["camera-1"] })
);

/// A whole number from `LEAST` to `MOST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole<const LEAST: u64, const MOST: u64>(pub u64);

impl<const LEAST: u64, const MOST: u64> Read for Whole<LEAST, MOST> {
    const WHAT: &'static str = "a whole number";
    const EXAMPLE: &'static str = "20";
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::Integer(found) = node.value else {
            reader.wrong_type::<Self>(node);
            return None;
        };
        match u64::try_from(found) {
            Ok(value) if (LEAST..=MOST).contains(&value) => Some(Whole(value)),
            _ => {
                let range = match MOST {
                    u64::MAX => format!("{LEAST} or more, and fit into 64 bits"),
                    _ => format!("from {LEAST} to {MOST}"),
                };
                let key = reader.key();
                reader.note(Mistake::OutOfRange { key, found: found.to_string(), range }, node.place);
                None
            }
        }
    }
}
leaf_schema!(Whole<LEAST, MOST> where [const LEAST: u64, const MOST: u64], "Whole", {
    let mut schema = json_schema!({ "title": "whole number", "type": "integer", "minimum": LEAST });
    if MOST < u64::MAX {
        schema.insert("maximum".to_owned(), MOST.into());
    }
    schema
});

/// What a [`Real`] measures, and between which bounds.
pub trait Measure: std::fmt::Debug + Clone {
    /// Smallest value allowed.
    const LEAST: f64;
    /// Largest value allowed.
    const MOST: f64;
    /// What it is, with an article.
    const WHAT: &'static str;
}

/// A plain number with bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Real<M: Measure>(pub f64, PhantomData<M>);

/// How many times longer a node computes than this host.
#[derive(Debug, Clone, PartialEq)]
pub struct Slowdown;

impl Measure for Slowdown {
    const LEAST: f64 = 1.0;
    const MOST: f64 = 10_000.0;
    const WHAT: &'static str = "a factor";
}

/// Cores of this host.
#[derive(Debug, Clone, PartialEq)]
pub struct Cores;

impl Measure for Cores {
    const LEAST: f64 = 0.01;
    const MOST: f64 = 1024.0;
    const WHAT: &'static str = "a number of cores";
}

impl<M: Measure> Read for Real<M> {
    const WHAT: &'static str = M::WHAT;
    const EXAMPLE: &'static str = "1.5";
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let found = match node.value {
            Value::Integer(value) => value as f64,
            Value::Float(value) => value,
            _ => {
                reader.wrong_type::<Self>(node);
                return None;
            }
        };
        if (M::LEAST..=M::MOST).contains(&found) {
            return Some(Real(found, PhantomData));
        }
        let (key, range) = (reader.key(), format!("from {} to {}", M::LEAST, M::MOST));
        reader.note(Mistake::OutOfRange { key, found: found.to_string(), range }, node.place);
        None
    }
}
leaf_schema!(
    Real<M> where [M: Measure],
    "Real",
    json_schema!({ "title": "number", "type": "number", "minimum": M::LEAST, "maximum": M::MOST })
);

/// A list in which one wrong element spoils the whole.
#[derive(Debug, Clone, PartialEq)]
pub struct List<T>(pub Vec<At<T>>);

impl<T: Read> Read for List<T> {
    const WHAT: &'static str = "a list";
    const EXAMPLE: &'static str = "[]";
    fn read(node: &Node, reader: &mut Reader) -> Option<List<T>> {
        let Value::List(nodes) = &node.value else {
            reader.wrong_type_as(node, "a list", &format!("[{}]", T::EXAMPLE));
            return None;
        };
        reader.elements(nodes).into_iter().collect::<Option<Vec<_>>>().map(List)
    }
}

/// A list of tables, from which wrong ones are left out.
#[derive(Debug, Clone)]
pub struct Tables<T>(pub Vec<At<T>>);

impl<T: Read> Read for Tables<T> {
    const WHAT: &'static str = "a list of tables";
    const EXAMPLE: &'static str = T::EXAMPLE;
    fn read(node: &Node, reader: &mut Reader) -> Option<Tables<T>> {
        let Value::List(nodes) = &node.value else {
            let key = reader.key();
            let expected = "a list of tables".to_owned();
            let found = node.value.type_name().to_owned();
            let example = format!("[[{key}]], once for each");
            reader.note(Mistake::WrongType { key, expected, found, example }, node.place);
            return None;
        };
        Some(Tables(reader.elements(nodes).into_iter().flatten().collect()))
    }
}

macro_rules! list_schema {
    ($List:ident) => {
        impl<T: JsonSchema> JsonSchema for $List<T> {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                "List".into()
            }
            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let items = generator.subschema_for::<T>();
                json_schema!({ "title": "list", "type": "array", "items": items })
            }
        }
    };
}
list_schema!(List);
list_schema!(Tables);
