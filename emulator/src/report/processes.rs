//! What people read of the processes' memory and descriptors: how many there were, and which grew most.

use super::numbers::{counted, significant};
use crate::record::growth::{DESCRIPTOR_NOISE, MEMORY_NOISE};
use crate::record::summary::{Held, ProcessSummary};

/// How many there were; the one whose memory grew fastest, and the one whose descriptors did, of those that grew.
pub(super) fn line(processes: &[ProcessSummary]) -> String {
    let of_all = |what: &str, of: fn(&ProcessSummary) -> Held, noise: u64, scale: f64, unit: &str| {
        let growing =
            processes.iter().filter_map(|process| Some((of(process).growth_beyond(noise)?, &process.process)));
        match growing.max_by(|a, b| a.0.total_cmp(&b.0)) {
            Some((per_hour, process)) => {
                format!("{what} +{}{unit} per hour at most ({process})", significant(per_hour / scale))
            }
            None => format!("{what} flat"),
        }
    };
    let memory = of_all("memory", |process| process.resident_bytes, MEMORY_NOISE, 1_048_576.0, " MiB");
    let descriptors = of_all("descriptors", |process| process.descriptors, DESCRIPTOR_NOISE, 1.0, "");
    let count = processes.len() as u64;
    format!("{} · {memory} · {descriptors}", counted(count, "life").replace("lifes", "lives"))
}
