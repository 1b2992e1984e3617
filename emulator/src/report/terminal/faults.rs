//! What was broken, how fast that was noticed and mended, and what it cost, as the closing text of a run tells it.

use comfy_table::{Cell, Color};

use super::writer::{Ink, Writer, indented};
use crate::record::summary::FaultSummary;
use crate::report::files::PAGE;
use crate::report::numbers::{counted, grouped, significant, time};
use crate::report::words::fault_name;

/// Each fault, from its plan to the recovery.
pub fn told(writer: &Writer, faults: &[FaultSummary]) -> String {
    let title = writer.title(&counted(faults.len() as u64, "fault"));
    let note = ", in seconds since load began (+: after the effect)";
    let header = ["fault", "planned", "fired", "effect", "detected", "recovered"];
    let mut table = writer.table(&header, &[1, 2, 3, 4, 5]);
    let (few, more) = writer.few(faults, PAGE);
    for fault in few {
        let at = |seconds: Option<f64>| seconds.map_or_else(|| writer.plain("–"), |at| format!("{at:.3}"));
        let effect = fault.effect_s.or(fault.fired_s);
        // A connection may break before the process that held it has been reaped.
        let after = |seconds: Option<f64>| Some(format!("+{}", time((seconds? - effect?).max(0.0) * 1e3)));
        let detected = match (after(fault.detected_s), &fault.detected_by) {
            (Some(after), Some(by)) if !writer.narrow() => Cell::new(format!("{by} {after}")),
            (Some(after), _) => Cell::new(after),
            (None, _) if fault.failed.is_some() => writer.coloured("could not be fired", Color::Yellow),
            (None, _) if fault.fired_s.is_none() => Cell::new("not fired"),
            (None, _) => Cell::new("not noticed"),
        };
        let since_healed = fault.recovered_s.zip(fault.healed_s).map(|(recovered, healed)| recovered - healed);
        let recovered = match (after(fault.recovered_s), since_healed) {
            (Some(_), Some(healed)) if fault.detected_s.is_none() => {
                writer.coloured(&format!("healed +{}", time(healed * 1e3)), Color::Green)
            }
            (Some(after), _) => writer.coloured(&after, Color::Green),
            _ if fault.detected_s.is_some() || fault.healed_s.is_some() => writer.coloured("never", Color::Red),
            _ => Cell::new(writer.plain("–")),
        };
        table.add_row([
            Cell::new(writer.plain(&fault_name(fault))),
            Cell::new(significant(fault.planned_s)),
            Cell::new(at(fault.fired_s)),
            Cell::new(at(fault.effect_s)),
            detected,
            recovered,
        ]);
    }
    format!("{title}{}\n{}\n{more}", writer.ink(Ink::Dim, note), indented(&table))
}

/// What each fault cost that was recovered from; `planned`: whether plans are made at all.
pub fn costs(writer: &Writer, faults: &[FaultSummary], planned: bool) -> Option<String> {
    let known: Vec<&FaultSummary> = faults.iter().filter(|fault| fault.lost_results.is_some()).collect();
    if known.is_empty() {
        return None;
    }
    let title = writer.title("What they cost");
    let note = " (+: after the effect; p99 before, during and after)";
    let header = match planned {
        true => &["fault", "new plan", "deployed", "full rate", "results lost", "sent again", "p99"][..],
        false => &["fault", "full rate", "results lost", "p99"],
    };
    let mut table = writer.table(header, &Vec::from_iter(1..header.len()));
    let (few, more) = writer.few(&known, PAGE);
    for fault in few {
        let effect = fault.effect_s.or(fault.fired_s);
        let after = |seconds: Option<f64>| match seconds.zip(effect) {
            Some((at, effect)) => format!("+{}", time((at - effect).max(0.0) * 1e3)),
            None => writer.plain("–"),
        };
        let p99 = [&fault.latency_before_ms, &fault.latency_during_ms, &fault.latency_after_ms];
        let p99 = p99.map(|latency| latency.map_or_else(|| writer.plain("–"), |latency| time(latency.p99)));
        let mut row = vec![writer.plain(&fault_name(fault))];
        if planned {
            row.extend([after(fault.replanned_s), after(fault.deployed_s)]);
        }
        row.extend([after(fault.full_rate_s), significant(fault.lost_results.unwrap_or_default())]);
        row.extend(planned.then(|| grouped(fault.replayed)));
        row.push(p99.join(&writer.plain(" → ")));
        table.add_row(row);
    }
    Some(format!("{title}{}\n{}\n{more}", writer.ink(Ink::Dim, note), indented(&table)))
}
