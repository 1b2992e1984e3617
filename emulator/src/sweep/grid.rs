//! The grid of a sweep: every combination of the values that vary.

use std::fmt;

/// Short names of what is varied most.
const SHORT: [(&str, &str); 2] = [("nodes", "topology.nodes"), ("replicas", "plan.replicas")];

/// A key of the scenario and the values it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vary {
    /// As the user named it.
    pub name: String,
    /// The scenario's key, with dots.
    pub key: String,
    /// Its values, in the order in which they are to be tried.
    pub values: Vec<String>,
}

impl std::str::FromStr for Vary {
    type Err = String;

    /// `KEY=V1,V2,…`; `nodes` and `replicas` stand for `topology.nodes` and `plan.replicas`.
    fn from_str(text: &str) -> Result<Vary, String> {
        let wrong = || format!("{text:?} is not KEY=VALUE,VALUE,…, such as nodes=5,10,20");
        let (name, values) = text.split_once('=').ok_or_else(wrong)?;
        let mut values: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
        if name.trim().is_empty() || values.iter().any(String::is_empty) {
            return Err(wrong());
        }
        let mut known = Vec::new();
        values.retain(|value| {
            !known.contains(value) && {
                known.push(value.clone());
                true
            }
        });
        let name = name.trim().to_owned();
        let key = SHORT.iter().find(|(short, _)| *short == name).map_or(name.clone(), |(_, key)| (*key).to_owned());
        Ok(Vary { name, key, values })
    }
}

/// A point of the grid: a value for each key that varies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Point {
    /// Names and values, in the order of the command line.
    pub values: Vec<(String, String)>,
    /// What `--set` makes of it.
    pub set: Vec<String>,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.values.iter().map(|(name, value)| format!("{name}={value}")).collect();
        f.write_str(&parts.join(" "))
    }
}

impl Point {
    /// The name of its folder.
    pub fn folder(&self) -> String {
        let plain = |c: char| if c.is_alphanumeric() || "-_.+=".contains(c) { c } else { '_' };
        let parts: Vec<String> = self.values.iter().map(|(name, value)| format!("{name}={value}")).collect();
        parts.join("+").chars().map(plain).collect()
    }
}

/// All combinations; the last key varies fastest.
pub fn grid(vary: &[Vary]) -> Vec<Point> {
    let mut points = vec![Point::default()];
    for Vary { name, key, values } in vary {
        let with = |point: &Point, value: &String| {
            let mut point = point.clone();
            point.values.push((name.clone(), value.clone()));
            point.set.push(format!("{key}={value}"));
            point
        };
        points = points.iter().flat_map(|point| values.iter().map(move |value| with(point, value))).collect();
    }
    points
}

/// Points that differ in one key only, which is a number.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The key, as the user named it.
    pub over: String,
    /// What else is set, as `name=value`.
    pub with: String,
    /// The points, by their index, with their value of the key.
    pub points: Vec<(usize, f64)>,
}

/// The rows over a key, one for each combination of the others; none if its values are not all numbers.
pub fn rows(key: usize, vary: &Vary, points: &[Point]) -> Vec<Row> {
    let number = |point: &Point| point.values[key].1.parse::<f64>().ok().filter(|value| value.is_finite());
    if vary.values.len() < 2 || points.iter().any(|point| number(point).is_none()) {
        return Vec::new();
    }
    let others = |point: &Point| {
        let others = point.values.iter().enumerate().filter(|(index, _)| *index != key);
        others.map(|(_, (name, value))| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    };
    let mut rows: Vec<Row> = Vec::new();
    for (index, point) in points.iter().enumerate() {
        let (with, Some(value)) = (others(point), number(point)) else { continue };
        match rows.iter_mut().find(|row| row.with == with) {
            Some(row) => row.points.push((index, value)),
            None => rows.push(Row { over: vary.name.clone(), with, points: vec![(index, value)] }),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_is_a_point() {
        let vary: Vec<Vary> = ["nodes=5,10,5", "replicas=1,auto"].map(|text| text.parse().unwrap()).to_vec();
        let points = grid(&vary);
        let said: Vec<String> = points.iter().map(Point::to_string).collect();
        assert_eq!(
            said,
            ["nodes=5 replicas=1", "nodes=5 replicas=auto", "nodes=10 replicas=1", "nodes=10 replicas=auto"]
        );
        assert_eq!(points[1].set, ["topology.nodes=5", "plan.replicas=auto"]);
        assert_eq!(points[1].folder(), "nodes=5+replicas=auto");
        for wrong in ["nodes", "=5", "nodes=", "nodes=5,,6"] {
            assert!(wrong.parse::<Vary>().is_err(), "{wrong}");
        }
    }
}
