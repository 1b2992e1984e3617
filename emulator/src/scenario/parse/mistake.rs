//! What can be wrong with the form of a scenario: its keys, the types of their values, their units and ranges.

/// A mistake of form. `Display` is the headline; [`label`](Mistake::label) stands at the caret;
/// [`help`](Mistake::help) says how to put it right.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Mistake {
    /// The text is not TOML.
    #[error("{message}")]
    Syntax {
        /// What the TOML parser says.
        message: String,
        /// What the line should probably be.
        probably: Option<String>,
    },
    /// A key that nothing reads.
    #[error("unknown key `{key}` in {table}")]
    UnknownKey {
        /// The key.
        key: String,
        /// The table it is in.
        table: String,
        /// The key that was probably meant.
        nearest: Option<String>,
        /// The keys of this table.
        known: Vec<String>,
    },
    /// A key that must be there.
    #[error("{table} lacks `{key}`")]
    MissingKey {
        /// The key.
        key: String,
        /// The table it belongs in.
        table: String,
        /// What it is.
        what: String,
        /// How it could be written.
        example: String,
    },
    /// A value of another type.
    #[error("`{key}` must be {expected}, not {found}")]
    WrongType {
        /// The key.
        key: String,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
        /// How it could be written.
        example: String,
    },
    /// A quantity that can't be read.
    #[error("{reason}")]
    BadQuantity {
        /// Why not.
        reason: QuantityError,
        /// What is expected, such as `a time`.
        what: &'static str,
        /// The units that are understood.
        units: String,
        /// How it could be written.
        example: &'static str,
        /// What was probably meant.
        suggestion: Option<String>,
    },
    /// A number that is too small or too large.
    #[error("`{key}` is {found}, but must be {range}")]
    OutOfRange {
        /// The key.
        key: String,
        /// The number.
        found: String,
        /// From where to where.
        range: String,
    },
    /// A word that is not one of those that can be chosen.
    #[error("{found:?} is not a choice for `{key}`")]
    UnknownChoice {
        /// The key.
        key: String,
        /// The word.
        found: String,
        /// The word that was probably meant.
        nearest: Option<String>,
        /// The words there are.
        choices: Vec<String>,
    },
    /// A name that can't be one.
    #[error("{found:?} can't be {what}")]
    BadName {
        /// The name.
        found: String,
        /// What it should name.
        what: &'static str,
        /// What names are made of.
        rule: &'static str,
    },
    /// A `--set` that is not `key=value`.
    #[error("{text:?} is not KEY=VALUE")]
    NotAnOverride {
        /// What was given.
        text: String,
    },
    /// A `--set` whose path leads through a value.
    #[error("`{key}` is {found}: there is nothing in it to set")]
    NothingInside {
        /// The last key that exists.
        key: String,
        /// What it is.
        found: &'static str,
    },
    /// A `--set` whose path names an element that a list doesn't have.
    #[error("the list `{list}` has no element `{element}`")]
    NoSuchElement {
        /// The list.
        list: String,
        /// The element that was named.
        element: String,
        /// How many it has.
        count: usize,
    },
}

