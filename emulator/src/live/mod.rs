//! A run as it goes on: one typed [`State`], told of the same entries as the event log, and shown in two ways: on a
//! terminal ([`screen`]) and to Prometheus ([`metrics`]).
//!
//! ```text
//! Results::push ──┬─ events.jsonl                       the truth
//!                 └─ Live::observe ── snapshot ──┬─ screen    a thread of its own: a terminal may be slow
//!                                                └─ metrics   a thread of its own: so may who asks
//!      run loop ── Orders ──────────────────────── screen: a fault by hand, the end of the run
//! ```
//!
//! Observing is a few additions under a lock that is held for as long as they take; whoever shows something takes a
//! copy first. Nothing is computed from the state that ends up in the record.

pub mod metrics;
pub mod orders;
mod recent;
pub mod screen;
pub mod state;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use node::clock::Instant;

use crate::record::event::Entry;
use crate::scenario::Scenario;

pub use state::State;

/// What the shown throughput averages over.
const RECENT: Duration = Duration::from_secs(5);

/// The state of a run, shared by who tells it and who shows it.
#[derive(Debug, Clone)]
pub struct Live(Arc<Mutex<Observer>>);

/// The state, and what is needed to keep it up.
#[derive(Debug)]
struct Observer {
    state: State,
    /// When each request that waits for its answer was to be sent.
    waiting: HashMap<u64, Instant>,
    /// When the latest results arrived.
    arrived: VecDeque<Instant>,
}

impl Live {
    /// Nothing has happened yet.
    pub fn new(scenario: &Scenario) -> Live {
        let (waiting, arrived) = Default::default();
        Live(Arc::new(Mutex::new(Observer { state: State::new(scenario), waiting, arrived })))
    }

    /// Takes in what is recorded, or would be.
    pub fn observe(&self, entry: &Entry) {
        let mut observer = self.lock();
        let Observer { state, waiting, arrived } = &mut *observer;
        if state.take_in(entry, waiting) {
            arrived.push_back(entry.at());
        }
    }

    /// A phase of set-up or teardown began.
    pub fn phase(&self, name: &str) {
        name.clone_into(&mut self.lock().state.phase);
    }

    /// Something that a person wants to know at once.
    pub fn news(&self, at: Option<Duration>, text: &str) {
        self.lock().state.tell(at, text);
    }

    /// Time goes on. Returns what there is to say of the load: time since it began, results, outstanding requests,
    /// results per second of late; `None` before it began.
    pub fn beat(&self, now: Instant) -> Option<(Duration, u64, u64, f64)> {
        let mut observer = self.lock();
        let Observer { state, waiting, arrived } = &mut *observer;
        let elapsed = now.since(state.began?);
        while arrived.front().is_some_and(|first| now.since(*first) > RECENT) {
            arrived.pop_front();
        }
        state.per_second = arrived.len() as f64 / RECENT.min(elapsed).as_secs_f64().max(1.0);
        state.seconds.reach(elapsed);
        Some((elapsed, state.requests.completed, waiting.len() as u64, state.per_second))
    }

    /// The state as it is now.
    pub fn snapshot(&self) -> State {
        let observer = self.lock();
        State { outstanding: observer.waiting.len() as u64, ..observer.state.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Observer> {
        // Who panicked while counting left at worst a count undone.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
