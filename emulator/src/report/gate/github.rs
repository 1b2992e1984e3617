//! A gate as annotations that GitHub shows beside the scenario's file, in its form for commands in a step's output
//! ("Workflow commands for GitHub Actions" in its documentation).

use super::{notes, sentence, word};
use crate::gate::Gated;
use crate::gate::decide::Told;

/// A line for the verdict, and one for each note.
pub fn annotations(gated: &Gated, open_fails: bool) -> String {
    let failed = gated.failed().next().is_some();
    let level = match gated.judgement.told {
        _ if gated.interrupted => "warning",
        Told::Slower => "error",
        Told::Held | Told::Faster | Told::Open if failed => "error",
        Told::Open if open_fails => "error",
        Told::Open => "warning",
        Told::Held | Told::Faster => "notice",
    };
    let mut text = line(level, gated, &format!("emu gate: {}", word(gated)), &sentence(gated));
    for note in notes(gated) {
        text += &line("warning", gated, "emu gate", &note);
    }
    text
}

fn line(level: &str, gated: &Gated, title: &str, message: &str) -> String {
    let file = gated.file.to_string_lossy();
    format!("::{level} file={},title={}::{}\n", property(&file), property(title), data(message))
}

/// What must not end the line, or be taken for an escape.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Nor end the property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_ends_its_line_or_its_property() {
        assert_eq!(data("5 %\nlost"), "5 %25%0Alost");
        assert_eq!(property("a,b:c"), "a%2Cb%3Ac");
    }
}
