//! SVG, one element at a time. What things look like is said by classes: see [`super::palette`].

use std::fmt::{Display, Write};

use super::palette;
use crate::report::xml::escaped;

const FONT: &str = "system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif";
/// Mean width of a letter, as a share of its size.
const LETTER: f64 = 0.6;

/// A picture that is drawn. Lengths are pixels from the upper left corner.
#[derive(Debug, Clone, PartialEq)]
pub struct Svg {
    /// How wide it is.
    pub width: f64,
    /// How high it is.
    pub height: f64,
    body: String,
}

impl Svg {
    /// Nothing yet.
    pub fn new(width: f64, height: f64) -> Svg {
        Svg { width, height, body: String::new() }
    }

    /// A path, in SVG's own words.
    pub fn path(&mut self, class: &str, way: impl Display) {
        // Writing to a string can't fail.
        let _ = writeln!(self.body, "<path class=\"{class}\" d=\"{way}\"/>");
    }

    /// A rectangle.
    pub fn rect(&mut self, class: &str, left: f64, top: f64, width: f64, height: f64) {
        self.rounded(class, [left, top, width, height], 0.0);
    }

    /// A rectangle (left, top, width, height) with round corners.
    pub fn rounded(&mut self, class: &str, [left, top, width, height]: [f64; 4], radius: f64) {
        let round = if radius > 0.0 { format!(" rx=\"{radius}\"") } else { String::new() };
        let (width, height) = (width.max(0.0), height.max(0.0));
        let _ = writeln!(
            self.body,
            "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"{round}/>"
        );
    }

    /// A circle.
    pub fn circle(&mut self, class: &str, x: f64, y: f64, radius: f64) {
        let _ = writeln!(self.body, "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"/>");
    }

    /// A line of text; `y` is its base.
    pub fn text(&mut self, class: &str, x: f64, y: f64, words: &str) {
        let _ = writeln!(self.body, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escaped(words));
    }

    /// What is told when the pointer rests on whatever `draw` draws.
    pub fn told(&mut self, words: &str, draw: impl FnOnce(&mut Svg)) {
        let _ = write!(self.body, "<g><title>{}</title>", escaped(words));
        draw(self);
        self.body.push_str("</g>\n");
    }

    /// Takes over another picture, moved.
    pub fn place(&mut self, other: &Svg, left: f64, top: f64) {
        let _ = writeln!(self.body, "<g transform=\"translate({left:.1} {top:.1})\">\n{}</g>", other.body);
    }

    /// As a part of a page that has the style. `label` is what it shows, for those who can't see it.
    pub fn inline(&self, class: &str, label: &str) -> String {
        let Svg { width, height, body } = self;
        format!(
            "<svg class=\"{class}\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" \
             role=\"img\" aria-label=\"{}\">\n{body}</svg>\n",
            escaped(label)
        )
    }

    /// As a file of its own, on a card with its title: light, wherever it is shown.
    pub fn alone(&self, title: &str) -> String {
        self.card(title, &palette::alone())
    }

    /// The same, but dark where the reader prefers that: for pages that are light or dark themselves.
    pub fn either(&self, title: &str) -> String {
        self.card(title, &palette::either())
    }

    fn card(&self, title: &str, style: &str) -> String {
        const EDGE: f64 = 20.0;
        const HEAD: f64 = 40.0;
        let (width, height) = (self.width + 2.0 * EDGE, self.height + HEAD + EDGE);
        let mut card = Svg::new(width, height);
        card.rounded("card axis", [0.5, 0.5, width - 1.0, height - 1.0], 8.0);
        card.text("t strong big", EDGE, 28.0, title);
        card.place(self, EDGE, HEAD);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
             height=\"{height:.0}\" font-family=\"{FONT}\" font-size=\"11\">\n<title>{}</title>\n<style>{}</style>\n{}</svg>\n",
            escaped(title),
            style,
            card.body
        )
    }
}

/// About how wide text of this size is.
pub fn text_width(words: &str, size: f64) -> f64 {
    words.chars().count() as f64 * size * LETTER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_not_break_the_picture() {
        let mut svg = Svg::new(10.0, 10.0);
        svg.text("t", 0.0, 0.0, "</text><script>");
        assert!(!svg.alone("</title>").contains("<script>"));
    }
}
