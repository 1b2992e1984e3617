//! A picture with a title, a sentence that says what to see, and the numbers behind it.

use super::bars::Bars;
use super::map::Map;
use super::plot::Plot;
use super::svg::Svg;

/// Widths in which each picture is drawn: for a desk and for a hand.
pub const WIDTHS: [f64; 2] = [860.0, 350.0];
/// Widest map.
const MAP: f64 = 640.0;

/// A picture.
#[derive(Debug, Clone, PartialEq)]
pub enum Picture {
    /// Lines, so high.
    Plot(Plot, f64),
    /// Stretches.
    Bars(Bars),
    /// A cluster.
    Map(Map),
}

impl Picture {
    /// Draws it so wide.
    pub fn draw(&self, width: f64) -> Svg {
        match self {
            Picture::Plot(plot, height) => plot.draw(width, *height),
            Picture::Bars(bars) => bars.draw(width),
            Picture::Map(map) => map.draw(width.min(MAP)),
        }
    }
}

/// A table. Columns of numbers stand to the right.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// Each column's name, and whether it holds numbers.
    pub columns: Vec<(String, bool)>,
    /// As many cells in each.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Without rows yet: names of columns, those of numbers behind a `#`.
    pub fn new(columns: &[&str]) -> Table {
        let column = |name: &&str| match name.strip_prefix('#') {
            Some(name) => (name.to_owned(), true),
            None => ((*name).to_owned(), false),
        };
        Table { columns: columns.iter().map(column).collect(), rows: Vec::new() }
    }

    /// The same without some columns, by name.
    pub fn without(mut self, names: &[&str]) -> Table {
        let kept: Vec<bool> = self.columns.iter().map(|(name, _)| !names.contains(&name.as_str())).collect();
        let keep = |row: &mut Vec<String>| {
            let mut kept = kept.iter();
            row.retain(|_| kept.next().copied().unwrap_or(true));
        };
        self.rows.iter_mut().for_each(keep);
        self.columns.retain(|(name, _)| !names.contains(&name.as_str()));
        self
    }
}

/// A picture and what belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Its name in links and files.
    pub id: &'static str,
    /// Its title.
    pub title: String,
    /// What is to be seen, in a sentence or two.
    pub says: String,
    /// The picture; without one, the table is what there is.
    pub picture: Option<Picture>,
    /// The numbers.
    pub table: Table,
}
