//! The signals: what each sees, and by how much that could bias the figures. docs/fidelity.md has the arithmetic and the reasons.

use std::collections::BTreeMap;
use std::time::Duration;

use node::clock::Instant;
use node::config::Load;
use planner::plan::{Plan, Prediction};

use super::trials::trials;
use super::view::View;
use super::{DEGRADED, Doubt, Grade, grade};
use crate::fabric::lateness::Lateness;
use crate::record::tally::Hop;

type Signal = fn(&View<'_>) -> Option<Doubt>;

/// All of them.
pub(super) const ALL: &[Signal] = &[unwatched, compute, processors, forwarder, queue, drops, links, trials, timers];

/// From this share of a direction's packets on, a full queue is more than what TCP needs to find the rate.
const OVERFLOWED: f64 = 0.02;
/// Fewer packets that found no room mean nothing.
const FEW_OVERFLOWED: u64 = 20;
/// What a lost packet costs when nothing comes behind it that would tell: TCP's shortest wait on Linux.
const RESENT_AFTER: f64 = 0.2;
/// From these shares of all packets on, those that the emulator dropped itself count.
const REFUSED: [f64; 2] = [0.001, 0.01];

/// A window this short may lie between two samples.
const SHORT: Duration = Duration::from_secs(2);
/// From this share of a window on, too little of it was looked at.
const UNWATCHED: f64 = 0.5;

/// Time in which nobody looked at the host and the links: that nothing was seen then says nothing.
fn unwatched(view: &View<'_>) -> Option<Doubt> {
    let length = view.window.length();
    let watched: Duration = view.seconds.iter().map(|second| view.window.overlap(second.began(), second.at)).sum();
    let missing = 1.0 - watched.as_secs_f64() / length.as_secs_f64().max(1e-9);
    if length <= SHORT || missing <= UNWATCHED {
        return None;
    }
    // Without a single sample this may have been anything.
    let grade = if watched.is_zero() { Grade::Invalid } else { Grade::Degraded };
    let what = format!("the host and the links were not looked at for {:.0} % of the time", missing * 100.0);
    Some(view.graded("unwatched", grade, (0.0, 0.0), std::iter::empty(), what))
}

/// What a stage did.
#[derive(Default)]
struct Work {
    count: f64,
    took: f64,
    late: f64,
    node: u32,
    /// When a result was late by more than a tenth of what it should have taken.
    seen: Vec<Instant>,
}

/// Results that were ready after the slower device's deadline: the host computed too slowly.
fn compute(view: &View<'_>) -> Option<Doubt> {
    let mut stages: BTreeMap<(u32, u16), Work> = BTreeMap::new();
    for hop in view.tally.requests.values().flat_map(|request| &request.hops) {
        let Hop::Stage { place, epoch, stage, started, finished, late, .. } = *hop else { continue };
        if !view.window.contains(finished) || view.is_excused(view.tally.places.name(place), started, finished) {
            continue;
        }
        let (took, late) = (finished.since(started).as_secs_f64(), f64::from(late) / 1e6);
        let work = stages.entry((epoch, stage)).or_default();
        (work.count, work.took, work.late, work.node) = (work.count + 1.0, work.took + took, work.late + late, place);
        if late > DEGRADED * (took - late) {
            work.seen.push(finished);
        }
    }
    let lost = lost(view, &stages);
    let late: f64 = stages.values().map(|work| work.late).sum();
    let most = stages.values().map(|work| work.count).fold(1.0, f64::max);
    let latency = (late / view.completed.max(most).max(1.0) / view.median).max(match view.scenario.load() {
        // What waits for the slowest stage waits as much longer as that takes.
        Load::Closed { .. } => lost / (1.0 - lost).max(1e-9),
        Load::Open { .. } => 0.0,
    });
    let ((_, stage), worst) = stages.iter().max_by(|a, b| a.1.late.total_cmp(&b.1.late))?;
    let seen = stages.values().flat_map(|work| work.seen.iter().copied());
    view.doubt("compute", (lost.max(view.throughput_lost(latency)), latency), seen, || {
        let millis = |seconds: f64| seconds / worst.count * 1e3;
        format!(
            "the host computed too slowly: results of stage {stage} on {} were ready {:.1} ms late on average, {:.0} % of the {:.1} ms \
             that its device takes{}",
            view.tally.places.name(worst.node),
            millis(worst.late),
            100.0 * worst.late / (worst.took - worst.late).max(1e-9),
            millis(worst.took - worst.late),
            view.host_in_words()
        )
    })
}

/// Programs of others that were ready and waited for a processor: on machines of their own they would not. How much of that a request
/// waited for can't be told, so this is the most that it may be, and no more than a doubt.
fn processors(view: &View<'_>) -> Option<Doubt> {
    view.scenario.commands()?;
    let waited = || view.seconds.iter().filter_map(|second| Some((second.at, second.run_delay_s?)));
    let all: f64 = waited().map(|(_, waited)| waited).sum();
    let each = all / view.completed.max(1.0);
    let latency = each / view.median;
    if latency < DEGRADED {
        return None;
    }
    let seen = waited().filter(|(_, waited)| *waited > 0.0).map(|(at, _)| at);
    let what = format!(
        "programs waited for a processor, up to {:.1} ms for each answer, which took {:.1} ms: on machines of their own they would \
         not{}",
        each * 1e3,
        view.median * 1e3,
        view.host_in_words()
    );
    Some(view.graded("processors", Grade::Degraded, (view.throughput_lost(latency), latency), seen, what))
}

/// What stages that take longer cost of the throughput. In each epoch that is what its worst stage costs; epochs count by the time that
/// their results take at that pace, so that a late result of a short one is no more than it is.
fn lost(view: &View<'_>, stages: &BTreeMap<(u32, u16), Work>) -> f64 {
    let mut epochs: BTreeMap<u32, Pace> = BTreeMap::new();
    for (key, work) in stages {
        let pace = pace(view, *key, work);
        let worst = epochs.entry(key.0).or_insert(pace);
        if pace.lost() > worst.lost() {
            *worst = pace;
        }
    }
    let sum = epochs
        .values()
        .fold(Pace::default(), |sum, pace| Pace { should: sum.should + pace.should, took: sum.took + pace.took });
    sum.lost()
}

/// How long all results of an epoch take at the pace of a stage, in seconds.
#[derive(Default, Clone, Copy)]
struct Pace {
    should: f64,
    took: f64,
}

impl Pace {
    fn lost(self) -> f64 {
        if self.took > 0.0 { 1.0 - self.should / self.took } else { 0.0 }
    }
}

/// What takes longer costs nothing as long as something else is slower still.
fn pace(view: &View<'_>, (epoch, stage): (u32, u16), work: &Work) -> Pace {
    let plan = view.tally.plans.get(&epoch).map(|seen| &seen.plan);
    let predicted = |of: fn(&Prediction) -> Duration| plan.map_or(0.0, |plan| of(&plan.prediction).as_secs_f64());
    let limit = predicted(|plan| plan.bottleneck).max(match view.scenario.load() {
        Load::Open { rate_per_s, .. } => 1.0 / rate_per_s.max(1e-9),
        // The next one begins when one is done (Little's law).
        Load::Closed { concurrency } => predicted(|plan| plan.latency) / f64::from(concurrency.max(1)),
    });
    let share = plan.map_or(1.0, |plan| share(plan, usize::from(stage))).max(1e-9);
    let results = work.count / share;
    let (took, should) = (work.took, work.took - work.late);
    Pace {
        should: (results * limit).max(should).max(results * 1e-9),
        took: (results * limit).max(took).max(results * 1e-9),
    }
}

/// Which share of the requests goes through a stage.
fn share(plan: &Plan, stage: usize) -> f64 {
    plan.chains.iter().filter(|chain| chain.stages.contains(&stage)).map(|chain| chain.share).sum()
}

/// Packets that left after they should: the software carrier's thread did not get a processor in time.
fn forwarder(view: &View<'_>) -> Option<Doubt> {
    let all = || view.seconds.iter().filter_map(|second| Some((second.at, Lateness::of(second.lateness.as_deref()?))));
    let lateness = all().fold(Lateness::default(), |sum, (_, lateness)| sum.with(&lateness));
    // Each crossing is as late as its last packet, which is as late as any; and one in a hundred is as late as this. Both are told as if
    // all packets of a bucket were in its middle.
    let latency = |of: &Lateness| {
        let mean = of.mean().as_secs_f64() * view.crossings;
        mean.max(of.typical(0.99).as_secs_f64()) / view.median
    };
    let bias = latency(&lateness);
    let seen = all().filter(|(_, lateness)| latency(lateness) >= DEGRADED).map(|(at, _)| at);
    view.doubt("forwarder", (view.throughput_lost(bias), bias), seen, || {
        let delays = view.scenario.network.directions().map(|(_, shape)| shape.delay).filter(|delay| !delay.is_zero());
        let least = delays.min().map_or_else(String::new, |delay| format!(", where links take {} ms and more", ms(delay)));
        format!(
            "the forwarding thread was late: packets left {} ms late on average, one in a hundred {} ms or more{least}{}",
            ms(lateness.mean()),
            ms(lateness.typical(0.99)),
            view.host_in_words()
        )
    })
}

/// Packets that found no room in a link's queue, by far more than TCP needs to find the rate: the queue is too short for it.
fn queue(view: &View<'_>) -> Option<Doubt> {
    let passed = directions(view);
    let full: Vec<_> =
        passed.iter().filter(|(_, sum)| sum.overflowed >= FEW_OVERFLOWED && sum.share() >= OVERFLOWED).collect();
    let ((from, to), worst) = full.iter().max_by(|a, b| a.1.share().total_cmp(&b.1.share()))?;
    let (from, to) = (view.tally.places.name(*from), view.tally.places.name(*to));
    // What was dropped is sent again, at least.
    let bias = (worst.share(), worst.share());
    let others = match full.len() {
        1 => String::new(),
        count => format!(" (and {} more directions)", count - 1),
    };
    let what = format!(
        "a queue is too short: from {from} to {to} {:.1} % of the packets ({}) found it full{others}; TCP can't keep the link at its rate",
        worst.share() * 100.0,
        worst.overflowed
    );
    Some(view.graded("queue", grade(bias.0.max(DEGRADED)), bias, worst.seen.iter().copied(), what))
}

/// What passed in a direction while it had the shape that the scenario gives it.
#[derive(Default)]
struct Crowd {
    packets: u64,
    overflowed: u64,
    /// When packets found no room.
    seen: Vec<Instant>,
}

impl Crowd {
    /// Of its packets, how many found no room.
    fn share(&self) -> f64 {
        self.overflowed as f64 / (self.overflowed + self.packets).max(1) as f64
    }
}

/// By sender and receiver.
fn directions(view: &View<'_>) -> BTreeMap<(u32, u32), Crowd> {
    let mut all: BTreeMap<(u32, u32), Crowd> = BTreeMap::new();
    for second in &view.seconds {
        for link in &second.links {
            let crowd = all.entry((link.from, link.to)).or_default();
            crowd.packets += u64::from(link.packets);
            crowd.overflowed += u64::from(link.overflowed);
            if link.overflowed > 0 {
                crowd.seen.push(second.at);
            }
        }
    }
    all
}

/// Packets that the emulator itself dropped, for want of memory or because it could not read them in time: no link's doing.
fn drops(view: &View<'_>) -> Option<Doubt> {
    let dropped = view.seconds.iter().map(|second| second.dropped).fold(0, u64::saturating_add);
    let passed = view.seconds.iter().map(|second| second.packets).fold(0, u64::saturating_add);
    let share = dropped as f64 / dropped.saturating_add(passed).max(1) as f64;
    let grade = match share {
        share if share >= REFUSED[1] => Grade::Invalid,
        share if share >= REFUSED[0] => Grade::Degraded,
        _ => return None,
    };
    let seen = view.seconds.iter().filter(|second| second.dropped > 0).map(|second| second.at);
    let latency = dropped as f64 / view.completed.max(1.0) * RESENT_AFTER / view.median;
    let what = format!(
        "the emulator dropped {dropped} packets itself ({:.2} %): the forwarding thread could not keep up{}",
        share * 100.0,
        view.host_in_words()
    );
    Some(view.graded("drops", grade, (view.throughput_lost(latency), latency), seen, what))
}

/// Something else is in force on a link than what was asked.
fn links(view: &View<'_>) -> Option<Doubt> {
    let amiss = || view.seconds.iter().filter_map(|second| Some((second.at, second.amiss.as_ref()?)));
    let (_, first) = amiss().next()?;
    let what = format!("a link is not as the scenario says: from {} to {}: {}", first.from, first.to, first.what);
    // By how much that matters can't be told: the network is another.
    Some(view.graded("links", Grade::Invalid, (0.0, 0.0), amiss().map(|(at, _)| at), what))
}

/// Heartbeats' timers that woke up so late that a healthy node is half-way to being taken for dead.
fn timers(view: &View<'_>) -> Option<Doubt> {
    let plan = &view.scenario.inference()?.plan;
    let limit = plan.heartbeat * plan.missed_heartbeats / 2;
    let before = Duration::from_secs(2);
    let late = || {
        let told = view.tally.timers.iter().filter(|(at, ..)| view.window.contains(*at));
        told.filter(|(at, node, late)| {
            let from = Instant(at.0.saturating_sub((*late + before).as_nanos() as u64));
            *late > limit && !view.is_excused(node, from, *at)
        })
    };
    let (_, node, latest) = late().max_by_key(|(.., late)| *late)?;
    let what = format!(
        "a timer of {node} woke up {} ms late, and after {} ms of silence a node is taken for dead: detection may be false, or \
         faster than it seems{}",
        ms(*latest),
        ms(limit * 2),
        view.host_in_words()
    );
    Some(view.graded("timers", Grade::Degraded, (0.0, 0.0), late().map(|(at, ..)| *at), what))
}

fn ms(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}
