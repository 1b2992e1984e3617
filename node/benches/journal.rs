//! What the journal costs: `cargo bench --bench journal`.
//!
//! A client, a dispatcher and a worker as processes on the loopback, with the journal on the disk that holds the temporary
//! folder (`TMPDIR` says which), with the journal in memory (what is left is the work of writing it), and without one (a file
//! stands in its place, so that the dispatcher goes on and promises nothing). The three take turns; a line is the median of
//! its rounds.

#[allow(dead_code)]
#[path = "../tests/pipeline/testbed.rs"]
mod testbed;

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::Duration;

use node::clock::Instant;
use node::config::{Deploy, Load};
use node::telemetry::{Event, Stamped};
use planner::strategy::{Replicas, Spares};

use testbed::{DISPATCHER, SEED, Testbed, Wanted};

/// How often each is measured.
const ROUNDS: usize = 5;
/// For how long each time.
const LASTS: Duration = Duration::from_secs(5);
/// What is left out at the beginning.
const WARMUP: Duration = Duration::from_secs(1);

/// Where the journal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Disk,
    Memory,
    Nowhere,
}

const PLACES: [(Place, &str); 3] =
    [(Place::Disk, "on the disk"), (Place::Memory, "in memory"), (Place::Nowhere, "none")];

/// Requests per second, and percentiles of their latency in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Measured {
    per_second: f64,
    p50: f64,
    p99: f64,
}

fn main() {
    println!("tiny-cnn, one worker; the median of {ROUNDS} rounds of {} s each", LASTS.as_secs());
    println!("at once  journal      requests/s  of none   p50 ms   p99 ms");
    for concurrency in [1, 4, 16, 64] {
        let mut all: Vec<Vec<Measured>> = vec![Vec::new(); PLACES.len()];
        for _ in 0..ROUNDS {
            for (rounds, (place, _)) in all.iter_mut().zip(PLACES) {
                rounds.push(measure(place, concurrency));
            }
        }
        let medians: Vec<Measured> = all.iter().map(|rounds| median(rounds)).collect();
        let none = medians[PLACES.len() - 1].per_second;
        for (Measured { per_second, p50, p99 }, (_, name)) in medians.into_iter().zip(PLACES) {
            let share = per_second / none * 100.0;
            println!("{concurrency:>7}  {name:<12} {per_second:>10.0}  {share:>5.0} % {p50:>8.2} {p99:>8.2}");
        }
    }
}

fn measure(place: Place, concurrency: u32) -> Measured {
    let mut testbed = Testbed::start(&Wanted {
        net: 77,
        model: planner::zoo::build("tiny-cnn", SEED).expect("a model of the zoo"),
        workers: 1,
        load: Load::Closed { concurrency },
        deploy: Deploy::Local,
        slowdown: 1.0,
        split: false,
        replicas: Replicas::One,
        order: false,
        spares: Spares::default(),
    });
    testbed.wait_for("a plan is deployed", |_, event| matches!(event, Event::Deployed { .. }));
    // The journal's place is taken while there is no dispatcher.
    testbed.kill(DISPATCHER);
    let journal = testbed.state(DISPATCHER).join("journal");
    let memory = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    fs::remove_dir_all(&journal).expect("the journal of the first process");
    match place {
        Place::Disk => {}
        Place::Memory => std::os::unix::fs::symlink(memory.path(), &journal).expect("a link"),
        Place::Nowhere => fs::write(&journal, "").expect("a file"),
    }
    testbed.spawn(DISPATCHER);
    testbed.wait_for("a plan is deployed again", |_, event| matches!(event, Event::Deployed { .. }));
    testbed.begin();
    thread::sleep(WARMUP + LASTS);
    testbed.finish();
    let failed = testbed.events.iter().any(|(_, told)| matches!(told.event, Event::JournalFailed { .. }));
    assert_eq!(failed, place == Place::Nowhere, "the journal is where it should be");
    testbed.assert_nothing_lost_nothing_twice();
    of(&testbed.events)
}

/// What was completed between the warm-up and the end.
fn of(events: &[(usize, Stamped)]) -> Measured {
    let offered = events.iter().filter_map(|(_, told)| match told.event {
        Event::Offered { request, scheduled, .. } => Some((request, scheduled)),
        _ => None,
    });
    let offered: BTreeMap<u64, Instant> = offered.collect();
    let began = *offered.values().min().expect("a request") + WARMUP;
    let end = began + LASTS;
    let completed = events.iter().filter_map(|(_, told)| match told.event {
        Event::Completed { request, .. } => Some((offered[&request], told.at)),
        _ => None,
    });
    let counted = completed.filter(|(_, at)| began <= *at && *at < end);
    let mut times: Vec<f64> = counted.map(|(due, at)| at.since(due).as_secs_f64() * 1e3).collect();
    times.sort_unstable_by(f64::total_cmp);
    let percentile = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    Measured { per_second: times.len() as f64 / LASTS.as_secs_f64(), p50: percentile(0.5), p99: percentile(0.99) }
}

fn median(rounds: &[Measured]) -> Measured {
    let of = |figure: fn(&Measured) -> f64| {
        let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
        figures.sort_unstable_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    Measured { per_second: of(|m| m.per_second), p50: of(|m| m.p50), p99: of(|m| m.p99) }
}
