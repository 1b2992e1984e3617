//! Where in which text something was written: the scenario's file, a `--set` on the command line, a
//! matrix file. All texts of one scenario share one space of offsets, so that a [`Place`] is two
//! numbers however many texts there are.

use std::ops::Range;
use std::sync::Arc;

/// A piece of one of the [`Sources`], or [nowhere](Place::NOWHERE) for what nobody wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    start: usize,
    end: usize,
}

impl Place {
    /// The place of a default.
    pub const NOWHERE: Place = Place { start: usize::MAX, end: usize::MAX };

    /// The piece `range` of the text that begins at `base`.
    pub fn new(base: usize, range: Range<usize>) -> Place {
        Place { start: base + range.start, end: base + range.end.max(range.start) }
    }

    /// From the beginning of this place to the end of the other.
    pub fn to(self, other: Place) -> Place {
        if other == Place::NOWHERE || other.end < self.start { self } else { Place { end: other.end, ..self } }
    }

    /// Its first offset.
    pub fn start(self) -> usize {
        self.start
    }

    /// Whether somebody wrote it.
    pub fn is_written(self) -> bool {
        self != Place::NOWHERE
    }
}

/// One text.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file's path, or the option of the command line.
    pub name: String,
    /// Its text.
    pub text: Arc<str>,
    base: usize,
}

/// A file that a scenario names, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Companion {
    /// Its name, as the scenario has it.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// The texts that make up a scenario; the first is the file.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    texts: Vec<Source>,
    companions: Vec<Companion>,
}

impl Sources {
    /// Adds a text and tells where its offsets begin.
    pub fn add(&mut self, name: &str, text: &str) -> usize {
        // One more than the length, so that the end of a text is not the beginning of the next.
        let base = self.texts.last().map_or(0, |last| last.base + last.text.len() + 1);
        self.texts.push(Source { name: name.to_owned(), text: text.into(), base });
        base
    }

    /// Keeps the text of a file that the scenario names.
    pub fn keep(&mut self, name: &str, text: &str) {
        let companion = Companion { name: name.to_owned(), text: text.to_owned() };
        if !self.companions.contains(&companion) {
            self.companions.push(companion);
        }
    }

    /// The files that the scenario names.
    pub fn companions(&self) -> &[Companion] {
        &self.companions
    }

    /// The text that a place is in, its number, and the piece of it.
    pub fn find(&self, place: Place) -> Option<(usize, &Source, Range<usize>)> {
        if !place.is_written() {
            return None;
        }
        let (index, source) = self.texts.iter().enumerate().rev().find(|(_, source)| source.base <= place.start)?;
        let piece = |offset: usize| floor_boundary(&source.text, offset.saturating_sub(source.base));
        Some((index, source, piece(place.start)..piece(place.end)))
    }

    /// What is written there.
    pub fn text(&self, place: Place) -> &str {
        self.find(place).and_then(|(_, source, range)| source.text.get(range)).unwrap_or_default()
    }

    /// The texts, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.texts.iter()
    }

    /// The name of the file.
    pub fn file(&self) -> &str {
        self.texts.first().map_or("", |source| &source.name)
    }
}

fn floor_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}
