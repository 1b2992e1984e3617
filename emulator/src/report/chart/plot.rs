//! Lines over an axis, with stretches of it shaded.

use std::fmt::Write;

use serde::Serialize;

use super::scale::{Axis, Spread};
use super::svg::{Svg, text_width};
use crate::report::numbers::significant;

const FONT: f64 = 11.0;
/// Room above the plot: for the legend, and for the marks of bands.
const LEGEND: f64 = 22.0;
const MARKS: f64 = 20.0;
const BELOW: f64 = 38.0;
const RIGHT: f64 = 14.0;
/// A solid line of no more points shows each of them.
const FEW: usize = 16;

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// From point to point.
    Solid,
    /// The same, broken.
    Dashed,
    /// Solid, and what is below it is shaded.
    Filled,
    /// Each value until the next point, broken.
    Steps,
    /// No line, only the points.
    Points,
}

/// Values over the axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What they are.
    pub name: String,
    /// Its colour, from 1 to 6.
    pub colour: u8,
    /// How it is drawn.
    pub style: Style,
    /// Places and values; where there is no value, the line has a gap.
    pub points: Vec<(f64, Option<f64>)>,
}

/// A stretch of the axis that is shaded.
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    /// Its beginning.
    pub from: f64,
    /// Its end.
    pub to: f64,
    /// Its number, as in the list of what the bands are.
    pub number: usize,
    /// What it is.
    pub says: String,
}

/// How far apart the values are of which a point is the middle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Whisker {
    /// Where the point is on the axis.
    pub place: f64,
    /// The least.
    pub from: f64,
    /// The most.
    pub to: f64,
    /// The colour of the line that it belongs to.
    pub colour: u8,
}

/// The picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// What is below.
    pub x: Axis,
    /// What is to the left.
    pub y: Axis,
    /// The lines; the first is drawn last.
    pub lines: Vec<Line>,
    /// What is shaded.
    pub bands: Vec<Band>,
    /// Bars across points.
    pub whiskers: Vec<Whisker>,
}

/// The values of a drawn plot, for a cursor that is moved over it.
#[derive(Debug, Serialize)]
struct Cursor<'a> {
    /// From the left, in pixels of the picture.
    places: Vec<f64>,
    /// What is said of each place.
    says: Vec<String>,
    names: Vec<&'a str>,
    /// The lines' values at each place.
    values: Vec<Vec<String>>,
    top: f64,
    bottom: f64,
}

/// Where the plot itself is in the picture.
struct Ground {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Plot {
    /// Draws it so wide and high.
    pub fn draw(&self, width: f64, height: f64) -> Svg {
        let mut svg = Svg::new(width, height);
        let ground = self.ground(width, height);
        self.axes(&mut svg, &ground);
        for line in self.lines.iter().rev() {
            self.line(&mut svg, &ground, line);
        }
        self.whiskers.iter().for_each(|whisker| self.whisker(&mut svg, &ground, whisker));
        self.marks(&mut svg, &ground);
        self.legend(&mut svg, width);
        svg
    }

    /// What a script needs to tell the values under a cursor, in JSON.
    pub fn cursor(&self, width: f64, height: f64) -> String {
        let ground = self.ground(width, height);
        let lines: Vec<&Line> = self.lines.iter().filter(|line| line.style != Style::Steps).collect();
        let places: Vec<f64> =
            lines.first().map(|line| line.points.iter().map(|point| point.0).collect()).unwrap_or_default();
        let value = |line: &Line, place: usize| {
            let value = line.points.get(place).and_then(|point| point.1);
            value.map_or_else(|| "–".to_owned(), significant)
        };
        let cursor = Cursor {
            places: places.iter().map(|place| (ground.x(&self.x, *place) * 10.0).round() / 10.0).collect(),
            says: places.iter().map(|place| format!("{}: {}", self.x.says, significant(*place))).collect(),
            names: lines.iter().map(|line| line.name.as_str()).collect(),
            values: lines.iter().map(|line| (0..places.len()).map(|place| value(line, place)).collect()).collect(),
            top: ground.top,
            bottom: ground.top + ground.height,
        };
        // Numbers and names: nothing that JSON can't hold.
        serde_json::to_string(&cursor).unwrap_or_default()
    }

