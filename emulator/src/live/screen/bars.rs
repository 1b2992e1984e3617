//! Figures of the last seconds as bars, one column for each, the latest at the right.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};

/// Eighths of a cell, from none.
const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// Draws bars into `area`: `back` behind `front`, newest first, both below `most`.
pub fn bars(buffer: &mut Buffer, area: Rect, most: f64, back: (&[f64], Color), front: (&[f64], Color)) {
    if most <= 0.0 {
        return;
    }
    for column in 0..area.width {
        let place = usize::from(column);
        let height = |values: &[f64]| {
            let share = values.get(place).copied().unwrap_or_default() / most;
            (share.clamp(0.0, 1.0) * f64::from(area.height) * 8.0).round() as u16
        };
        let (behind, before) = (height(back.0), height(front.0));
        for row in 0..area.height {
            let fill = |height: u16| height.saturating_sub(8 * row).min(8);
            let (behind, before) = (fill(behind), fill(before));
            let (eighths, style) = match (before, behind) {
                (0, 0) => continue,
                (0, eighths) => (eighths, Style::new().fg(back.1)),
                // What is behind shows above what is in front, as far as whole cells go.
                (eighths @ 1..8, 8) => (eighths, Style::new().fg(front.1).bg(back.1)),
                (eighths, _) => (eighths, Style::new().fg(front.1)),
            };
            let at = (area.right() - 1 - column, area.bottom() - 1 - row);
            if let Some(cell) = buffer.cell_mut(at) {
                cell.set_symbol(EIGHTHS[usize::from(eighths)]).set_style(style);
            }
        }
    }
}

/// A share of something as a bar of `width` cells.
pub fn gauge(share: f64, width: usize) -> (String, String) {
    let full = (share.clamp(0.0, 1.0) * width as f64).round() as usize;
    ("━".repeat(full), "─".repeat(width - full))
}

/// The next number up of 1, 2, 5, 10 and so on, so that an axis doesn't jump with every value.
pub fn ceiling(value: f64) -> f64 {
    if value <= 0.0 {
        return 0.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|bound| *bound >= value).unwrap_or(10.0 * power)
}
