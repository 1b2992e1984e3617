//! Reading tables: every key is asked for by name, whatever is wrong is noted, and reading goes on.

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::mistake::{Mistake, nearest};
use super::tree::{self, Entry, Node, Value};
use crate::scenario::error::{self, Problem};
use crate::scenario::source::Place;

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where; [`Place::NOWHERE`] for a default.
    pub place: Place,
}

/// What was found at a key.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Field<T> {
    /// Nothing, and nothing had to be there.
    #[default]
    Absent,
    /// Something wrong, which has been noted: what depends on it is left unchecked.
    Bad,
    /// A value, written or default.
    Given(At<T>),
}

impl<T> Field<T> {
    /// The value with its place.
    pub fn at(&self) -> Option<&At<T>> {
        match self {
            Field::Given(at) => Some(at),
            Field::Absent | Field::Bad => None,
        }
    }

    /// The value.
    pub fn get(&self) -> Option<&T> {
        self.at().map(|at| &at.value)
    }

    /// Where it is.
    pub fn place(&self) -> Place {
        self.at().map_or(Place::NOWHERE, |at| at.place)
    }

    /// The value if there is one, `Some(None)` if there need not be, and `None` if it is wrong.
    pub fn optional(&self) -> Option<Option<&T>> {
        match self {
            Field::Absent => Some(None),
            Field::Bad => None,
            Field::Given(at) => Some(Some(&at.value)),
        }
    }

    /// Whether something wrong was noted here.
    pub fn is_bad(&self) -> bool {
        matches!(self, Field::Bad)
    }
}

impl<T: JsonSchema> JsonSchema for Field<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A value that can be read from a scenario.
pub trait Read: Sized {
    /// What it is, with an article: `a time`.
    const WHAT: &'static str;
    /// How it is written, as TOML.
    const EXAMPLE: &'static str;

    /// Reads it; `None` if it is so wrong that nothing is left, which has been noted then.
    fn read(node: &Node, reader: &mut Reader) -> Option<Self>;
}

/// A table that is read key by key.
pub trait Table: Sized {
    /// Its keys: name, whether it must be there, and the default as TOML text.
    const KEYS: &'static [Key];

    /// Reads the keys that belong to it.
    fn read_keys(table: &mut TableReader<'_>) -> Self;

    /// What it is when nobody wrote it: all defaults.
    fn defaults() -> Self {
        let mut reader = Reader::default();
        let mut table = TableReader::new(&[], Place::NOWHERE, "", &mut reader);
        Self::read_keys(&mut table)
    }
}

/// What is known of a key besides its type.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What counts when it is not, as TOML text.
    pub default: Option<&'static str>,
}

/// Collects what is wrong and knows where reading is.
#[derive(Debug, Default)]
pub struct Reader {
    /// What is wrong so far.
    pub problems: Vec<Problem>,
    path: Vec<String>,
    in_list: bool,
}

impl Reader {
    /// Notes a mistake.
    pub fn note(&mut self, mistake: Mistake, place: Place) {
        self.problems.push(Problem::new(mistake.into(), place));
    }

    /// The key whose value is being read.
    pub fn key(&self) -> String {
        self.path.last().cloned().unwrap_or_default()
    }

    /// What to call the table being read: `[node.n03]`, `[[fault]]`, or the file itself.
    pub fn title(&self) -> String {
        match (self.path.join("."), self.in_list) {
            (path, _) if path.is_empty() => "the scenario".to_owned(),
            (path, true) => format!("[[{path}]]"),
            (path, false) => format!("[{path}]"),
        }
    }

    /// Notes that the value has another type than expected.
    pub fn wrong_type<T: Read>(&mut self, node: &Node) {
        self.wrong_type_as(node, T::WHAT, T::EXAMPLE);
    }

    /// The same, with words of one's own.
    pub fn wrong_type_as(&mut self, node: &Node, expected: &str, example: &str) {
        let key = self.key();
        let example = if self.in_list { example.to_owned() } else { format!("{key} = {example}") };
        let (expected, found) = (expected.to_owned(), node.value.type_name().to_owned());
        self.note(Mistake::WrongType { key, expected, found, example }, node.place);
    }

    /// Reads what is behind `key`.
    pub fn within<T>(&mut self, key: &str, read: impl FnOnce(&mut Reader) -> T) -> T {
        self.path.push(key.to_owned());
        let in_list = std::mem::replace(&mut self.in_list, false);
        let result = read(self);
        self.in_list = in_list;
        self.path.pop();
        result
    }

    /// Reads the elements of a list; those that are wrong are `None`.
    pub fn elements<T: Read>(&mut self, nodes: &[Node]) -> Vec<Option<At<T>>> {
        let in_list = std::mem::replace(&mut self.in_list, true);
        let elements =
            nodes.iter().map(|node| T::read(node, self).map(|value| At { value, place: node.place })).collect();
        self.in_list = in_list;
        elements
    }

    /// Reads a table, by its keys. `example` shows such a table.
    pub fn table<T>(
        &mut self,
        node: &Node,
        example: &str,
        read: impl FnOnce(&mut TableReader<'_>) -> Option<T>,
    ) -> Option<T> {
        let Value::Table(entries) = &node.value else {
            self.wrong_type_as(node, "a table", example);
            return None;
        };
        let title = self.title();
        let mut table = TableReader::new(entries, node.place, &title, self);
        let value = read(&mut table);
        // Where the kind is not known, neither are the keys.
        if value.is_some() {
            table.finish();
        }
        value
    }
}

/// Asks one table for its keys.
#[derive(Debug)]
pub struct TableReader<'a> {
    entries: &'a [Entry],
    place: Place,
    title: String,
    asked: Vec<&'static str>,
    all_known: bool,
    /// How many mistakes there were before this table.
    before: usize,
    reader: &'a mut Reader,
}

