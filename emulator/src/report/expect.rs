//! Whether a run was as its scenario expects.

use std::fmt;

use super::numbers::{counted, grouped, significant};
use crate::record::growth::{DESCRIPTOR_NOISE, MEMORY_NOISE};
use crate::record::invariant::Judgement;
use crate::record::summary::{Held, ProcessSummary, Summary};
use crate::scenario::Scenario;

/// An expectation that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which: an invariant ([`crate::record::invariant`]), or a key of `[expect]`.
    pub expectation: String,
    /// What was expected and what was found, in words.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.expectation, self.text)
    }
}

/// Every expectation that failed. Recovery counts from a fault's effect, or if nobody noticed it, from
/// its end (a fault that was neither noticed nor healed has no recovery). That every invariant holds, and
/// that any request is answered at all, is expected of every run.
pub fn expect(scenario: &Scenario, summary: &Summary) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut fail =
        |expectation: &str, text: String| violations.push(Violation { expectation: expectation.to_owned(), text });
    let requests = summary.requests;
    let broken = summary.invariants.iter().filter(|finding| finding.judgement == Judgement::Broken);
    for finding in broken {
        let first = finding.violations.first().map_or(finding.says.as_str(), |violation| violation.text.as_str());
        let more = match finding.count {
            0 | 1 => String::new(),
            count => format!(" (and {} more)", grouped(count - 1)),
        };
        fail(&finding.name, format!("{first}{more}"));
    }
    for check in summary.checks.iter().filter(|check| !check.passed) {
        fail("check", format!("{}: {}", check.node, check.said));
    }
    // Programs of others may be checked without being measured.
    let silent = !summary.has_model() && requests.offered == 0 && !summary.checks.is_empty();
    if requests.completed == 0 && !silent {
        fail("completed", format!("of {} requests offered, none was completed", requests.offered));
    }
    let expect = &scenario.expect;
    if let Some(least) = expect.completed.filter(|least| requests.completed.max(1) < *least) {
        fail("completed", format!("at least {least} expected, {} were completed", requests.completed));
    }
    if let Some(most) = expect.errored.filter(|most| requests.errored > *most) {
        fail("errored", format!("at most {most} expected, {} had an error", requests.errored));
    }
    if let Some(least) = expect.throughput_per_s.filter(|least| summary.throughput_per_s < *least) {
        fail("throughput_per_s", format!("at least {least} expected, {} found", summary.throughput_per_s));
    }
    if let Some(most) = expect.p99_ms {
        match summary.latency_ms {
            Some(latency) if latency.p99 <= most => {}
            Some(latency) => fail("p99_ms", format!("at most {most} expected, {} found", latency.p99)),
            None => fail("p99_ms", "no request was completed whose latency could be measured".to_owned()),
        }
    }
    if let Some(least) = expect.of_bound {
        match &summary.bound {
            Some(bound) if bound.reached >= least => {}
            Some(bound) => {
                let text = format!("at least {least} of {} per second expected", bound.throughput_per_s);
                fail("of_bound", format!("{text} ({}), {} reached", bound.limit, bound.reached));
            }
            None => fail("of_bound", "no plan was made".to_owned()),
        }
    }
    if let Some(most) = expect.recovery_ms {
        for fault in &summary.faults {
            // What nobody noticed did no harm but for as long as it lasted.
            let since = fault.detected_s.map_or(fault.healed_s, |_| fault.effect_s.or(fault.fired_s));
            let Some(since) = since else { continue };
            let what = format!("{} {} at {} s", fault.kind, fault.target, fault.planned_s);
            match fault.recovered_s.map(|recovered| (recovered - since) * 1e3) {
                Some(took) if took <= most => {}
                Some(took) => fail("recovery_ms", format!("at most {most} expected, {took:.0} after {what}")),
                None => fail("recovery_ms", format!("no result came any more after {what}")),
            }
        }
    }
    match (expect.verdict, &summary.fidelity) {
        (Some(worst), Some(fidelity)) if fidelity.verdict > worst => {
            let first = fidelity.doubts.first().map_or("", |doubt| doubt.what.as_str());
            fail("verdict", format!("{} expected, {} found: {first}", worst.word(), fidelity.verdict.word()));
        }
        (Some(worst), None) if !summary.is_simulated() => {
            fail("verdict", format!("{} expected, but nobody looked at the host and the links", worst.word()));
        }
        _ => {}
    }
    leaks(scenario, summary, &mut fail);
    violations
}

/// Fails for each process that grows faster than it may.
fn leaks(scenario: &Scenario, summary: &Summary, fail: &mut impl FnMut(&str, String)) {
    let simulated = summary.is_simulated();
    let mut judge =
        |key: &str, most: Option<u64>, noise: u64, of: fn(&ProcessSummary) -> Held, say: fn(f64) -> String| {
            let Some(most) = most.filter(|_| !simulated) else { return };
            if summary.processes.is_empty() {
                fail(key, "what processes hold could not be seen: /proc does not show them".to_owned());
            }
            for process in &summary.processes {
                let held = of(process);
                let Some(per_hour) = held.growth_beyond(noise).filter(|per_hour| *per_hour > most as f64) else {
                    continue;
                };
                let (grew, found, most) = (say(held.grew.unwrap_or_default()), say(per_hour), say(most as f64));
                let (name, from, to) = (&process.process, (process.from_s + process.to_s) / 2.0, process.to_s);
                let when = format!("from second {from:.0} to {to:.0}");
                fail(key, format!("{name} gained {grew} {when}, which is {found} in an hour; at most {most} expected"));
            }
        };
    let size = |bytes: f64| format!("{} MiB", significant(bytes / 1_048_576.0));
    let expect = &scenario.expect;
    let memory = expect.memory_growth_per_hour.map(|size| size.bytes());
    judge("memory_growth_per_hour", memory, MEMORY_NOISE, |process| process.resident_bytes, size);
    let count = |count: f64| counted(count.round() as u64, "descriptor");
    judge(
        "descriptor_growth_per_hour",
        expect.descriptor_growth_per_hour,
        DESCRIPTOR_NOISE,
        |process| process.descriptors,
        count,
    );
}
