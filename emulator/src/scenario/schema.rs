//! The JSON Schema of scenarios, for editors, and the reference of their keys, for people: both made
//! from the raw structs and their doc comments.

mod reference;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use super::parse::raw;
use super::parse::reader::Table;
use super::parse::tree::{self, Node};

pub use reference::reference;

/// The schema of a scenario: JSON Schema, draft 7.
pub fn schema() -> Value {
    let mut schema = generated(false);
    strip(&mut schema);
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".to_owned(), "emu scenario".into());
    }
    schema
}

/// The schema with what only the [`reference`] needs, `inline` without any `$ref`.
fn generated(inline: bool) -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = inline);
    let schema = settings.into_generator().into_root_schema_for::<raw::Scenario>();
    let mut schema = schema.to_value();
    tidy(&mut schema);
    schema
}

/// The schema as the text that is committed and printed.
pub fn schema_text() -> String {
    // A value made of maps with text keys always has a text.
    serde_json::to_string_pretty(&schema()).map(|text| text + "\n").unwrap_or_default()
}

/// Tells the schema of a table which of its keys must be there, and the defaults of the others.
pub fn describe<T: Table + JsonSchema>(schema: &mut Schema) {
    // Tables that were taken in have told theirs.
    let mut required: Vec<Value> = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    required.extend(T::KEYS.iter().filter(|key| key.required).map(|key| key.name.into()));
    if !required.is_empty() {
        schema.insert("required".to_owned(), required.into());
    }
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
    for property in properties.values_mut().filter_map(Value::as_object_mut) {
        let position = property.get(POSITION).and_then(Value::as_u64).unwrap_or_default();
        property.insert(POSITION.to_owned(), (position + 100).into());
    }
    for (position, key) in T::KEYS.iter().enumerate() {
        let default = key.default.and_then(|text| tree::value(text, 0)).and_then(|node| json(&node));
        if let Some(Value::Object(property)) = properties.get_mut(key.name) {
            property.insert(POSITION.to_owned(), position.into());
            if let Some(default) = default {
                property.insert("default".to_owned(), default);
            }
        }
    }
}

/// Where a key stands in its table, for the reference.
const POSITION: &str = "x-position";

fn strip(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove(POSITION);
            map.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

fn json(node: &Node) -> Option<Value> {
    match &node.value {
        tree::Value::Text(text) => Some(text.clone().into()),
        tree::Value::Integer(number) => i64::try_from(*number).ok().map(Value::from),
        tree::Value::Float(number) => Some((*number).into()),
        tree::Value::Bool(value) => Some((*value).into()),
        tree::Value::Date | tree::Value::List(_) | tree::Value::Table(_) => None,
    }
}

/// Joins the lines of descriptions: doc comments are wrapped for the source, not for an editor.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(text) if key == "description" => *text = text.replace('\n', " "),
                    other => tidy(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}
