//! Values that are chosen by a word.

use node::config::{Arrival, Bandwidth, Deploy};
use planner::codec::Codec;
use planner::strategy::StrategyKind;
use schemars::json_schema;

use super::leaf::leaf_schema;
use super::reader::{Read, Reader};
use super::tree::{Node, Value};
use crate::scenario::Role;
use crate::scenario::network::{Airtime, Distribution};

/// A value that is chosen by a word.
pub trait Word: Copy + 'static {
    /// The words and what they choose.
    const WORDS: &'static [(&'static str, Self)];
    /// How one is written, as TOML.
    const EXAMPLE: &'static str;
}

/// One of some words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice<T: Word>(pub T);

impl<T: Word> Read for Choice<T> {
    const WHAT: &'static str = "one of some words";
    const EXAMPLE: &'static str = T::EXAMPLE;
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let words: Vec<&str> = T::WORDS.iter().map(|(word, _)| *word).collect();
        let Value::Text(found) = &node.value else {
            reader.wrong_type_as(node, &super::mistake::alternatives(&owned(&words)), T::EXAMPLE);
            return None;
        };
        let chosen = reader.choice(found, &words, node.place)?;
        T::WORDS.iter().find(|(word, _)| *word == chosen).map(|(_, value)| Choice(*value))
    }
}
leaf_schema!(Choice<T> where [T: Word], "Choice", {
    let words: Vec<&str> = T::WORDS.iter().map(|(word, _)| *word).collect();
    json_schema!({ "type": "string", "enum": words })
});

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

impl Word for Codec {
    const WORDS: &'static [(&'static str, Codec)] = &[
        (Codec::Raw.name(), Codec::Raw),
        (Codec::F16.name(), Codec::F16),
        (Codec::Lz4.name(), Codec::Lz4),
        (Codec::U8Lz4.name(), Codec::U8Lz4),
    ];
    const EXAMPLE: &'static str = "\"raw\"";
}

impl Word for Deploy {
    const WORDS: &'static [(&'static str, Deploy)] = &[("local", Deploy::Local), ("network", Deploy::Network)];
    const EXAMPLE: &'static str = "\"local\"";
}

impl Word for Bandwidth {
    const WORDS: &'static [(&'static str, Bandwidth)] =
        &[("configured", Bandwidth::Configured), ("probed", Bandwidth::Probed)];
    const EXAMPLE: &'static str = "\"probed\"";
}

impl Word for Role {
    const WORDS: &'static [(&'static str, Role)] =
        &[("client", Role::Client), ("dispatcher", Role::Dispatcher), ("worker", Role::Worker)];
    const EXAMPLE: &'static str = "\"worker\"";
}

impl Word for Arrival {
    const WORDS: &'static [(&'static str, Arrival)] = &[("constant", Arrival::Constant), ("poisson", Arrival::Poisson)];
    const EXAMPLE: &'static str = "\"poisson\"";
}

impl Word for Distribution {
    const WORDS: &'static [(&'static str, Distribution)] =
        &[("normal", Distribution::Normal), ("uniform", Distribution::Uniform), ("pareto", Distribution::Pareto)];
    const EXAMPLE: &'static str = "\"normal\"";
}

impl Word for Airtime {
    const WORDS: &'static [(&'static str, Airtime)] =
        &[("independent", Airtime::Independent), ("shared", Airtime::Shared)];
    const EXAMPLE: &'static str = "\"shared\"";
}

impl Word for StrategyKind {
    const WORDS: &'static [(&'static str, StrategyKind)] = &{
        let mut words = [("", StrategyKind::Optimal); StrategyKind::ALL.len()];
        let mut index = 0;
        while index < words.len() {
            words[index] = (StrategyKind::ALL[index].name(), StrategyKind::ALL[index]);
            index += 1;
        }
        words
    };
    const EXAMPLE: &'static str = "\"optimal\"";
}
