//! What faults do, for each round: their targets found by name or drawn by lot, their values checked.

use std::path::{Component, Path};
use std::time::Duration;

use super::timing::check_steps;
use super::{Files, partition, trace};
use crate::sandbox::layer::Access;
use crate::scenario::error::Problem;
use crate::scenario::parse::leaf::{Flag, Text};
use crate::scenario::parse::quantity::{Period, Share};
use crate::scenario::parse::raw::{self, Fault};
use crate::scenario::parse::reader::{At, Field};
use crate::scenario::parse::target::{NodeAim, PairAim};
use crate::scenario::resolve::mistake::Mistake;
use crate::scenario::resolve::shape;
use crate::scenario::resolve::target::{Joined, Targets};
use crate::scenario::source::Place;
use crate::scenario::{DiskPace, FaultKind, NodeTarget, PairTarget};

/// For each round, what happens; and whether it is to the same target each time.
pub type Kinds = (Option<Vec<Vec<FaultKind>>>, bool);

/// What a fault does.
pub fn kinds(fault: &At<Fault>, targets: &mut Targets<'_, '_>, files: &mut Files<'_>) -> Kinds {
    match &fault.value {
        Fault::Kill(kill) => of_nodes(&kill.target, "kill", targets, |target| Some(FaultKind::Kill { target })),
        Fault::Restart(restart) => {
            of_nodes(&restart.target, "restart", targets, |target| Some(FaultKind::Restart { target }))
        }
        Fault::Pause(pause) => of_nodes(&pause.target, "pause", targets, |target| Some(FaultKind::Pause { target })),
        Fault::Oom(oom) => of_nodes(&oom.target, "oom", targets, |target| Some(FaultKind::Oom { target })),
        Fault::Clock(clock) => of_nodes(&clock.target, "clock", targets, |target| {
            Some(FaultKind::Clock { target, ahead: clock.ahead.get()?.0 })
        }),
        Fault::CrashLoop(keys) => {
            let turn = [&keys.up, &keys.down].map(|time| time.get().map_or(Duration::ZERO, |time| time.0));
            check_steps(&keys.timing, (2, turn[0] + turn[1]), fault.place, targets.setting, targets.problems);
            of_nodes(&keys.target, "crash-loop", targets, |target| {
                Some(FaultKind::CrashLoop { target, up: keys.up.get()?.0, down: keys.down.get()?.0 })
            })
        }
        Fault::Cpu(cpu) => of_nodes(&cpu.target, "cpu", targets, |target| {
            let (cores, from) = (cpu.cores.get()?.0, cpu.from.get()?.0);
            Some(FaultKind::Cpu { target, cores, from, over: over(&cpu.over)? })
        }),
        Fault::Straggler(keys) => of_nodes(&keys.target, "straggler", targets, |target| {
            Some(FaultKind::Straggler { target, factor: keys.factor.get()?.0, over: over(&keys.over)? })
        }),
        Fault::DiskFull(full) => {
            of_nodes(&full.target, "disk-full", targets, |target| Some(FaultKind::DiskFull { target }))
        }
        Fault::ReadOnly(keys) => {
            of_nodes(&keys.target, "read-only", targets, |target| Some(FaultKind::ReadOnly { target }))
        }
        Fault::Slow(keys) => slow(keys, fault.place, targets),
        Fault::Eio(keys) => eio(keys, targets),
        Fault::BitFlip(flip) => {
            let file = inside(&flip.file, targets);
            let kinds = of_nodes(&flip.target, "bit-flip", targets, |target| {
                Some(FaultKind::BitFlip { target, file: file.clone()?, seed: 0 })
            });
            seeded(kinds, flip.seed.get().map(|seed| seed.0), targets)
        }
        Fault::Truncate(cut) => {
            let file = inside(&cut.file, targets);
            of_nodes(&cut.target, "truncate", targets, |target| {
                Some(FaultKind::Truncate { target, file: file.clone()?, keep: cut.keep.get()?.0 })
            })
        }
        Fault::Intermittent(keys) => intermittent(keys, fault.place, targets),
        Fault::Down(down) => {
            of_pairs(&down.target, Joined::Neighbours, targets, |target| Some(FaultKind::Down { target }))
        }
        Fault::Flap(flap) => {
            if let Some(period) = flap.period.at() {
                check_steps(&flap.timing, (2, period.value.0), period.place, targets.setting, targets.problems);
            }
            if let Some(duty) = flap.duty.at().filter(|duty| duty.value.0 <= 0.0 || duty.value.0 >= 1.0) {
                targets.problems.push(Problem::new(Mistake::NoFlap.into(), duty.place));
            }
            of_pairs(&flap.target, Joined::Neighbours, targets, |target| {
                Some(FaultKind::Flap { target, period: flap.period.get()?.0, duty: flap.duty.get()?.0 })
            })
        }
        Fault::Blackhole(hole) => of_pairs(&hole.target, Joined::Anyhow, targets, |target| {
            Some(FaultKind::Blackhole { target, both: both(&hole.both)? })
        }),
        Fault::Degrade(degrade) => {
            let change = shape::change(&degrade.shape);
            if change.is_none() && !shape::is_spoilt(&degrade.shape) {
                targets.problems.push(Problem::new(Mistake::NothingDegraded.into(), degrade.target.place()));
            }
            of_pairs(&degrade.target, Joined::Neighbours, targets, |target| {
                Some(FaultKind::Degrade { target, change: change.clone()?, both: both(&degrade.both)? })
            })
        }
        Fault::LossBurst(burst) => {
            let length = burst.length.get().map_or(1, |length| length.0 as u32);
            something(&burst.loss, targets);
            // Between two bursts at least one packet passes.
            let most = f64::from(length) / f64::from(length + 1);
            if let Some(loss) = burst.loss.at().filter(|loss| loss.value.0 > most) {
                targets.problems.push(Problem::new(Mistake::BurstsTooShort { length, most }.into(), loss.place));
            }
            of_pairs(&burst.target, Joined::Neighbours, targets, |target| {
                Some(FaultKind::LossBurst { target, loss: burst.loss.get()?.0, length, both: both(&burst.both)? })
            })
        }
        Fault::Reorder(reorder) => {
            something(&reorder.share, targets);
            let delay = reorder.delay.optional().map(|delay| delay.map(|delay| delay.0));
            let kinds = of_pairs(&reorder.target, Joined::Neighbours, targets, |target| {
                let share = reorder.share.get()?.0;
                Some(FaultKind::Reorder { target, share, delay: delay?, both: both(&reorder.both)? })
            });
            if delay == Some(None) {
                nothing_to_skip(&kinds, reorder.target.place(), targets);
            }
            kinds
        }
        Fault::Duplicate(spoilt) => {
            something(&spoilt.share, targets);
            of_pairs(&spoilt.target, Joined::Neighbours, targets, |target| {
                Some(FaultKind::Duplicate { target, share: spoilt.share.get()?.0, both: both(&spoilt.both)? })
            })
        }
        Fault::Corrupt(spoilt) => {
            something(&spoilt.share, targets);
            of_pairs(&spoilt.target, Joined::Neighbours, targets, |target| {
                Some(FaultKind::Corrupt { target, share: spoilt.share.get()?.0, both: both(&spoilt.both)? })
            })
        }
        Fault::Trace(keys) => {
            let record = record(keys, fault.place, targets, files);
            if let Some((rates, Some(period))) = &record {
                let steps = (rates.len(), *period);
                check_steps(&keys.timing, steps, fault.place, targets.setting, targets.problems);
            }
            of_pairs(&keys.target, Joined::Neighbours, targets, |target| {
                let (rates, period) = record.clone()?;
                let file = keys.file.get().map_or("rates".to_owned(), |file| file.0.clone());
                Some(FaultKind::Trace { target, file, rates, period, both: both(&keys.both)? })
            })
        }
        Fault::Partition(keys) => {
            let groups = partition::groups(keys, targets, fault.place);
            let kinds = groups.zip(keys.one_way.get()).map(|(rounds, one_way)| {
                rounds.into_iter().map(|groups| vec![FaultKind::Partition { groups, one_way: one_way.0 }]).collect()
            });
            (kinds, keys.split.get().is_none())
        }
    }
}

