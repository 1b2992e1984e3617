//! When faults fire, and how long they last.

use std::time::Duration;

use super::Setting;
use crate::fault::steps;
use crate::scenario::error::Problem;
use crate::scenario::parse::raw::{Fault, Timing};
use crate::scenario::resolve::mistake::Mistake;
use crate::scenario::source::Place;

/// Most times that one fault may fire.
const MOST: u128 = 1000;

/// The keys of timing of a fault.
pub fn of(fault: &Fault) -> &Timing {
    match fault {
        Fault::Kill(fault) | Fault::Restart(fault) | Fault::Pause(fault) | Fault::Oom(fault) => &fault.timing,
        Fault::DiskFull(fault) | Fault::ReadOnly(fault) => &fault.timing,
        Fault::Slow(fault) => &fault.timing,
        Fault::Eio(fault) => &fault.timing,
        Fault::BitFlip(fault) => &fault.timing,
        Fault::Truncate(fault) => &fault.timing,
        Fault::Clock(fault) => &fault.timing,
        Fault::CrashLoop(fault) => &fault.timing,
        Fault::Cpu(fault) => &fault.timing,
        Fault::Straggler(fault) => &fault.timing,
        Fault::Intermittent(fault) => &fault.timing,
        Fault::Down(fault) => &fault.timing,
        Fault::Flap(fault) => &fault.timing,
        Fault::Blackhole(fault) => &fault.timing,
        Fault::Partition(fault) => &fault.timing,
        Fault::Degrade(fault) => &fault.timing,
        Fault::LossBurst(fault) => &fault.timing,
        Fault::Reorder(fault) => &fault.timing,
        Fault::Duplicate(fault) | Fault::Corrupt(fault) => &fault.timing,
        Fault::Trace(fault) => &fault.timing,
    }
}

/// How long a fault lasts: `Some(None)` for ever, `None` if that is wrong.
pub fn lasting(fault: &Fault) -> Option<Option<Duration>> {
    let lasting = of(fault).lasting.optional()?.map(|time| time.0);
    Some(match fault {
        // Whoever doesn't say how long it stays away wants it back at once.
        Fault::Restart(_) => Some(lasting.unwrap_or_default()),
        _ => lasting,
    })
}

/// Notes when a fault that takes `steps` of them in each `turn` would take too many.
pub fn check_steps(
    fault: &Timing,
    (steps, turn): (usize, Duration),
    place: Place,
    setting: &Setting<'_>,
    problems: &mut Vec<Problem>,
) {
    let lasting = fault.lasting.get().map(|lasting| lasting.0);
    let until_end = setting.end.zip(fault.at.get()).map(|((end, _), at)| end.saturating_sub(at.0));
    let Some(span) = lasting.or(until_end) else { return };
    let count = steps as u128 * span.as_nanos().div_ceil(turn.as_nanos().max(1));
    if count > steps::MOST as u128 {
        problems.push(Problem::new(Mistake::TooManySteps(count).into(), place));
    }
}

/// When the fault fires.
pub fn times(timing: &Timing, end: Option<(Duration, Place)>, problems: &mut Vec<Problem>) -> Option<Vec<Duration>> {
    let every = timing.every.optional();
    if let (Some(Some(every)), Some(lasting)) = (every, timing.lasting.at())
        && every.0 <= lasting.value.0
    {
        let mistake = Mistake::Overlapping { lasting: lasting.value.0 };
        let problem = Problem::new(mistake.into(), timing.every.place());
        problems.push(problem.also(lasting.place, "it lasts this long"));
        return None;
    }
    let at = timing.at.at()?;
    let (end, end_place) = end?;
    if at.value.0 >= end {
        let mistake = Mistake::PastTheEnd { at: at.value.0, end };
        problems.push(Problem::new(mistake.into(), at.place).also(end_place, "the run ends here"));
        return None;
    }
    let times = timing.times.optional();
    let Some(every) = every? else {
        if let Some(times) = timing.times.at() {
            problems.push(Problem::new(Mistake::TimesWithoutEvery.into(), times.place));
        }
        return Some(vec![at.value.0]);
    };
    let until_end = (end - at.value.0).as_nanos().div_ceil(every.0.as_nanos().max(1));
    let count = times?.map_or(until_end, |times| until_end.min(u128::from(times.0)));
    if count > MOST {
        problems.push(Problem::new(Mistake::TooOften(count).into(), timing.every.place()));
        return None;
    }
    Some((0..count as u32).map(|round| at.value.0 + every.0 * round).collect())
}
