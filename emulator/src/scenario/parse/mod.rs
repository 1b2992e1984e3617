//! From text to [raw structs](raw), purely. Every mistake of form is found in one pass: what is wrong
//! is noted and left out, and the rest is read on.

pub mod choice;
pub mod leaf;
pub(crate) mod macros;
pub mod mistake;
pub mod quantity;
pub mod raw;
pub mod reader;
pub mod shape;
pub mod target;
pub mod tree;
mod unit;

use super::error::Problem;
use super::source::Place;
use leaf::Tables;
use mistake::Mistake;
use reader::{At, Read, Reader};
use tree::{Entry, Node, SyntaxError, Value};

/// The entries of the file, whose offsets begin at 0, and what is wrong with its TOML.
pub fn toml(text: &str) -> (Vec<Entry>, Vec<Problem>) {
    let (entries, errors) = tree::document(text, 0);
    let problems = errors.into_iter().map(|SyntaxError { message, place }| {
        let probably = unquoted(line_around(text, place.start()));
        Problem::new(Mistake::Syntax { message, probably }.into(), place)
    });
    (entries, problems.collect())
}

/// The line that the offset is on.
pub fn line_around(text: &str, offset: usize) -> &str {
    let bytes = text.as_bytes();
    let offset = offset.min(bytes.len());
    let start = bytes[..offset].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let end = bytes[offset..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |newline| offset + newline);
    text.get(start..end).unwrap_or_default()
}

/// The line of the `[table]` that the offset belongs to; empty above the first.
pub fn header_above(text: &str, offset: usize) -> &str {
    let above = text.get(..offset).unwrap_or_default();
    above.lines().rev().find(|line| line.trim_start().starts_with('[')).map_or("", |line| {
        // Without the end of a line that `offset` cuts short.
        line_around(text, line.as_ptr() as usize - text.as_ptr() as usize)
    })
}

/// `key = "60 s"`, if the line is `key = 60 s`: the commonest mistake there is.
fn unquoted(line: &str) -> Option<String> {
    let (key, value) = line.split('#').next()?.split_once('=')?;
    let (key, value) = (key.trim(), value.trim());
    let plain = !value.is_empty() && !value.contains(['"', '\'', '[', ']', '{', '}', '=', '\\']);
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    (plain && is_key && line.len() < 120).then(|| format!("{key} = {value:?}, with quotes"))
}

/// Reads a scenario.
pub fn scenario(entries: Vec<Entry>, file: Place) -> (Option<raw::Scenario>, Vec<Problem>) {
    let mut reader = Reader::default();
    let scenario = raw::Scenario::read(&Node { value: Value::Table(entries), place: file }, &mut reader);
    (scenario, reader.problems)
}

/// Reads the faults of a text that this program has written, whose offsets begin at `base`.
pub fn faults(text: &str, base: usize) -> (Vec<At<raw::Fault>>, Vec<Problem>) {
    let (entries, _) = tree::document(text, base);
    let mut reader = Reader::default();
    let faults = entries.iter().filter_map(|entry| Tables::<raw::Fault>::read(&entry.node, &mut reader));
    (faults.flat_map(|Tables(faults)| faults).collect(), reader.problems)
}