/// Why a quantity can't be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum QuantityError {
    /// A number alone.
    #[error("`{0}` needs a unit")]
    NoUnit(String),
    /// A number and something that is no unit.
    #[error("`{unit}` is not a unit of {of}")]
    UnknownUnit {
        /// What stands where the unit should.
        unit: String,
        /// What the unit should be of.
        of: &'static str,
    },
    /// Not even a number.
    #[error("{found:?} is not {what}")]
    NotANumber {
        /// What was written.
        found: String,
        /// What was expected.
        what: &'static str,
    },
    /// Negative, zero where that makes no sense, or absurdly large.
    #[error("{found:?} is {problem}")]
    OutOfRange {
        /// What was written.
        found: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl Mistake {
    /// What stands at the caret.
    pub fn label(&self) -> Option<String> {
        match self {
            Mistake::Syntax { .. } => Some("here".to_owned()),
            Mistake::UnknownKey { nearest: Some(nearest), .. } => Some(format!("did you mean `{nearest}`?")),
            Mistake::UnknownKey { .. } => Some("nothing reads this".to_owned()),
            Mistake::MissingKey { key, .. } => Some(format!("`{key}` belongs here")),
            Mistake::WrongType { found, .. } => Some(format!("this is {found}")),
            Mistake::BadQuantity { suggestion: Some(suggestion), .. } => Some(format!("did you mean {suggestion:?}?")),
            Mistake::BadQuantity { reason: QuantityError::OutOfRange { .. }, .. } => Some("out of range".to_owned()),
            Mistake::BadQuantity { what, .. } => Some(format!("expected {what}")),
            Mistake::OutOfRange { range, .. } => Some(format!("must be {range}")),
            Mistake::UnknownChoice { nearest: Some(nearest), .. } => Some(format!("did you mean {nearest:?}?")),
            Mistake::UnknownChoice { .. } => Some("not a choice".to_owned()),
            Mistake::BadName { what, .. } => Some(format!("not {what}")),
            Mistake::NotAnOverride { .. } => None,
            Mistake::NothingInside { key, .. } => Some(format!("goes through `{key}`")),
            Mistake::NoSuchElement { .. } => Some("no such element".to_owned()),
        }
    }

    /// How to put it right.
    pub fn help(&self) -> Option<String> {
        match self {
            Mistake::Syntax { probably, .. } => probably.as_ref().map(|line| format!("write {line}")),
            Mistake::UnknownKey { table, known, .. } => Some(format!("{table} knows {}", listed(known))),
            Mistake::MissingKey { what, example, .. } => Some(format!("add {example} ({what})")),
            Mistake::WrongType { example, .. } => Some(format!("write {example}")),
            Mistake::BadQuantity { what, units, example, .. } => {
                Some(format!("{what} is a number and a unit ({units}), such as {example:?}"))
            }
            Mistake::OutOfRange { .. } => None,
            Mistake::UnknownChoice { choices, .. } => Some(format!("choose {}", alternatives(choices))),
            Mistake::BadName { rule, .. } => Some((*rule).to_owned()),
            Mistake::NotAnOverride { .. } => Some("write --set load.concurrency=8".to_owned()),
            Mistake::NothingInside { .. } => None,
            Mistake::NoSuchElement { list, count, .. } => Some(match count {
                0 => "it is empty".to_owned(),
                count => format!("its elements are {list}.0 to {list}.{}", count - 1),
            }),
        }
    }
}

/// `a, b and c`, each as code.
pub fn listed(words: &[String]) -> String {
    joined(words.iter().map(|word| format!("`{word}`")).collect(), "and")
}

/// `"a", "b" or "c"`, as they are written.
pub fn alternatives(words: &[String]) -> String {
    joined(words.iter().map(|word| format!("{word:?}")).collect(), "or")
}

fn joined(words: Vec<String>, last: &str) -> String {
    match words.as_slice() {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [others @ .., end] => format!("{} {last} {end}", others.join(", ")),
    }
}

/// Whether two words are the same but for the value of the number they end in: `n7` is as little a
/// misspelling of `n03` as of any other, but `n3` is one.
fn differ_in_number(one: &str, other: &str) -> bool {
    let split = |word: &str| {
        let stem = word.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        (word[..stem].to_owned(), word[stem..].parse::<u64>().ok())
    };
    let ((stem, number), (other_stem, other_number)) = (split(one), split(other));
    stem == other_stem && number.is_some() && other_number.is_some() && number != other_number
}

/// Of `known`, the word that `found` is most likely a misspelling of.
pub fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let found = found.to_lowercase();
    known
        .into_iter()
        .filter(|word| !differ_in_number(&found, &word.to_lowercase()))
        .map(|word| (strsim::damerau_levenshtein(&found, &word.to_lowercase()), word))
        // A third of the letters may differ, and always one; short words are nearly all alike otherwise.
        .filter(|(distance, word)| *distance <= (word.len().max(found.len()) / 3).max(1) && *distance < word.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word.to_owned())
}
