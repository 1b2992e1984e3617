//! Stretches side by side, one row for each thing: what took how long, or how much of what there is.

use super::scale::Axis;
use super::svg::{Svg, text_width};

const FONT: f64 = 11.0;
const HEIGHT: f64 = 14.0;
const LEGEND: f64 = 22.0;
const BELOW: f64 = 40.0;
/// Below this width, a row's name stands above it.
const NARROW: f64 = 500.0;

/// A stretch.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its beginning.
    pub from: f64,
    /// Its end.
    pub to: f64,
    /// Which of the kinds it is.
    pub kind: usize,
}

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Whose.
    pub name: String,
    /// Its stretches.
    pub parts: Vec<Part>,
    /// What is written behind the last one.
    pub note: String,
}

/// The picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Bars {
    /// What is below.
    pub x: Axis,
    /// What the colours mean; colour 1 is the first. One kind alone needs no words, and one that has none is not there.
    pub kinds: Vec<String>,
    /// From above.
    pub rows: Vec<Row>,
}

impl Bars {
    /// Draws it so wide, and as high as it must be.
    pub fn draw(&self, width: f64) -> Svg {
        let narrow = width < NARROW;
        let widest =
            |texts: &mut dyn Iterator<Item = &String>| texts.map(|text| text_width(text, FONT)).fold(0.0, f64::max);
        let names = widest(&mut self.rows.iter().map(|row| &row.name)).min(width * 0.4);
        let notes = widest(&mut self.rows.iter().map(|row| &row.note)).min(width * 0.3) + 10.0;
        let (left, row_height) = if narrow { (2.0, HEIGHT + 24.0) } else { (names + 12.0, HEIGHT + 10.0) };
        let room = (width - left - notes).max(60.0);
        let legend = self.legend_places(width);
        let top = legend.last().map_or(0.0, |(_, y)| y + LEGEND + 6.0);
        let bottom = top + self.rows.len() as f64 * row_height + 4.0;
        let mut svg = Svg::new(width, bottom + BELOW);
        for (value, label) in self.x.ticks((room / 70.0) as usize) {
            let x = left + room * self.x.place(value);
            svg.path("grid", format_args!("M{x:.1} {top:.1}V{bottom:.1}"));
            svg.text("p mid", x.max(text_width(&label, FONT) / 2.0), bottom + 15.0, &label);
        }
        svg.path("axis", format_args!("M{left:.1} {bottom:.1}h{room:.1}"));
        svg.text("p mid", left + room / 2.0, bottom + 32.0, &self.x.says);
        for (index, row) in self.rows.iter().enumerate() {
            let mut y = top + index as f64 * row_height + 5.0;
            if narrow {
                svg.text("t", left, y + 8.0, &row.name);
                y += 14.0;
            } else {
                svg.text("t end", left - 8.0, y + HEIGHT - 3.0, &row.name);
            }
            let mut end = left;
            for part in &row.parts {
                let (from, to) = (left + room * self.x.place(part.from), left + room * self.x.place(part.to));
                svg.rounded(&format!("a{}", part.kind % 6 + 1), [from, y, (to - from).max(1.5), HEIGHT], 1.5);
                end = to.max(from + 1.5);
            }
            svg.text("p", end + 6.0, y + HEIGHT - 3.0, &row.note);
        }
        for (kind, (x, y)) in legend.iter().enumerate().filter(|(kind, _)| !self.kinds[*kind].is_empty()) {
            svg.rounded(&format!("a{}", kind % 6 + 1), [*x, y + 3.0, 12.0, 12.0], 2.0);
            svg.text("t", x + 18.0, y + 13.0, &self.kinds[kind]);
        }
        svg
    }

    fn legend_places(&self, width: f64) -> Vec<(f64, f64)> {
        let (mut x, mut y) = (0.0, 0.0);
        let mut places = Vec::new();
        for kind in self.kinds.iter().filter(|_| self.kinds.len() > 1) {
            let wide = if kind.is_empty() { 0.0 } else { 18.0 + text_width(kind, FONT) + 14.0 };
            if x > 0.0 && x + wide > width {
                (x, y) = (0.0, y + LEGEND - 4.0);
            }
            places.push((x, y));
            x += wide;
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stretch_has_its_place_and_nothing_is_too_short_to_be_seen() {
        let row = Row {
            name: "kill n1".into(),
            parts: vec![Part { from: 0.0, to: 0.0, kind: 0 }, Part { from: 0.0, to: 10.0, kind: 1 }],
            note: "10 s".into(),
        };
        let bars = Bars { x: Axis::linear("s", 10.0), kinds: vec!["a".into(), "b".into()], rows: vec![row] };
        for width in [800.0, 360.0] {
            let drawn = bars.draw(width).inline("", "");
            assert!(drawn.contains("class=\"a1\"") && drawn.contains("width=\"1.5\""), "{drawn}");
            assert!(drawn.contains("10 s") && drawn.contains("kill n1"));
        }
    }
}
