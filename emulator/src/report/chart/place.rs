//! Where things are in the picture of a plan: nodes, arrows between them, and room for labels.

use std::fmt;

/// A place in the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// From the left.
    pub x: f64,
    /// From the top.
    pub y: f64,
}

impl Point {
    fn towards(self, other: Point, distance: f64) -> Point {
        let (dx, dy) = (other.x - self.x, other.y - self.y);
        let length = dx.hypot(dy).max(1e-9);
        Point { x: self.x + dx / length * distance, y: self.y + dy / length * distance }
    }

    fn between(self, other: Point, part: f64) -> Point {
        Point { x: self.x + (other.x - self.x) * part, y: self.y + (other.y - self.y) * part }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} {:.1}", self.x, self.y)
    }
}

/// Places for so many nodes, on a square of `side` around `centre`: where they are, if that is known (`positions` in any
/// unit, from the bottom left), but at least `apart` from each other; on a circle, if not.
pub fn places(nodes: usize, positions: &[[f64; 2]], centre: Point, side: f64, apart: f64) -> Vec<Point> {
    if positions.len() != nodes {
        return (0..nodes)
            .map(|node| {
                let angle = std::f64::consts::TAU * (node as f64 / nodes.max(1) as f64 - 0.25);
                Point { x: centre.x + angle.cos() * side / 2.0, y: centre.y + angle.sin() * side / 2.0 }
            })
            .collect();
    }
    let span = |axis: usize| {
        let values = || positions.iter().map(|position| position[axis]);
        (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max))
    };
    let ((left, right), (low, high)) = (span(0), span(1));
    let scale = side / (right - left).max(high - low).max(1e-9);
    let place = |[x, y]: &[f64; 2]| Point {
        x: centre.x + (x - left.midpoint(right)) * scale,
        y: centre.y - (y - low.midpoint(high)) * scale,
    };
    let mut places: Vec<Point> = positions.iter().map(place).collect();
    // Neighbours push each other aside until one can see both.
    for _ in 0..100 {
        for a in 0..nodes {
            for b in a + 1..nodes {
                let (one, other) = (places[a], places[b]);
                let short = (apart - (one.x - other.x).hypot(one.y - other.y)) / 2.0;
                if short > 0.0 {
                    (places[a], places[b]) = (one.towards(other, -short), other.towards(one, -short));
                }
            }
        }
    }
    for place in &mut places {
        place.x = place.x.clamp(centre.x - side / 2.0, centre.x + side / 2.0);
        place.y = place.y.clamp(centre.y - side / 2.0, centre.y + side / 2.0);
    }
    places
}

/// An arrow: a quadratic curve that leaves the straight line to its left, so that there and back are told apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curve {
    /// Where it begins.
    pub from: Point,
    /// Its control point.
    pub bend: Point,
    /// Where it ends.
    pub to: Point,
}

impl Curve {
    /// From one node to another, a margin away from each.
    pub fn between(a: Point, b: Point, margin: f64) -> Curve {
        let (dx, dy) = (b.x - a.x, b.y - a.y);
        let aside = (dx.hypot(dy) * 0.2).clamp(16.0, 60.0) / dx.hypot(dy).max(1e-9);
        let bend = Point { x: a.x.midpoint(b.x) + dy * aside, y: a.y.midpoint(b.y) - dx * aside };
        Curve { from: a.towards(bend, margin), bend, to: b.towards(bend, margin) }
    }

    fn at(&self, part: f64) -> Point {
        self.from.between(self.bend, part).between(self.bend.between(self.to, part), part)
    }

    /// The two corners of the head, and the middle between them.
    pub fn head(&self) -> [Point; 3] {
        let neck = self.to.towards(self.bend, 10.0);
        let (dx, dy) = ((self.to.x - neck.x) * 0.5, (self.to.y - neck.y) * 0.5);
        [Point { x: neck.x - dy, y: neck.y + dx }, Point { x: neck.x + dy, y: neck.y - dx }, neck]
    }
}

/// A rectangle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Box {
    /// Its left edge.
    pub left: f64,
    /// Its upper edge.
    pub top: f64,
    /// How wide it is.
    pub width: f64,
    /// How high it is.
    pub height: f64,
}

impl Box {
    /// Around a point.
    pub fn around(centre: Point, width: f64, height: f64) -> Box {
        Box { left: centre.x - width / 2.0, top: centre.y - height / 2.0, width, height }
    }

    fn overlap(&self, other: &Box) -> f64 {
        let common = |a: f64, a_size: f64, b: f64, b_size: f64| ((a + a_size).min(b + b_size) - a.max(b)).max(0.0);
        common(self.left, self.width, other.left, other.width) * common(self.top, self.height, other.top, other.height)
    }
}

/// The place along a curve, as near to its middle as can be, where a label covers the least of what is there.
pub fn free_spot(curve: &Curve, label: Box, taken: &[Box]) -> Box {
    let aside = [0.0, -15.0, 15.0, -30.0, 30.0];
    let parts = [0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74];
    let spots = aside.iter().flat_map(|aside| parts.iter().map(move |part| (*aside, *part)));
    let placed = spots.map(|(aside, part)| {
        let at = curve.at(part);
        let spot = Box::around(Point { x: at.x, y: at.y + aside }, label.width, label.height);
        (taken.iter().map(|other| spot.overlap(other)).sum::<f64>(), spot)
    });
    // The first of equals.
    placed.reduce(|best, other| if other.0 < best.0 { other } else { best }).map_or(label, |(_, spot)| spot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_where_they_are_but_never_on_each_other() {
        let centre = Point { x: 100.0, y: 100.0 };
        let known = places(3, &[[0.0, 0.0], [0.0, 10.0], [10.0, 10.0]], centre, 200.0, 20.0);
        assert_eq!(known, [[0.0, 200.0], [0.0, 0.0], [200.0, 0.0]].map(|[x, y]| Point { x, y }));
        let distance = |a: Point, b: Point| (a.x - b.x).hypot(a.y - b.y);
        let near = places(3, &[[0.0, 0.0], [5.0, 5.0], [5.1, 5.0]], centre, 200.0, 20.0);
        assert!(distance(near[1], near[2]) > 10.0);
        let round = places(4, &[], centre, 200.0, 20.0);
        assert!(round.iter().all(|at| (distance(*at, centre) - 100.0).abs() < 1e-9));
    }

    #[test]
    fn a_label_makes_way_for_another() {
        let curve = Curve::between(Point { x: 0.0, y: 0.0 }, Point { x: 300.0, y: 0.0 }, 10.0);
        let label = Box::around(Point { x: 0.0, y: 0.0 }, 60.0, 16.0);
        let first = free_spot(&curve, label, &[]);
        let second = free_spot(&curve, label, &[first]);
        assert_eq!(first.overlap(&second), 0.0);
    }
}
