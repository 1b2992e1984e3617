//! The values of a TOML text, each with its place. The `toml` crate reads; this keeps what it read in
//! the order it was written and in the offsets of [`Sources`](super::super::source::Sources).

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::scenario::source::Place;

/// A value and where it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where: of a `[table]`, its header.
    pub place: Place,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A string.
    Text(String),
    /// An integer.
    Integer(i128),
    /// A number with a fraction.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// A date or time of day, which no key takes.
    Date,
    /// A list.
    List(Vec<Node>),
    /// A table, in the order it was written.
    Table(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key is.
    pub place: Place,
    /// Its value.
    pub node: Node,
}

impl Value {
    /// What to call a value of this type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Text(_) => "a string",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a number with a fraction",
            Value::Bool(_) => "true or false",
            Value::Date => "a date",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

/// A mistake in the TOML itself.
#[derive(Debug, Clone, PartialEq)]
pub struct SyntaxError {
    /// What is wrong.
    pub message: String,
    /// Where.
    pub place: Place,
}

/// Reads `text`, whose offsets begin at `base`. What can be read is read, whatever is wrong elsewhere.
pub fn document(text: &str, base: usize) -> (Vec<Entry>, Vec<SyntaxError>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let errors = errors
        .into_iter()
        .map(|error| {
            let place = Place::new(base, error.span().unwrap_or(0..0));
            SyntaxError { message: error.message().to_owned(), place }
        })
        .collect();
    (entries(table.get_ref(), base), errors)
}

/// Reads one value, such as `"20 ms"`; `None` if it isn't one.
pub fn value(text: &str, base: usize) -> Option<Node> {
    DeValue::parse(text).ok().map(|value| node(&value, base))
}

/// The entries as a table of the `toml` crate, without their places. A date, which no key takes, is left out.
pub fn table(entries: &[Entry]) -> toml::Table {
    entries.iter().filter_map(|entry| Some((entry.key.clone(), plain(&entry.node.value)?))).collect()
}

fn plain(value: &Value) -> Option<toml::Value> {
    Some(match value {
        Value::Text(text) => toml::Value::String(text.clone()),
        // One that is larger is out of every range there is.
        Value::Integer(integer) => toml::Value::Integer(i64::try_from(*integer).unwrap_or(i64::MAX)),
        Value::Float(float) => toml::Value::Float(*float),
        Value::Bool(value) => toml::Value::Boolean(*value),
        Value::Date => return None,
        Value::List(nodes) => toml::Value::Array(nodes.iter().filter_map(|node| plain(&node.value)).collect()),
        Value::Table(entries) => toml::Value::Table(table(entries)),
    })
}

fn entries(table: &DeTable<'_>, base: usize) -> Vec<Entry> {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            place: Place::new(base, key.span()),
            node: node(value, base),
        })
        .collect();
    entries.sort_by_key(|entry| entry.place);
    entries
}

fn node(value: &Spanned<DeValue<'_>>, base: usize) -> Node {
    let place = Place::new(base, value.span());
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        // Integers beyond 128 bits are out of every range there is.
        DeValue::Integer(integer) => {
            Value::Integer(i128::from_str_radix(integer.as_str(), integer.radix()).unwrap_or(i128::MAX))
        }
        DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(items) => Value::List(items.iter().map(|item| node(item, base)).collect()),
        DeValue::Table(table) => Value::Table(entries(table, base)),
    };
    Node { value, place }
}
