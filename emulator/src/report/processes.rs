//! What people read of the processes' memory and descriptors: how many there were, and which grew most.

use super::numbers::{counted, significant};
use crate::record::growth::{DESCRIPTOR_NOISE, MEMORY_NOISE};
use crate::record::summary::{Held, ProcessSummary};

/// Seconds for which a process must have been watched, so that its growth is told by the hour, too. Of shorter lives, an
/// hour's figure is what settled in seconds times hundreds: a segment that was loaded looks like a leak.
const WATCHED_S: f64 = 600.0;

/// How many there were; what the one gained whose memory grew most, and the one whose descriptors did, of those that grew.
/// Of those that were watched for long, how fast it goes for the fastest.
pub(super) fn line(processes: &[ProcessSummary]) -> String {
    let of_all = |what: &str, of: fn(&ProcessSummary) -> Held, noise: u64, scale: f64, unit: &str| {
        let growing = processes.iter().filter(|process| of(process).growth_beyond(noise).is_some());
        let most = |of: &dyn Fn(&ProcessSummary) -> Option<f64>, unit: &str| {
            let all = growing.clone().filter_map(|process| Some((of(process)?, &process.process)));
            let (more, process) = all.max_by(|a, b| a.0.total_cmp(&b.0))?;
            Some(format!("+{}{unit} at most ({process})", significant(more / scale)))
        };
        let gained = most(&|process| of(process).grew, unit);
        let long = |process: &ProcessSummary| process.to_s - process.from_s >= WATCHED_S;
        let hourly = most(&|process| of(process).per_hour.filter(|_| long(process)), &format!("{unit} per hour"));
        let told: Vec<String> = gained.into_iter().chain(hourly).collect();
        if told.is_empty() { format!("{what} flat") } else { format!("{what} {}", told.join(", ")) }
    };
    let memory = of_all("memory", |process| process.resident_bytes, MEMORY_NOISE, 1_048_576.0, " MiB");
    let descriptors = of_all("descriptors", |process| process.descriptors, DESCRIPTOR_NOISE, 1.0, "");
    let count = processes.len() as u64;
    format!("{} · {memory} · {descriptors}", counted(count, "life").replace("lifes", "lives"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that gained so much memory, steadily, in the later half of so many seconds.
    fn process(name: &str, seconds: f64, grew: f64) -> ProcessSummary {
        let per_hour = grew / (seconds / 2.0) * 3600.0;
        let memory = Held { first: 1 << 24, last: 1 << 25, most: 1 << 25, per_hour: Some(per_hour), grew: Some(grew) };
        let descriptors = Held { first: 9, last: 9, most: 9, per_hour: Some(0.0), grew: Some(0.0) };
        let process = name.to_owned();
        ProcessSummary { process, pid: 7, from_s: 5.0, to_s: 5.0 + seconds, resident_bytes: memory, descriptors }
    }

    #[test]
    fn only_of_who_was_watched_for_long_is_growth_told_by_the_hour() {
        let mebibytes = |count: f64| count * 1_048_576.0;
        let mut all = vec![process("n01", 1200.0, mebibytes(0.5)), process("n02", 25.0, mebibytes(1.9))];
        assert_eq!(line(&all), "2 lives · memory +1.9 MiB at most (n02) · descriptors flat");
        all.push(process("n03", 1200.0, mebibytes(1.25)));
        let both = "memory +1.9 MiB at most (n02), +7.5 MiB per hour at most (n03)";
        assert_eq!(line(&all), format!("3 lives · {both} · descriptors flat"));
        assert_eq!(line(&all[..1]), "1 life · memory flat · descriptors flat");
    }
}