    fn ground(&self, width: f64, height: f64) -> Ground {
        let labels = self.y.ticks(5).into_iter().map(|(_, label)| text_width(&label, FONT));
        let left = labels.fold(20.0, f64::max) + 12.0;
        let top = self.legend_height(width) + 18.0 + if self.bands.is_empty() { 0.0 } else { MARKS };
        Ground { left, top, width: width - left - RIGHT, height: height - top - BELOW }
    }

    fn axes(&self, svg: &mut Svg, ground: &Ground) {
        let Ground { left, top, width, height } = *ground;
        let bottom = top + height;
        for band in &self.bands {
            let (from, to) = (ground.x(&self.x, band.from), ground.x(&self.x, band.to));
            svg.told(&band.says, |svg| svg.rect("band", from, top, (to - from).max(2.0), height));
        }
        svg.text("p", left - 6.0, top - 7.0 - if self.bands.is_empty() { 0.0 } else { MARKS }, &self.y.says);
        for (value, label) in self.y.ticks(5) {
            let y = ground.y(&self.y, value);
            svg.path("grid", format_args!("M{left:.1} {y:.1} h{width:.1}"));
            svg.text("p end", left - 6.0, y + 4.0, &label);
        }
        let room = if self.x.spread == Spread::Linear { 64.0 } else { 48.0 };
        for (value, label) in self.x.ticks((width / room) as usize) {
            let x = ground.x(&self.x, value);
            svg.path("axis", format_args!("M{x:.1} {bottom:.1} v4"));
            svg.text("p mid", x, bottom + 16.0, &label);
        }
        svg.path("axis", format_args!("M{left:.1} {bottom:.1} h{width:.1}"));
        svg.text("p mid", left + width / 2.0, bottom + 32.0, &self.x.says);
    }

    fn line(&self, svg: &mut Svg, ground: &Ground, line: &Line) {
        let base = ground.top + ground.height;
        let (mut way, mut area) = (String::new(), String::new());
        // The last point's place, if the line goes on from it.
        let mut last: Option<(f64, f64)> = None;
        let close = |area: &mut String, last: Option<(f64, f64)>| {
            if let Some((x, _)) = last {
                let _ = write!(area, "L{x:.1} {base:.1}Z");
            }
        };
        for (place, value) in &line.points {
            let x = ground.x(&self.x, *place);
            let point = value.map(|value| (x, ground.y(&self.y, value)));
            match (last, point) {
                (Some((_, before)), Some((x, y))) if line.style == Style::Steps => {
                    let _ = write!(way, "L{x:.1} {before:.1}L{x:.1} {y:.1}");
                }
                (Some(_), Some((x, y))) => {
                    let _ = write!(way, "L{x:.1} {y:.1}");
                    let _ = write!(area, "L{x:.1} {y:.1}");
                }
                (None, Some((x, y))) => {
                    // A point without neighbours is seen, too.
                    let _ = write!(way, "M{x:.1} {y:.1}h0.1");
                    let _ = write!(area, "M{x:.1} {base:.1}L{x:.1} {y:.1}");
                }
                (_, None) => close(&mut area, last),
            }
            last = point;
        }
        close(&mut area, last);
        let colour = line.colour;
        if line.style == Style::Filled {
            svg.path(&format!("a{colour} veil"), area);
        }
        let dash = if matches!(line.style, Style::Dashed | Style::Steps) { " dash" } else { "" };
        if line.style != Style::Points {
            svg.path(&format!("l{colour}{dash}"), way);
        }
        if line.style == Style::Points || line.style == Style::Solid && line.points.len() <= FEW {
            for (place, value) in &line.points {
                let Some(value) = value else { continue };
                svg.circle(&format!("a{colour}"), ground.x(&self.x, *place), ground.y(&self.y, *value), 2.6);
            }
        }
    }

    fn whisker(&self, svg: &mut Svg, ground: &Ground, whisker: &Whisker) {
        const HALF: f64 = 4.0;
        let x = ground.x(&self.x, whisker.place) - HALF;
        let (low, high) = (ground.y(&self.y, whisker.from), ground.y(&self.y, whisker.to));
        let wide = 2.0 * HALF;
        let way = format_args!("M{x:.1} {low:.1}h{wide}m-{HALF} 0V{high:.1}m-{HALF} 0h{wide}");
        svg.path(&format!("l{}", whisker.colour), way);
    }

