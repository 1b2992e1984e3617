//! Nodes where they are, and what they send each other.

use super::place::{Box, Curve, Point, free_spot, places};
use super::svg::{Svg, text_width};

const FONT: f64 = 11.0;
/// Below this width, nodes are smaller and arrows have no words.
const NARROW: f64 = 500.0;
/// Colours of chains, in turn. The second, which marks faults, is none of them.
const CHAINS: [u8; 5] = [1, 3, 4, 5, 6];

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Client or dispatcher.
    Machine,
    /// A worker that holds this stage of this chain.
    Stage {
        /// The chain.
        chain: usize,
        /// The stage's place in it.
        place: usize,
    },
    /// A worker that holds none.
    Idle,
}

/// A node.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Whether it limits the throughput.
    pub slowest: bool,
    /// Whether a fault hit it.
    pub hit: bool,
    /// More about it.
    pub says: String,
}

/// What one node sends another.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrow {
    /// The sender's index.
    pub from: usize,
    /// The receiver's index.
    pub to: usize,
    /// The chain, if it is a part of one.
    pub chain: Option<usize>,
    /// Rate and time, in words.
    pub label: String,
    /// Whether it limits the throughput.
    pub slowest: bool,
}

/// A cluster and what it does.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// Where they are, in any unit from the bottom left; not known: as many as it likes.
    pub positions: Vec<[f64; 2]>,
    /// Their transfers.
    pub arrows: Vec<Arrow>,
}

/// The colour of a chain, as classes name it.
pub fn colour(chain: usize) -> u8 {
    CHAINS[chain % CHAINS.len()]
}

impl Map {
    /// Draws it so wide, and as high.
    pub fn draw(&self, width: f64) -> Svg {
        let narrow = width < NARROW;
        let radius = if narrow { 11.0 } else { 16.0 };
        let centre = Point { x: width / 2.0, y: width / 2.0 - 8.0 };
        let places = places(
            self.nodes.len(),
            &self.positions,
            centre,
            width - 4.0 * radius - 16.0,
            if narrow { 30.0 } else { 54.0 },
        );
        let mut svg = Svg::new(width, width);
        self.arrows(&mut svg, &places, radius, narrow);
        for (node, at) in self.nodes.iter().zip(&places) {
            svg.told(&node.says, |svg| node.draw(svg, *at, radius));
        }
        svg
    }

    /// Arrows first, then their labels where there is room, so that no arrow crosses a label.
    fn arrows(&self, svg: &mut Svg, places: &[Point], radius: f64, narrow: bool) {
        let curve = |arrow: &Arrow| Curve::between(places[arrow.from], places[arrow.to], radius + 3.0);
        for arrow in &self.arrows {
            let curve = curve(arrow);
            let Curve { from, bend, to } = curve;
            let [left, right, neck] = curve.head();
            let (line, area) = match (arrow.slowest, arrow.chain) {
                (true, _) => ("lbad".to_owned(), "abad".to_owned()),
                (_, Some(chain)) => (format!("l{}", colour(chain)), format!("a{}", colour(chain))),
                (_, None) => ("lpale".to_owned(), "apale".to_owned()),
            };
            svg.path(&line, format_args!("M{from} Q{bend} {neck}"));
            svg.path(&area, format_args!("M{to} L{left} L{right} Z"));
        }
        if narrow {
            return;
        }
        let mut taken: Vec<Box> =
            places.iter().map(|at| Box::around(Point { x: at.x, y: at.y + 7.0 }, 44.0, 2.0 * radius + 16.0)).collect();
        for arrow in &self.arrows {
            let label = Box::around(Point { x: 0.0, y: 0.0 }, text_width(&arrow.label, FONT) + 8.0, 16.0);
            let spot = free_spot(&curve(arrow), label, &taken);
            taken.push(spot);
            let Box { left, top, width, height } = spot;
            svg.rounded("halo", [left, top, width, height], 4.0);
            let weight = if arrow.slowest { "t mid strong" } else { "p mid" };
            svg.text(weight, left + width / 2.0, top + 12.0, &arrow.label);
        }
    }
}

impl Node {
    fn draw(&self, svg: &mut Svg, Point { x, y }: Point, radius: f64) {
        if self.slowest {
            svg.circle("lbad", x, y, radius + 4.0);
        }
        let inside = match self.kind {
            Kind::Machine => {
                svg.rounded("lpale", [x - radius, y - radius, 2.0 * radius, 2.0 * radius], 5.0);
                self.says.chars().next().map_or_else(String::new, |initial| initial.to_uppercase().to_string())
            }
            Kind::Stage { chain, place } => {
                svg.circle(&format!("a{}", colour(chain)), x, y, radius);
                place.to_string()
            }
            Kind::Idle => {
                svg.circle("none", x, y, radius);
                String::new()
            }
        };
        let ink = if matches!(self.kind, Kind::Stage { .. }) { "inv" } else { "t" };
        svg.text(&format!("{ink} mid strong"), x, y + 4.0, &inside);
        svg.text("t mid", x, y + radius + 13.0, &self.name);
        if self.hit {
            let (x, y) = (x + radius * 0.8, y - radius * 0.8);
            svg.circle("mark", x, y, 6.5);
            svg.path("cross", format_args!("M{:.1} {:.1}l5 5m0 -5l-5 5", x - 2.5, y - 2.5));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_shows_who_holds_what_and_who_was_hit() {
        let node = |name: &str, kind, hit| Node { name: name.into(), kind, slowest: false, hit, says: name.into() };
        let map = Map {
            nodes: vec![
                node("client", Kind::Machine, false),
                node("n1", Kind::Stage { chain: 0, place: 7 }, true),
                node("n2", Kind::Idle, false),
            ],
            positions: Vec::new(),
            arrows: vec![Arrow { from: 0, to: 1, chain: Some(0), label: "12 Mbit/s".into(), slowest: true }],
        };
        let drawn = map.draw(640.0).inline("", "");
        for part in ["class=\"a1\"", ">7</text>", "class=\"cross\"", "lbad", "12 Mbit/s", "class=\"none\"", ">C</text>"]
        {
            assert!(drawn.contains(part), "{part} is missing in {drawn}");
        }
        assert!(!map.draw(350.0).inline("", "").contains("12 Mbit/s"));
    }
}
