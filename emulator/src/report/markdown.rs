//! `report.md`: the same in Markdown, with the pictures beside it.

use std::fmt::Write;

use super::chart::figure::{Figure, Table};
use super::evidence::{self, Evidence};
use super::words::verdict;
use super::{fidelity, invariants};

/// Longest table that is shown whole; of others the numbers are in `throughput.csv` and the page.
const LONGEST: usize = 40;

/// The text. Pictures are at `charts/<id>.svg`.
pub fn markdown(evidence: Evidence<'_>, figures: &[Figure]) -> String {
    let Evidence { scenario, summary, .. } = evidence;
    let mut text = format!(
        "# {}\n\n{}\n\n**{}**\n\n",
        plain(&summary.scenario),
        plain(&scenario.description),
        verdict(summary).words
    );
    for (name, value, more) in evidence::headline(evidence) {
        // Writing to a string can't fail.
        let _ = writeln!(text, "- {name}: **{}** {}", plain(&value), plain(&more));
    }
    let doubts = fidelity::doubts(summary);
    for (title, lines) in [
        ("Not as expected", &summary.violations),
        (fidelity::TITLE, &doubts),
        ("The result may not be trustworthy here", &summary.warnings),
    ] {
        if !lines.is_empty() {
            let _ = write!(text, "\n## {title}\n\n");
            lines.iter().for_each(|line| text += &format!("- {}\n", plain(line)));
        }
    }
    for figure in figures {
        let _ = write!(text, "\n## {}\n\n{}\n", figure.title, plain(&figure.says));
        if figure.picture.is_some() {
            let _ = write!(text, "\n![{}](charts/{}.svg)\n", figure.title, figure.id);
        }
        if figure.table.rows.len() <= LONGEST {
            table(&mut text, &figure.table);
        }
    }
    let _ = write!(text, "\n## Invariants\n\n{}\n", plain(&invariants::line(&summary.invariants)));
    let mut ran = Table::new(&["what", "value"]);
    ran.rows = evidence::surroundings(evidence).into_iter().map(|(what, value)| vec![what, value]).collect();
    text += "\n## What it ran on\n";
    table(&mut text, &ran);
    text
}

/// A table under a heading.
pub fn section(text: &mut String, title: &str, numbers: &Table) {
    let _ = write!(text, "\n## {}\n", plain(title));
    table(text, numbers);
}

fn table(text: &mut String, table: &Table) {
    let row = |text: &mut String, cells: &mut dyn Iterator<Item = String>| {
        let cells: Vec<String> = cells.collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    };
    text.push('\n');
    row(text, &mut table.columns.iter().map(|(name, _)| plain(name)));
    row(text, &mut table.columns.iter().map(|(_, number)| if *number { "---:" } else { "---" }.to_owned()));
    for cells in &table.rows {
        row(text, &mut cells.iter().map(|cell| plain(cell)));
    }
}

/// Text in which nothing means something to Markdown.
pub fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '|' | '*' | '_' | '`' | '<' | '>' | '[' | ']' | '#' | '\\' => safe.extend(['\\', character]),
            _ if character.is_control() => safe.push(' '),
            _ => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_not_break_a_table() {
        assert_eq!(plain("a|b\nc_d"), "a\\|b c\\_d");
        let mut text = String::new();
        let mut of = Table::new(&["#n", "what"]);
        of.rows.push(vec!["1".into(), "a|b".into()]);
        table(&mut text, &of);
        assert_eq!(text, "\n| n | what |\n| ---: | --- |\n| 1 | a\\|b |\n");
    }
}