    /// The numbers of the bands, each above its beginning; where there is room until the next one, in words.
    fn marks(&self, svg: &mut Svg, ground: &Ground) {
        const RADIUS: f64 = 7.5;
        let mut bands: Vec<&Band> = self.bands.iter().collect();
        bands.sort_by(|a, b| a.from.total_cmp(&b.from));
        let y = ground.top - MARKS / 2.0;
        let mut free = f64::NEG_INFINITY;
        for (index, band) in bands.iter().enumerate() {
            let x = (ground.x(&self.x, band.from)).max(free + RADIUS).min(ground.left + ground.width);
            svg.told(&band.says, |svg| {
                svg.circle("mark", x, y, RADIUS);
                svg.text("inv mid strong", x, y + 4.0, &band.number.to_string());
            });
            free = x + RADIUS + 2.0;
            let next =
                bands.get(index + 1).map_or(ground.left + ground.width, |next| ground.x(&self.x, next.from) - RADIUS);
            let wide = text_width(&band.says, FONT);
            if free + 2.0 + wide < next {
                svg.text("p", free + 2.0, y + 4.0, &band.says);
                free += 2.0 + wide;
            }
        }
    }

    fn legend_height(&self, width: f64) -> f64 {
        self.places_in_legend(width).last().map_or(0.0, |(_, y)| y + LEGEND)
    }

    /// Where each line's name begins, on as many lines as they need.
    fn places_in_legend(&self, width: f64) -> Vec<(f64, f64)> {
        let (mut x, mut y) = (0.0, 0.0);
        let mut places = Vec::new();
        for line in &self.lines {
            let wide = 28.0 + text_width(&line.name, FONT) + 14.0;
            if x > 0.0 && x + wide > width {
                (x, y) = (0.0, y + LEGEND - 4.0);
            }
            places.push((x, y));
            x += wide;
        }
        places
    }

    fn legend(&self, svg: &mut Svg, width: f64) {
        for (line, (x, y)) in self.lines.iter().zip(self.places_in_legend(width)) {
            let dash = if matches!(line.style, Style::Dashed | Style::Steps) { " dash" } else { "" };
            match line.style {
                Style::Points => svg.circle(&format!("a{}", line.colour), x + 10.0, y + 9.0, 2.6),
                _ => svg.path(&format!("l{}{dash}", line.colour), format_args!("M{x:.1} {:.1}h20", y + 9.0)),
            }
            svg.text("t", x + 26.0, y + 13.0, &line.name);
        }
    }
}

impl Ground {
    fn x(&self, axis: &Axis, value: f64) -> f64 {
        self.left + self.width * axis.place(value)
    }

    fn y(&self, axis: &Axis, value: f64) -> f64 {
        self.top + self.height * (1.0 - axis.place(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot() -> Plot {
        let line = |points| Line { name: "a".into(), colour: 1, style: Style::Filled, points };
        Plot {
            x: Axis::exactly("s", 0.0, 10.0),
            y: Axis::linear("per s", 10.0),
            lines: vec![line(vec![(0.0, Some(0.0)), (5.0, None), (10.0, Some(10.0))])],
            bands: vec![Band { from: 2.0, to: 4.0, number: 1, says: "kill n1".into() }],
            whiskers: Vec::new(),
        }
    }

    #[test]
    fn a_line_has_a_gap_where_there_is_no_value_and_ends_at_its_last_one() {
        let drawn = plot().draw(400.0, 200.0).inline("", "");
        assert_eq!(drawn.matches("h0.1").count(), 2, "{drawn}");
        assert!(drawn.contains("kill n1"));
        // The last value, 10 of 10 at 10 of 10, is in the upper right corner of the ground.
        let ground = plot().ground(400.0, 200.0);
        assert!(drawn.contains(&format!("M{:.1} {:.1}h0.1", 400.0 - RIGHT, ground.top)), "{drawn}");
    }

    #[test]
    fn the_cursor_knows_every_value() {
        let cursor: serde_json::Value = serde_json::from_str(&plot().cursor(400.0, 200.0)).unwrap();
        assert_eq!(cursor["values"][0], serde_json::json!(["0", "–", "10"]));
        assert_eq!(cursor["places"].as_array().unwrap().len(), 3);
    }
}