fn intermittent(keys: &raw::Intermittent, place: Place, targets: &mut Targets<'_, '_>) -> Kinds {
    let turn = [&keys.on, &keys.off].map(|time| time.get().map_or(Duration::ZERO, |time| time.0));
    if keys.on.get().is_some() && keys.off.get().is_some() {
        check_steps(&keys.timing, (2, turn[0] + turn[1]), place, targets.setting, targets.problems);
    }
    let kinds = of_nodes(&keys.target, "intermittent", targets, |target| {
        let jitter = keys.jitter.get()?.0;
        Some(FaultKind::Intermittent { target, on: keys.on.get()?.0, off: keys.off.get()?.0, jitter, seed: 0 })
    });
    seeded(kinds, None, targets)
}

/// The rates that a trace follows, from its file or as they stand there.
fn record(
    keys: &raw::Trace,
    place: Place,
    targets: &mut Targets<'_, '_>,
    files: &mut Files<'_>,
) -> Option<trace::Record> {
    match (keys.file.at(), keys.rates.at()) {
        (Some(file), None) => trace::read(&file.value.0, file.place, files, targets.problems),
        (None, Some(rates)) => trace::inline(&rates.value.0, rates.place, targets.problems),
        (Some(_), Some(rates)) => {
            targets.problems.push(Problem::new(Mistake::TwoRecords.into(), rates.place));
            None
        }
        (None, None) => {
            if !keys.file.is_bad() && !keys.rates.is_bad() {
                targets.problems.push(Problem::new(Mistake::NoRecord.into(), place));
            }
            None
        }
    }
}

