//! How a text looks in a terminal: colours, tables, lines that are not too long.

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, LineStyle, Table};

use crate::report::numbers::grouped;

/// Most lines of a list and rows of a table. A run of an hour has hundreds of faults: ten are enough to see what they are
/// like, and leave the verdict above them within reach of a hand that scrolls.
const LONGEST: usize = 10;

/// Signs, and what stands for them in ASCII.
const SIGNS: [(&str, &str); 11] = [
    ("→", "->"),
    ("↔", "<->"),
    (" · ", ", "),
    ("…", "..."),
    ("–", "-"),
    ("−", "-"),
    ("✓", "ok"),
    ("✗", "FAILED"),
    ("λ", "lambda"),
    ("σ", "sigma"),
    ("κ", "kappa"),
];

/// How the text may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looks {
    /// Colours and bold letters, by ANSI escapes.
    pub colour: bool,
    /// Lines and arrows beyond ASCII.
    pub unicode: bool,
    /// Columns of the terminal; `None`: as wide as the text is.
    pub width: Option<u16>,
}

impl Looks {
    /// For a file or a pipe: plain lines.
    pub const PLAIN: Looks = Looks { colour: false, unicode: false, width: None };

    /// For a terminal so many columns wide.
    pub fn terminal(width: u16) -> Looks {
        Looks { colour: true, unicode: true, width: Some(width) }
    }
}

/// What a text is, told by its colour.
#[derive(Clone, Copy)]
pub enum Ink {
    /// A title, or a figure that matters.
    Strong,
    /// A note beside one.
    Dim,
    /// As it should be.
    Good,
    /// To be taken with care.
    Caution,
    /// Not as it should be.
    Bad,
}

impl Ink {
    fn escape(self) -> &'static str {
        match self {
            Ink::Strong => "\x1b[1m",
            Ink::Dim => "\x1b[2m",
            Ink::Good => "\x1b[32m",
            Ink::Caution => "\x1b[33m",
            Ink::Bad => "\x1b[31m",
        }
    }
}

/// Writes what people read in a terminal, or in a file instead of one.
#[derive(Clone, Copy)]
pub struct Writer {
    /// How it may look.
    pub looks: Looks,
}

impl Writer {
    /// Coloured, where there are colours.
    pub fn ink(&self, ink: Ink, text: &str) -> String {
        if self.looks.colour { format!("{}{text}\x1b[0m", ink.escape()) } else { text.to_owned() }
    }

    /// What stands over a block.
    pub fn title(&self, text: &str) -> String {
        self.ink(Ink::Strong, text)
    }

    /// A sentence behind `lead`, on as many lines as the terminal needs for it. Dim ink is the
    /// sentence's, any other the lead's.
    pub fn wrapped(&self, lead: &str, ink: Ink, text: &str) -> String {
        let indent = lead.chars().count();
        let room = self.looks.width.map_or(usize::MAX, |width| usize::from(width).saturating_sub(indent).max(20));
        let mut lines = vec![String::new()];
        for word in self.plain(text).split(' ') {
            match lines.last_mut() {
                Some(line) if line.is_empty() => line.push_str(word),
                Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
        let (lead, ink): (String, &dyn Fn(&str) -> String) = match ink {
            Ink::Dim => (lead.to_owned(), &|line| self.ink(Ink::Dim, line)),
            other => (self.ink(other, lead), &str::to_owned),
        };
        let indented = lines.iter().enumerate().map(|(index, line)| {
            let before = if index == 0 { lead.clone() } else { " ".repeat(indent) };
            format!("{before}{}\n", ink(line))
        });
        indented.collect()
    }

    /// A sentence beside its name, among others.
    pub fn row(&self, name: &str, text: &str) -> String {
        self.wrapped(&format!("  {name:<11} "), Ink::Dim, text)
    }

    /// Whether there is no room for everything.
    pub fn narrow(&self) -> bool {
        self.looks.width.is_some_and(|width| width < 96)
    }

    /// Signs that a plain file may not show become letters.
    pub fn plain(&self, text: &str) -> String {
        if self.looks.unicode {
            return text.to_owned();
        }
        SIGNS.iter().fold(text.to_owned(), |text, (sign, letters)| text.replace(sign, letters))
    }

    /// A table without rows; numbers stand to the right in the columns `right`.
    pub fn table(&self, header: &[&str], right: &[usize]) -> Table {
        let fill = if self.looks.unicode { '─' } else { '-' };
        let mut table = Table::new();
        table.load_style(NOTHING.header_separator(LineStyle::none().fill(fill).junction(fill)));
        table.set_content_arrangement(match self.looks.width {
            Some(_) => ContentArrangement::Dynamic,
            None => ContentArrangement::Disabled,
        });
        if let Some(width) = self.looks.width {
            table.set_width(width.saturating_sub(1));
        }
        if self.looks.colour {
            table.enforce_styling()
        } else {
            table.force_no_tty()
        };
        table.set_header(header.iter().map(|title| Cell::new(self.plain(title)).add_attribute(Attribute::Bold)));
        for index in right {
            if let Some(column) = table.column_mut(*index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
    }

    /// A cell of a table.
    pub fn coloured(&self, text: &str, colour: Color) -> Cell {
        let cell = Cell::new(text);
        if self.looks.colour { cell.fg(colour) } else { cell }
    }

    /// Sentences under a title, a sign before each; `file` has those that are too many.
    pub fn list(&self, title: &str, sign: &str, ink: Ink, lines: &[String], file: &str) -> String {
        let (few, more) = self.few(lines, file);
        let lines = few.iter().map(|line| self.wrapped(&format!("  {sign} "), ink, line));
        format!("{}\n{}{more}", self.title(title), lines.collect::<String>())
    }

    /// The first of them, and a line that says how many more there are and which file has them all; nothing if none.
    pub fn few<'a, T>(&self, all: &'a [T], file: &str) -> (&'a [T], String) {
        let few = &all[..all.len().min(LONGEST)];
        let more = match (all.len() - few.len()) as u64 {
            0 => String::new(),
            more => self.wrapped("  ", Ink::Dim, &format!("… and {} more, see {file}", grouped(more))),
        };
        (few, more)
    }
}

/// A table's lines, a step in.
pub fn indented(table: &Table) -> String {
    table.lines().map(|line| format!(" {}", line.trim_end())).collect::<Vec<_>>().join("\n")
}
