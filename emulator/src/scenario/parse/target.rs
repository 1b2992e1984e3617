//! How faults name what they hit.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::leaf::{List, Text, Whole, leaf_schema};
use super::macros::table;
use super::mistake::Mistake;
use super::reader::{At, Read, Reader};
use super::tree::{Node, Value};

/// Which node.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeAim {
    /// By name.
    Name(String),
    /// Whoever holds this stage.
    Stage(u16),
    /// A worker without a stage.
    Spare,
    /// Drawn by lot.
    Random(Draw),
}

/// Which pair of hosts.
#[derive(Debug, Clone, PartialEq)]
pub enum PairAim {
    /// By name.
    Names(At<String>, At<String>),
    /// From the holder of this stage to that of the next.
    AfterStage(u16),
    /// Drawn by lot.
    Random(Draw),
}

/// How targets are drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Draw {
    /// How many.
    pub count: usize,
    /// Of which nodes; `None`: of the workers.
    pub of: Option<Vec<At<String>>>,
}

table! {
    /// Targets drawn by lot, the same for the same seed.
    pub struct DrawKeys as "{ random = 2, of = \"workers\" }" {
        /// How many different ones.
        random: Required<Whole<1, 1000>>,
        /// What they are drawn from: `"workers"`, or a list of names.
        of: Optional<Of> = "workers",
    }
}

/// What is drawn from; `None`: the workers.
#[derive(Debug, Clone)]
pub struct Of(pub Option<Vec<At<String>>>);

impl Read for Of {
    const WHAT: &'static str = "\"workers\" or a list of names";
    const EXAMPLE: &'static str = "\"workers\"";
    fn read(node: &Node, reader: &mut Reader) -> Option<Of> {
        match &node.value {
            Value::Text(word) => reader.choice(word, &["workers"], node.place).map(|_| Of(None)),
            Value::List(_) => {
                let List(names) = List::<Text>::read(node, reader)?;
                Some(Of(Some(names.into_iter().map(|At { value: Text(value), place }| At { value, place }).collect())))
            }
            _ => {
                reader.wrong_type::<Of>(node);
                None
            }
        }
    }
}
leaf_schema!(
    Of,
    "Of",
    json_schema!({
        "title": "\"workers\" or names",
        "anyOf": [{ "enum": ["workers"] }, { "type": "array", "items": { "type": "string" } }],
    })
);

fn one_at_random() -> Draw {
    Draw { count: 1, of: None }
}

fn draw(node: &Node, reader: &mut Reader) -> Option<Draw> {
    let keys = DrawKeys::read(node, reader)?;
    Some(Draw { count: keys.random.get()?.0 as usize, of: keys.of.get()?.0.clone() })
}

/// The number in `stage:2`, if `text` begins with `prefix`; a number that isn't one is noted.
fn stage(text: &str, prefix: &str, node: &Node, reader: &mut Reader) -> Option<Option<u16>> {
    let number = text.strip_prefix(prefix)?;
    let stage = number.trim().parse().ok();
    if stage.is_none() {
        let rule = "stages are numbered from 0, the first being the one that the dispatcher feeds";
        reader.note(Mistake::BadName { found: text.to_owned(), what: "a stage", rule }, node.place);
    }
    Some(stage)
}

impl Read for NodeAim {
    const WHAT: &'static str = "a node's name, \"stage:N\", \"spare\", \"random\", or { random = N }";
    const EXAMPLE: &'static str = "\"stage:1\"";
    fn read(node: &Node, reader: &mut Reader) -> Option<NodeAim> {
        match &node.value {
            Value::Text(text) if text == "random" => Some(NodeAim::Random(one_at_random())),
            Value::Text(text) if text == "spare" => Some(NodeAim::Spare),
            Value::Text(text) => match stage(text, "stage:", node, reader) {
                Some(stage) => stage.map(NodeAim::Stage),
                None => Some(NodeAim::Name(text.clone())),
            },
            Value::Table(_) => draw(node, reader).map(NodeAim::Random),
            _ => {
                reader.wrong_type::<NodeAim>(node);
                None
            }
        }
    }
}

impl Read for PairAim {
    const WHAT: &'static str = "two names, \"after-stage:N\", \"random\", or { random = N }";
    const EXAMPLE: &'static str = "[\"n03\", \"n07\"]";
    fn read(node: &Node, reader: &mut Reader) -> Option<PairAim> {
        match &node.value {
            Value::Text(text) if text == "random" => Some(PairAim::Random(one_at_random())),
            Value::Text(text) => match stage(text, "after-stage:", node, reader) {
                Some(stage) => stage.map(PairAim::AfterStage),
                None => {
                    let rule = "write two names, [\"n03\", \"n07\"], or \"after-stage:1\", or \"random\"";
                    reader.note(Mistake::BadName { found: text.clone(), what: "a pair", rule }, node.place);
                    None
                }
            },
            Value::List(nodes) if nodes.len() == 2 => {
                let List(names) = List::<Text>::read(node, reader)?;
                let mut names = names.into_iter().map(|At { value: Text(value), place }| At { value, place });
                Some(PairAim::Names(names.next()?, names.next()?))
            }
            Value::List(nodes) => {
                let (key, found) = (reader.key(), format!("a list of {}", nodes.len()));
                reader.note(Mistake::OutOfRange { key, found, range: "two names".to_owned() }, node.place);
                None
            }
            Value::Table(_) => draw(node, reader).map(PairAim::Random),
            _ => {
                reader.wrong_type::<PairAim>(node);
                None
            }
        }
    }
}

macro_rules! aim_schema {
    ($Aim:ident, $title:literal, $named:expr) => {
        impl JsonSchema for $Aim {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($Aim).into()
            }
            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let drawn = generator.subschema_for::<DrawKeys>();
                json_schema!({ "title": $title, "anyOf": [$named, drawn] })
            }
        }
    };
}
aim_schema!(NodeAim, "node", json_schema!({ "type": "string", "examples": ["n03", "stage:1", "spare", "random"] }));
aim_schema!(
    PairAim,
    "pair",
    json_schema!({ "anyOf": [
        { "type": "array", "items": { "type": "string" }, "minItems": 2, "maxItems": 2, "examples": [["n03", "n07"]] },
        { "type": "string", "pattern": "^(random|after-stage:[0-9]+)$", "examples": ["random", "after-stage:1"] },
    ] })
);
