//! What is wrong with a scenario, as people see it: every mistake with file, line, caret and help.

use std::fmt;
use std::sync::Arc;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

use super::source::{Place, Sources};
use super::{parse, resolve};

/// Something that is wrong with a scenario.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Mistake {
    /// The file can't be read.
    #[error("can't read {path}: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        reason: String,
        /// A file that was probably meant.
        nearest: Option<String>,
    },
    /// Its form: keys, types, units.
    #[error(transparent)]
    Form(#[from] parse::mistake::Mistake),
    /// Its meaning: names, sums, order.
    #[error(transparent)]
    Meaning(#[from] resolve::mistake::Mistake),
}

impl From<resolve::workload::WorkloadMistake> for Mistake {
    fn from(mistake: resolve::workload::WorkloadMistake) -> Mistake {
        Mistake::Meaning(mistake.into())
    }
}

impl Mistake {
    fn label(&self) -> Option<String> {
        match self {
            Mistake::Unreadable { .. } => None,
            Mistake::Form(mistake) => mistake.label(),
            Mistake::Meaning(mistake) => mistake.label(),
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Mistake::Unreadable { nearest, .. } => nearest.as_ref().map(|nearest| format!("did you mean {nearest}?")),
            Mistake::Form(mistake) => mistake.help(),
            Mistake::Meaning(mistake) => mistake.help(),
        }
    }
}

/// A mistake and where it is, before the texts are at hand.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// What is wrong.
    pub mistake: Mistake,
    /// Where.
    pub place: Place,
    /// What else to look at, and why.
    pub also: Vec<(Place, String)>,
}

impl Problem {
    /// A mistake at a place.
    pub fn new(mistake: Mistake, place: Place) -> Problem {
        Problem { mistake, place, also: Vec::new() }
    }

    /// Points to something else, too.
    pub fn also(mut self, place: Place, why: impl Into<String>) -> Problem {
        if place.is_written() {
            self.also.push((place, why.into()));
        }
        self
    }
}

/// One mistake in a scenario, with the text it is in.
#[derive(Debug, Clone)]
pub struct ScenarioError {
    /// What is wrong.
    pub mistake: Mistake,
    source: Option<Arc<NamedSource<Arc<str>>>>,
    labels: Vec<LabeledSpan>,
    elsewhere: Vec<String>,
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mistake.fmt(f)
    }
}

impl std::error::Error for ScenarioError {}

impl Diagnostic for ScenarioError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let lines: Vec<String> = self.mistake.help().into_iter().chain(self.elsewhere.iter().cloned()).collect();
        (!lines.is_empty()).then(|| Box::new(lines.join("\n")) as Box<dyn fmt::Display>)
    }
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_deref().map(|source| source as &dyn SourceCode)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        (!self.labels.is_empty()).then(|| Box::new(self.labels.iter().cloned()) as Box<dyn Iterator<Item = _>>)
    }
}

/// Everything that is wrong with a scenario, in the order of the text.
#[derive(Debug, Clone)]
pub struct ScenarioErrors {
    /// The scenario's file.
    pub file: String,
    /// The mistakes; at least one.
    pub errors: Vec<ScenarioError>,
}

impl fmt::Display for ScenarioErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errors.len() {
            1 => write!(f, "{} has 1 mistake", self.file),
            count => write!(f, "{} has {count} mistakes", self.file),
        }
    }
}

impl std::error::Error for ScenarioErrors {}

impl Diagnostic for ScenarioErrors {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.errors.iter().map(|error| error as &dyn Diagnostic)))
    }
}

impl ScenarioErrors {
    /// The mistakes with the texts they are in.
    pub fn new(mut problems: Vec<Problem>, sources: &Sources) -> ScenarioErrors {
        problems.sort_by_key(|problem| problem.place);
        problems.dedup();
        let named: Vec<_> =
            sources.iter().map(|source| Arc::new(NamedSource::new(&source.name, source.text.clone()))).collect();
        let errors = problems.into_iter().map(|problem| with_source(problem, sources, &named)).collect();
        ScenarioErrors { file: sources.file().to_owned(), errors }
    }

    /// One mistake that is in no text.
    pub fn one(file: &str, mistake: Mistake) -> ScenarioErrors {
        let error = ScenarioError { mistake, source: None, labels: Vec::new(), elsewhere: Vec::new() };
        ScenarioErrors { file: file.to_owned(), errors: vec![error] }
    }

    /// The report for people: each mistake with its lines, then how many there are. With colours and
    /// line drawing for a terminal of some width, or plain.
    pub fn render(&self, colours: bool, width: usize) -> String {
        let theme = if colours { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(width.clamp(40, 140))
            .with_urls(false)
            .without_syntax_highlighting();
        let mut text = String::new();
        for error in &self.errors {
            // Writing to a string doesn't fail; if a span could not be shown, the words still are.
            if handler.render_report(&mut text, error).is_err() {
                text.push_str(&format!("{error}\n"));
            }
            text.push('\n');
        }
        let text = text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        match self.errors.as_slice() {
            [ScenarioError { mistake: Mistake::Unreadable { .. }, .. }] => format!("{text}\n"),
            _ => format!("{text}\n{self}\n\n"),
        }
    }
}

/// Whether the lines of a piece of text are short enough to be shown.
fn is_showable(text: &str, range: &std::ops::Range<usize>) -> bool {
    let start = text[..range.start].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[range.end..].find('\n').map_or(text.len(), |newline| range.end + newline);
    text[start..end].lines().all(|line| line.len() <= 1000)
}

fn with_source(problem: Problem, sources: &Sources, named: &[Arc<NamedSource<Arc<str>>>]) -> ScenarioError {
    let Problem { mistake, place, also } = problem;
    let found = sources.find(place);
    let source = found.as_ref().map(|(index, ..)| named[*index].clone());
    let mut labels = Vec::new();
    let mut elsewhere = Vec::new();
    if let Some((index, text, range)) = found.clone().filter(|(_, source, range)| !is_showable(&source.text, range)) {
        // Such a line helps nobody, and miette can't draw it.
        let line = text.text[..range.start].matches('\n').count() + 1;
        return ScenarioError {
            mistake,
            source: None,
            labels,
            elsewhere: vec![format!("{}, line {line}", named[index].name())],
        };
    }
    if let Some((index, _, range)) = found {
        labels.push(LabeledSpan::new_primary_with_span(mistake.label(), (range.start, range.len().max(1))));
        for (place, why) in also {
            match sources.find(place) {
                Some((other, source, range)) if other == index && is_showable(&source.text, &range) => {
                    labels.push(LabeledSpan::new_with_span(Some(why), (range.start, range.len().max(1))));
                }
                Some((_, other, _)) => elsewhere.push(format!("{}: {why}: {}", other.name, sources.text(place))),
                None => {}
            }
        }
    }
    ScenarioError { mistake, source, labels, elsewhere }
}
