//! What people read of the emulation's own fidelity.

use super::numbers::significant;
use crate::record::fidelity::{Doubt, Fidelity};
use crate::record::summary::Summary;
use crate::scenario::Grade;

/// Title of the list of doubts.
pub(super) const TITLE: &str = "How far the emulation can be trusted";

/// The verdict in a few words.
pub(super) fn line(fidelity: &Fidelity) -> String {
    match fidelity.verdict {
        Grade::Faithful => "faithful: nothing was seen that these figures could notice".to_owned(),
        Grade::Degraded => "degraded: these figures may be off, see below".to_owned(),
        Grade::Invalid => "invalid: these figures are not the scenario's, see below".to_owned(),
    }
}

/// Every doubt, of the whole run and of each fault's time, in a sentence.
pub(super) fn doubts(summary: &Summary) -> Vec<String> {
    let Some(fidelity) = &summary.fidelity else { return Vec::new() };
    let mut lines: Vec<String> = fidelity.doubts.iter().map(doubt).collect();
    for of in &fidelity.faults {
        let fault =
            summary.faults.get(of.fault).map_or_else(String::new, |fault| format!("{} {}", fault.kind, fault.target));
        // What holds for the whole run is said once.
        let own = of.doubts.iter().filter(|doubt| {
            !fidelity.doubts.iter().any(|other| other.signal == doubt.signal && other.grade >= doubt.grade)
        });
        lines.extend(own.map(|own| format!("during {fault}: {}", doubt(own))));
    }
    lines
}

fn doubt(doubt: &Doubt) -> String {
    let Doubt { signal, grade, what, from_s, to_s, throughput, latency } = doubt;
    let percent = |share: f64| format!("{} %", significant(share * 100.0));
    let bias = match (*throughput, *latency) {
        (0.0, 0.0) => String::new(),
        (0.0, latency) => format!("; the latency may be {} too high", percent(latency)),
        (throughput, latency) => {
            format!(
                "; the throughput may be {} too low, the latency {} too high",
                percent(throughput),
                percent(latency)
            )
        }
    };
    let when = format!("second {} to {}", significant(*from_s), significant(*to_s));
    format!("{} ({signal}, {when}): {what}{bias}", grade.word())
}