impl<'a> TableReader<'a> {
    /// A reader of these entries.
    pub fn new(entries: &'a [Entry], place: Place, title: &str, reader: &'a mut Reader) -> TableReader<'a> {
        let before = reader.problems.len();
        TableReader { before, entries, place, title: title.to_owned(), asked: Vec::new(), all_known: false, reader }
    }

    /// What is behind a key.
    pub fn field<T: Read>(&mut self, key: &Key) -> Field<T> {
        self.asked.push(key.name);
        if let Some(entry) = self.entries.iter().find(|entry| entry.key == key.name) {
            let value = self.reader.within(key.name, |reader| T::read(&entry.node, reader));
            return value.map_or(Field::Bad, |value| Field::Given(At { value, place: entry.node.place }));
        }
        if let Some(default) = key.default {
            let value = tree::value(default, 0).and_then(|node| T::read(&node, &mut Reader::default()));
            return value.map_or(Field::Bad, |value| Field::Given(At { value, place: Place::NOWHERE }));
        }
        if key.required {
            self.missing(key.name, T::WHAT, T::EXAMPLE);
            return Field::Bad;
        }
        Field::Absent
    }

    /// The word behind `key` that says which kind of table this is.
    pub fn kind(&mut self, key: &'static str, choices: &[&str]) -> Option<String> {
        self.asked.push(key);
        let Some(entry) = self.entries.iter().find(|entry| entry.key == key) else {
            let choices: Vec<String> = choices.iter().map(|choice| (*choice).to_owned()).collect();
            let what = super::mistake::alternatives(&choices);
            self.missing(key, &what, &format!("{:?}", choices.first().map_or("", String::as_str)));
            return None;
        };
        self.reader.within(key, |reader| {
            let example = format!("{:?}", choices.first().unwrap_or(&""));
            let Value::Text(word) = &entry.node.value else {
                reader.wrong_type_as(&entry.node, "a string", &example);
                return None;
            };
            reader.choice(word, choices, entry.node.place)
        })
    }

    /// The entries that nothing has asked for.
    pub fn rest(&self) -> Vec<&'a Entry> {
        self.entries.iter().filter(|entry| !self.asked.contains(&entry.key.as_str())).collect()
    }

    /// Reads an entry that has no fixed key.
    pub fn read<T: Read>(&mut self, entry: &Entry) -> Option<T> {
        self.reader.within(&entry.key, |reader| T::read(&entry.node, reader))
    }

    /// Declares that the caller has looked at the [rest](TableReader::rest) itself.
    pub fn all_known(&mut self) {
        self.all_known = true;
    }

    /// Notes that an entry has no meaning here.
    pub fn unknown(&mut self, entry: &Entry) {
        let mistake = Mistake::UnknownKey {
            key: entry.key.clone(),
            table: self.title.clone(),
            nearest: nearest(&entry.key, self.asked.iter().copied()),
            known: self.asked.iter().map(|key| (*key).to_owned()).collect(),
        };
        self.reader.note(mistake, entry.place);
    }

    fn missing(&mut self, key: &str, what: &str, example: &str) {
        let mistake = Mistake::MissingKey {
            key: key.to_owned(),
            table: self.title.clone(),
            what: what.to_owned(),
            // An example of several lines is a table of its own.
            example: if example.starts_with('[') && example.contains("]\n") {
                example.replace('\n', ", ")
            } else {
                format!("{key} = {example}")
            },
        };
        self.reader.note(mistake, self.place);
    }

    fn finish(mut self) {
        if !self.all_known {
            for entry in self.rest() {
                self.unknown(entry);
            }
        }
        // A misspelt key is one mistake, not two.
        let own = self.reader.problems.split_off(self.before);
        let misspelt: Vec<String> = own.iter().filter_map(|problem| self.meant(problem)).collect();
        let doubled = |problem: &Problem| match &problem.mistake {
            error::Mistake::Form(Mistake::MissingKey { key, .. }) => {
                problem.place == self.place && misspelt.contains(key)
            }
            _ => false,
        };
        self.reader.problems.extend(own.into_iter().filter(|problem| !doubled(problem)));
    }

    /// The key of this table that an unknown one was probably meant to be.
    fn meant(&self, problem: &Problem) -> Option<String> {
        match &problem.mistake {
            error::Mistake::Form(Mistake::UnknownKey { table, nearest, .. }) if *table == self.title => nearest.clone(),
            _ => None,
        }
    }
}

impl Reader {
    /// One of some words.
    pub fn choice(&mut self, word: &str, choices: &[&str], place: Place) -> Option<String> {
        if choices.contains(&word) {
            return Some(word.to_owned());
        }
        let mistake = Mistake::UnknownChoice {
            key: self.key(),
            found: word.to_owned(),
            nearest: nearest(word, choices.iter().copied()),
            choices: choices.iter().map(|choice| (*choice).to_owned()).collect(),
        };
        self.note(mistake, place);
        None
    }
}