fn slow(keys: &raw::Slow, place: Place, targets: &mut Targets<'_, '_>) -> Kinds {
    let rate = keys.rate.optional().map(|rate| rate.and_then(|rate| rate.0));
    if let (Some(delay), Some(None)) = (keys.delay.get(), rate)
        && delay.0.is_zero()
    {
        targets.problems.push(Problem::new(Mistake::NothingSlower.into(), place));
    }
    of_nodes(&keys.target, "slow", targets, |target| {
        Some(FaultKind::Slow { target, pace: DiskPace { delay: keys.delay.get()?.0, rate: rate? } })
    })
}

fn eio(keys: &raw::Eio, targets: &mut Targets<'_, '_>) -> Kinds {
    something(&keys.share, targets);
    let operations = keys.operations.optional().map(|list| match list {
        None => vec![Access::Read, Access::Write, Access::Sync],
        Some(list) => list.0.iter().map(|operation| operation.value.0).collect::<Vec<Access>>(),
    });
    if operations.as_ref().is_some_and(Vec::is_empty) {
        targets.problems.push(Problem::new(Mistake::NoOperations.into(), keys.operations.place()));
    }
    let kinds = of_nodes(&keys.target, "eio", targets, |target| {
        Some(FaultKind::Eio { target, share: keys.share.get()?.0, operations: operations.clone()?, seed: 0 })
    });
    seeded(kinds, keys.seed.get().map(|seed| seed.0), targets)
}

/// With the seed that was given for each that needs one, or one of its own.
fn seeded((mut kinds, fixed): Kinds, given: Option<u64>, targets: &mut Targets<'_, '_>) -> Kinds {
    for kind in kinds.iter_mut().flatten().flatten() {
        match kind {
            // What does not vary draws nothing, and is the same fault wherever it stands.
            FaultKind::Intermittent { jitter, .. } if *jitter == 0.0 => {}
            // What fails always draws nothing either.
            FaultKind::Eio { share, .. } if *share == 1.0 => {}
            FaultKind::Intermittent { seed, .. } | FaultKind::BitFlip { seed, .. } | FaultKind::Eio { seed, .. } => {
                *seed = given.unwrap_or_else(|| targets.draws.seed());
            }
            _ => {}
        }
    }
    (kinds, fixed)
}

/// The name of a file that must lie in the state folder; `None` if it is wrong.
fn inside(field: &Field<Text>, targets: &mut Targets<'_, '_>) -> Option<Option<String>> {
    let Some(Text(name)) = field.optional()? else { return Some(None) };
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    if !name.is_empty() && Path::new(name).components().all(plain) {
        return Some(Some(name.clone()));
    }
    targets.problems.push(Problem::new(Mistake::OutsideOfState(name.clone()).into(), field.place()));
    None
}

fn over(field: &Field<Period>) -> Option<Duration> {
    field.optional().map(|over| over.map_or(Duration::ZERO, |over| over.0))
}

fn both(field: &Field<Flag>) -> Option<bool> {
    field.get().map(|both| both.0)
}

/// Notes a share that is nothing.
fn something(share: &Field<Share>, targets: &mut Targets<'_, '_>) {
    if let Some(share) = share.at().filter(|share| share.value.0 == 0.0) {
        targets.problems.push(Problem::new(Mistake::NothingDegraded.into(), share.place));
    }
}

/// Notes when a link that is named has no delay for packets to skip.
fn nothing_to_skip((kinds, _): &Kinds, place: Place, targets: &mut Targets<'_, '_>) {
    let hosts = targets.setting.hosts;
    let delayless = |kind: &FaultKind| {
        let FaultKind::Reorder { target: PairTarget::Nodes(a, b), both, .. } = kind else { return false };
        let (a, b) = (hosts.find(a), hosts.find(b));
        targets.setting.network.directions().any(|(direction, shape)| {
            let ends = (Some(direction.from), Some(direction.to));
            shape.delay.is_zero() && (ends == (a, b) || (*both && ends == (b, a)))
        })
    };
    if kinds.iter().flatten().flatten().any(delayless) {
        targets.problems.push(Problem::new(Mistake::ReorderWithoutDelay.into(), place));
    }
}

fn of_nodes(
    aim: &Field<NodeAim>,
    kind: &'static str,
    targets: &mut Targets<'_, '_>,
    make: impl Fn(NodeTarget) -> Option<FaultKind>,
) -> Kinds {
    let Some(aim) = aim.at() else { return (None, false) };
    (made(targets.nodes(aim, kind), make), matches!(aim.value, NodeAim::Name(_)))
}

fn of_pairs(
    aim: &Field<PairAim>,
    joined: Joined,
    targets: &mut Targets<'_, '_>,
    make: impl Fn(PairTarget) -> Option<FaultKind>,
) -> Kinds {
    let Some(aim) = aim.at() else { return (None, false) };
    (made(targets.pairs(aim, joined), make), matches!(aim.value, PairAim::Names(..)))
}

/// What is made of the targets of all rounds; `None` if something that it is made of is wrong.
fn made<T>(rounds: Option<Vec<Vec<T>>>, make: impl Fn(T) -> Option<FaultKind>) -> Option<Vec<Vec<FaultKind>>> {
    rounds?.into_iter().map(|round| round.into_iter().map(&make).collect()).collect()
}
