//! The reports of a run, written beside its record: `report.html`, `report.md` and `charts/`.

use std::fs;
use std::io;
use std::path::Path;

use super::chart::figure::WIDTHS;
use super::evidence::{Evidence, figures};
use super::{markdown, page};
use crate::record::outputs::{OutputError, SCENARIO};

/// The page.
pub const PAGE: &str = "report.html";
/// The same in Markdown.
pub const MARKDOWN: &str = "report.md";
/// Its pictures.
pub const CHARTS: &str = "charts";

/// Writes the reports into a run's folder; files that are there are replaced.
///
/// # Errors
/// [`OutputError::Write`] for the first file that can't be written.
pub fn write(folder: &Path, evidence: Evidence<'_>) -> Result<(), OutputError> {
    // A page without the scenario is better than none.
    let scenario = fs::read_to_string(folder.join(SCENARIO)).unwrap_or_default();
    let figures = figures(evidence);
    let put = |name: &str, content: &str| {
        let path = folder.join(name);
        fs::write(&path, content).map_err(|source: io::Error| OutputError::Write { path, source })
    };
    let charts = folder.join(CHARTS);
    fs::create_dir_all(&charts).map_err(|source| OutputError::Write { path: charts, source })?;
    for figure in &figures {
        if let Some(picture) = &figure.picture {
            put(&format!("{CHARTS}/{}.svg", figure.id), &picture.draw(WIDTHS[0]).alone(&figure.title))?;
        }
    }
    put(PAGE, &page::page(evidence, &figures, &scenario))?;
    put(MARKDOWN, &markdown::markdown(evidence, &figures))
}
