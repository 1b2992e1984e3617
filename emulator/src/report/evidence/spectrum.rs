//! How latency is spread: HdrHistogram's percentile plot.

use super::Evidence;
use crate::record::arithmetic::nearest;
use crate::report::chart::figure::{Figure, Picture, Table};
use crate::report::chart::plot::{Line, Plot, Style};
use crate::report::chart::scale::Axis;
use crate::report::numbers::grouped;

const HEIGHT: f64 = 280.0;
/// Points for each tenfold.
const FINENESS: u32 = 20;

/// Each percentile of latency, as many nines as there are samples for.
pub fn spectrum(evidence: Evidence<'_>) -> Option<Figure> {
    let Evidence { scenario, tally, .. } = evidence;
    let samples: Vec<_> = tally.samples(tally.window(scenario)).collect();
    if samples.is_empty() {
        return None;
    }
    let sorted = |latency: &dyn Fn(&crate::record::tally::Sample) -> std::time::Duration| {
        let mut millis: Vec<f64> = samples.iter().map(|sample| latency(sample).as_secs_f64() * 1e3).collect();
        millis.sort_by(f64::total_cmp);
        millis
    };
    let corrected = sorted(&|sample| sample.latency);
    let uncorrected = sorted(&|sample| sample.uncorrected);
    let x = Axis::tail("share of the requests", corrected.len() as u64);
    let steps = ((1.0 / (1.0 - x.to)).log10() * f64::from(FINENESS)).ceil() as u32;
    let shares: Vec<f64> = (0..=steps).map(|step| 1.0 - 10f64.powf(-f64::from(step) / f64::from(FINENESS))).collect();
    let shares: Vec<f64> = shares.into_iter().map(|share| share.min(x.to)).collect();
    let line = |name: &str, colour, style, millis: &[f64]| Line {
        name: name.to_owned(),
        colour,
        style,
        points: shares.iter().map(|share| (*share, nearest(millis, *share))).collect(),
    };
    let lines = vec![
        line("from the instant each was due", 1, Style::Solid, &corrected),
        line("from the instant it was sent", 6, Style::Dashed, &uncorrected),
    ];
    let (least, most) = (corrected[0].min(uncorrected[0]), corrected[corrected.len() - 1]);
    // Where all are about the same, a logarithm would hide that.
    let y =
        if most < 4.0 * least { Axis::linear("milliseconds", most) } else { Axis::log("milliseconds", least, most) };
    let mut table = Table::new(&["#share", "#due ms", "#sent ms"]);
    for (share, label) in x.ticks(9).into_iter().chain([(1.0, "100 %".to_owned())]) {
        let value = |millis: &[f64]| nearest(millis, share).map_or_else(String::new, |millis| format!("{millis:.2}"));
        table.rows.push(vec![label, value(&corrected), value(&uncorrected)]);
    }
    Some(Figure {
        id: "spectrum",
        title: "Latency by percentile".into(),
        says: format!(
            "Of {} requests that were due after the warm-up. Where the lines part, requests waited before they could be sent: \
             a client that counts from sending would not tell (coordinated omission).",
            grouped(corrected.len() as u64)
        ),
        picture: Some(Picture::Plot(Plot { x, y, lines, bands: Vec::new(), whiskers: Vec::new() }, HEIGHT)),
        table,
    })
}
