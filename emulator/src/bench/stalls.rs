//! Times in which a processor ran nothing of this host's, not even an interrupt: a hypervisor (or firmware) had it. A round trip that such a stall
//! falls into took a time that isn't the network's.
//!
//! One thread on each processor naps over and over with a priority above everything of ours, and notes when the timer's interrupt was late.
//! That one was woken up in time and then had to wait is no stall: what it waited for was this host's own kernel at work, for us perhaps.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::fabric::software::wait;

/// Between two looks at a processor: what is over sooner may be overlooked, and stays in the figures.
const NAP: Duration = Duration::from_micros(500);
/// An interrupt that is later than this had no processor to come to; waking one up takes less.
const LATE: Duration = Duration::from_micros(200);
/// Above the forwarding thread's and that of whoever measures, so that neither is taken for a stall.
const PRIORITY: libc::c_int = 5 * wait::FORWARDING;

/// What `work` returns, and the stalls meanwhile of all processors that this process may use, or why they can't be seen: ordinary users may
/// have no such priority.
pub fn meanwhile<T>(work: impl FnOnce() -> T) -> (T, io::Result<Stalls>) {
    let over = &AtomicBool::new(false);
    thread::scope(|scope| {
        let watchers = processors().and_then(|processors| {
            let watch = |processor| {
                let named = thread::Builder::new().name("stalls".to_owned());
                named.spawn_scoped(scope, move || look(processor, over))
            };
            processors.into_iter().map(watch).collect::<io::Result<Vec<_>>>()
        });
        let done = {
            let _ended = Ended(over);
            work()
        };
        let stalls = watchers.and_then(|watchers| {
            let seen = watchers.into_iter().map(|watcher| watcher.join().unwrap_or_else(|panic| resume_unwind(panic)));
            Ok(Stalls::of(seen.collect::<io::Result<Vec<_>>>()?.concat()))
        });
        (done, stalls)
    })
}

/// Tells the watchers that it is over, however the work ended.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Those that this process may use.
fn processors() -> io::Result<Vec<usize>> {
    let all = sched_getaffinity(Pid::from_raw(0))?;
    Ok((0..CpuSet::count()).filter(|processor| all.is_set(*processor).unwrap_or(false)).collect())
}

/// The stalls of one processor.
fn look(processor: usize, over: &AtomicBool) -> io::Result<Vec<Range<Instant>>> {
    let mut only = CpuSet::new();
    only.set(processor)?;
    sched_setaffinity(Pid::from_raw(0), &only)?;
    wait::take_priority(PRIORITY)?;
    wait::sharpen_timers();
    let times = File::open("/proc/thread-self/schedstat")?;
    let (mut stalls, mut waited) = (Vec::new(), ready(&times)?);
    while !over.load(Ordering::Relaxed) {
        let due = Instant::now() + NAP;
        thread::sleep(NAP);
        let woke = Instant::now();
        let before = std::mem::replace(&mut waited, ready(&times)?);
        let interrupt = woke - waited.saturating_sub(before).min(woke.saturating_duration_since(due));
        if interrupt.saturating_duration_since(due) > LATE {
            stalls.push(due..interrupt);
        }
    }
    Ok(stalls)
}

/// How long this thread was ready to run and waited for its processor, since its start (`schedstat` in proc(5)).
fn ready(times: &File) -> io::Result<Duration> {
    let mut text = [0; 80];
    let length = times.read_at(&mut text, 0)?;
    let nanos = str::from_utf8(&text[..length]).ok().and_then(|text| text.split_whitespace().nth(1)?.parse().ok());
    nanos.map(Duration::from_nanos).ok_or_else(|| io::Error::other("unexpected content of schedstat"))
}

/// When some processor stood still: in order, apart from each other.
#[derive(Debug, Default)]
pub struct Stalls(Vec<Range<Instant>>);

impl Stalls {
    /// From those of all processors.
    fn of(mut all: Vec<Range<Instant>>) -> Stalls {
        all.sort_unstable_by_key(|stall| stall.start);
        let mut stalls: Vec<Range<Instant>> = Vec::new();
        for stall in all {
            match stalls.last_mut() {
                Some(last) if stall.start <= last.end => last.end = last.end.max(stall.end),
                _ => stalls.push(stall),
            }
        }
        Stalls(stalls)
    }

    /// Whether any of them fell into this time.
    pub fn fell_into(&self, time: &Range<Instant>) -> bool {
        let next = self.0.partition_point(|stall| stall.end <= time.start);
        self.0.get(next).is_some_and(|stall| stall.start < time.end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_trip_is_left_out_just_when_the_stall_of_some_processor_falls_into_it(
            stalls in prop::collection::vec((0..1000u64, 1..50u64), 0..40),
            trips in prop::collection::vec((0..1000u64, 1..30u64), 1..40),
        ) {
            let began = Instant::now();
            let time = |(start, length): &(u64, u64)| {
                began + Duration::from_micros(*start)..began + Duration::from_micros(start + length)
            };
            let all = Stalls::of(stalls.iter().map(time).collect());
            for trip in &trips {
                let some = stalls.iter().any(|stall| stall.0 < trip.0 + trip.1 && trip.0 < stall.0 + stall.1);
                prop_assert_eq!(all.fell_into(&time(trip)), some, "{:?} of {:?}", trip, stalls);
            }
        }
    }

    #[test]
    fn stalls_are_long_or_it_is_told_why_they_cannot_be_seen() {
        match meanwhile(|| thread::sleep(100 * NAP)).1 {
            Ok(stalls) => assert!(stalls.0.iter().all(|stall| stall.end - stall.start > LATE)),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}"),
        }
    }
}
