//! A sweep as one picture for a paper or a page: throughput beside latency, over what varied.

use std::fs;
use std::io;
use std::path::Path;

use super::super::chart::figure::{Picture, WIDTHS};
use super::super::chart::svg::Svg;
use super::{HEIGHT, over};
use crate::compare::Metric;
use crate::record::outputs::OutputError;
use crate::sweep::Swept;

/// Between the two.
const GAP: f64 = 24.0;
/// Room for the line below them.
const NOTE: f64 = 22.0;

/// Writes it to `path`, whose folder is made if it is not there.
///
/// # Errors
/// [`OutputError::Write`]; also when nothing that varied is a number, so that there is no axis.
pub fn printed(swept: &Swept, path: &Path) -> Result<(), OutputError> {
    let failed = |source| OutputError::Write { path: path.to_owned(), source };
    let no_axis = || io::Error::other("there is nothing to draw: no varied key has only numbers as its values");
    let key = swept.over.iter().find(|key| swept.curves.iter().any(|curve| curve.over == **key));
    let drawn = key.and_then(|key| draw(swept, key)).ok_or_else(no_axis).map_err(failed)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(path, drawn).map_err(failed)
}

fn draw(swept: &Swept, key: &str) -> Option<String> {
    let wide = (WIDTHS[0] - GAP) / 2.0;
    let mut svg = Svg::new(WIDTHS[0], HEIGHT + NOTE);
    for (number, metric) in [Metric::Throughput, Metric::P50].into_iter().enumerate() {
        let Some(Picture::Plot(plot, height)) = over(swept, key, metric, "printed")?.picture else { return None };
        svg.place(&plot.draw(wide, height), number as f64 * (wide + GAP), 0.0);
    }
    let runs = swept.points.sets.iter().map(|set| set.runs);
    let (fewest, most) = (runs.clone().min()?, runs.max()?);
    let note = match (fewest, most) {
        (1, 1) => "One run at each point.".to_owned(),
        (fewest, most) if fewest == most => format!(
            "{most} runs at each point: the median of their throughputs, latency of all their requests; bars from the least to the most of them."
        ),
        (fewest, most) => format!(
            "{fewest} to {most} runs at each point: the median of their throughputs, latency of all their requests; bars from the least to the most."
        ),
    };
    svg.text("p", 0.0, HEIGHT + NOTE - 4.0, &note);
    Some(svg.either(&format!("{}: throughput and latency over {key}", swept.scenario)))
}
