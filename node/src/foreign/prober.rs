//! Measures: each attempt of a probe is a request, told like those of the client.
//!
//! Under an open load each has its instant, whether or not earlier ones were answered; under a closed one, the next begins when one is
//! answered, or a moment after it failed.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::child::{Home, Says, in_words, nap, run};
use super::config::{NUMBER, Probe, ProbeConfig};
use super::lines::Numbers;
use super::{http, ping};
use crate::client::schedule;
use crate::clock::Instant;
use crate::config::Load;
use crate::telemetry::{Event, Telemetry};

/// Longest sleep, so that a probe that is to stop stops soon.
const NAP: Duration = Duration::from_millis(100);
/// Time between a failure and the next attempt, under a closed load.
const AFTER_FAILURE: Duration = Duration::from_millis(100);
/// More attempts than this are not under way from one node: each has a thread.
const MOST: u64 = 1000;
/// The stack of a thread that makes an attempt.
const STACK: usize = 256 << 10;

/// All probes of a node.
#[derive(Clone)]
pub(super) struct Prober(Arc<Shared>);

struct Shared {
    home: Home,
    numbers: Numbers,
    seed: u64,
    telemetry: Telemetry,
    closed: AtomicBool,
    outstanding: AtomicU64,
}

/// One probe at work.
struct Work {
    shared: Arc<Shared>,
    probe: ProbeConfig,
    next: AtomicU64,
    /// The numbers that were answered.
    answered: Mutex<File>,
}

impl Prober {
    pub fn new(home: Home, numbers: Numbers, seed: u64, telemetry: Telemetry) -> Prober {
        let (closed, outstanding) = Default::default();
        Prober(Arc::new(Shared { home, numbers, seed, telemetry, closed, outstanding }))
    }

    /// Begins with these probes.
    pub fn start(&self, probes: &[ProbeConfig]) -> std::io::Result<()> {
        let start = Instant::now();
        for probe in probes {
            let path = self.0.home.state.join(format!("{}.answered", probe.name));
            let answered = Mutex::new(OpenOptions::new().create(true).append(true).open(path)?);
            let work =
                Arc::new(Work { shared: self.0.clone(), probe: probe.clone(), next: AtomicU64::new(0), answered });
            let thread = || thread::Builder::new().name(probe.name.clone()).stack_size(STACK);
            match probe.load {
                Load::Open { .. } => _ = thread().spawn(move || work.open(start))?,
                Load::Closed { concurrency } => {
                    for _ in 0..concurrency {
                        let work = work.clone();
                        thread().spawn(move || work.closed(start))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Begins nothing more.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::Relaxed);
    }

    /// Attempts without an outcome.
    pub fn outstanding(&self) -> u64 {
        self.0.outstanding.load(Ordering::Acquire)
    }
}

impl Work {
    fn open(self: Arc<Work>, start: Instant) {
        let Load::Open { rate_per_s, arrival } = self.probe.load else { return };
        for offset in schedule(rate_per_s, arrival, self.shared.seed ^ u64::from(self.probe.index)) {
            let due = start + offset;
            while !due.since(Instant::now()).is_zero() {
                nap(NAP, due);
                if self.is_closed() {
                    return;
                }
            }
            if self.is_closed() {
                return;
            }
            let Some(request) = self.offer(due) else { return };
            if self.shared.outstanding.load(Ordering::Acquire) > MOST {
                self.outcome(request, Err(format!("{MOST} attempts were under way already")));
                continue;
            }
            let work = self.clone();
            let attempt = move || _ = work.attempt(request);
            let thread = thread::Builder::new().name(self.probe.name.clone()).stack_size(STACK);
            if let Err(error) = thread.spawn(attempt) {
                self.outcome(request, Err(format!("no thread: {error}")));
            }
        }
    }

    fn closed(&self, start: Instant) {
        let mut due = start;
        while !self.is_closed() {
            let Some(request) = self.offer(due) else { return };
            if !self.attempt(request) {
                thread::sleep(AFTER_FAILURE);
            }
            due = Instant::now();
        }
    }

    fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Relaxed)
    }

    /// The number of a request that is due; `None` if there are no more numbers.
    fn offer(&self, scheduled: Instant) -> Option<u64> {
        let index = self.probe.index;
        let request = self.shared.numbers.request(self.next.fetch_add(1, Ordering::Relaxed), index)?;
        self.shared.outstanding.fetch_add(1, Ordering::AcqRel);
        self.shared.telemetry.tell(Event::Offered { request, input: index, scheduled });
        Some(request)
    }

    /// Makes an attempt and tells its outcome. Returns whether it was answered.
    fn attempt(&self, request: u64) -> bool {
        self.shared.telemetry.tell(Event::Sent { request });
        let outcome = self.ask(request);
        let answered = outcome.is_ok();
        self.outcome(request, outcome);
        answered
    }

    fn ask(&self, request: u64) -> Result<(), String> {
        let timeout = self.probe.timeout;
        match &self.probe.what {
            Probe::Ping { to } => ping::ping(*to, request, timeout),
            Probe::Tcp { to } => http::connect(*to, timeout).map(drop),
            Probe::Http { to, path } => http::get(*to, path, timeout),
            Probe::Command { run: words } => {
                let number = request.to_string();
                let words: Vec<String> = words.iter().map(|word| word.replace(NUMBER, &number)).collect();
                let log = format!("{}.log", self.probe.name);
                let child = self.shared.home.spawn(&words, Says::File(log.clone()));
                match child.and_then(|child| run(child, timeout)).map_err(|error| error.to_string())? {
                    Some(status) if status.success() => Ok(()),
                    Some(status) => Err(format!("{}; what it said is in {log}", in_words(status))),
                    None => Err("not done in time".to_owned()),
                }
            }
        }
    }

    fn outcome(&self, request: u64, outcome: Result<(), String>) {
        let event = match outcome {
            Ok(()) => {
                // Before it is told: a check that looks for all that was answered must not miss one.
                let mut file = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
                match writeln!(file, "{request}") {
                    Ok(()) => Event::Answered { request },
                    Err(error) => {
                        Event::Errored { request, reason: format!("it was answered, but not noted: {error}") }
                    }
                }
            }
            Err(reason) => Event::Errored { request, reason },
        };
        self.shared.telemetry.tell(event);
        self.shared.outstanding.fetch_sub(1, Ordering::AcqRel);
    }
}
