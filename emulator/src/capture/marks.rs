//! What happened to the run, as marks that every capture gets: what was recorded, told at the time that packets have.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use node::clock::Instant;

use crate::fault::{asked, name};
use crate::record::event::{Entry, RunEvent};
use crate::record::summary::words::in_words;
use crate::scenario::{FaultKind, FaultSpec, Scenario};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// When, in nanoseconds of the wall clock since 1970.
    pub at: u64,
    /// What.
    pub text: String,
}

/// The marks of a run so far: told by the run, read by its captures.
#[derive(Debug, Clone)]
pub struct Marks(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    told: Mutex<Told>,
    over: AtomicBool,
}

#[derive(Debug)]
struct Told {
    marks: Vec<Mark>,
    /// What each fault is to hit, and once it has fired, what it hit.
    faults: Vec<String>,
    kinds: Vec<&'static str>,
    load_began: Option<Instant>,
}

impl Marks {
    /// Nothing has happened yet.
    pub fn new(scenario: &Scenario) -> Marks {
        let faults = scenario.faults.iter().map(|fault| called(&fault.kind)).collect();
        let kinds = scenario.faults.iter().map(|fault| name(&fault.kind)).collect();
        let told = Mutex::new(Told { marks: Vec::new(), faults, kinds, load_began: None });
        Marks(Arc::new(Shared { told, over: AtomicBool::new(false) }))
    }

    /// Takes in what is recorded.
    pub fn observe(&self, entry: &Entry) {
        let Entry::Run { at, event } = entry else { return };
        let told = &mut *self.0.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(what) = told.take_in(*at, event) {
            let since = told.load_began.filter(|began| began != at).map(|began| seconds(at.since(began)));
            let since = since.unwrap_or_default();
            let text = format!("{what}{since}; at {} in events.jsonl", at.0);
            told.marks.push(Mark { at: wall(*at), text });
        }
    }

    /// The marks from the number `first` on.
    pub fn since(&self, first: usize) -> Vec<Mark> {
        let told = self.0.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.marks.get(first..).unwrap_or_default().to_vec()
    }

    /// Nothing more will happen that is to be captured.
    pub fn end(&self) {
        self.0.over.store(true, Ordering::Release);
    }

    /// Whether that is so.
    pub fn is_over(&self) -> bool {
        self.0.over.load(Ordering::Acquire)
    }
}

impl Told {
    /// What there is to say of an event.
    fn take_in(&mut self, at: Instant, event: &RunEvent) -> Option<String> {
        let of = |told: &Told, fault: usize| told.faults.get(fault).cloned().unwrap_or_default();
        Some(match event {
            RunEvent::LoadStarted => {
                self.load_began = Some(at);
                "load begins".to_owned()
            }
            RunEvent::LoadEnded => "load ends".to_owned(),
            RunEvent::FaultInjected { spec, .. } => {
                self.faults.push(called(&spec.kind));
                self.kinds.push(name(&spec.kind));
                return None;
            }
            RunEvent::FaultFired { fault, target, .. } => {
                if let (Some(told), Some(kind)) = (self.faults.get_mut(*fault), self.kinds.get(*fault)) {
                    *told = format!("{kind} {target}");
                }
                format!("fault {fault} fires: {}", of(self, *fault))
            }
            RunEvent::FaultEffective { fault } => format!("fault {fault} has its effect: {}", of(self, *fault)),
            RunEvent::FaultStepped { fault, what } => format!("fault {fault} goes on: {}: {what}", of(self, *fault)),
            RunEvent::FaultHealed { fault } => format!("fault {fault} is healed: {}", of(self, *fault)),
            RunEvent::FaultFailed { fault, reason } => {
                format!("fault {fault} could not be fired: {}: {reason}", of(self, *fault))
            }
            RunEvent::NodeStarted { node, .. } => format!("the process of {node} is started"),
            RunEvent::NodeExited { node, cause } => format!("the process of {node} ends: {}", in_words(*cause)),
            RunEvent::Interrupted => "the run is interrupted".to_owned(),
            _ => return None,
        })
    }
}

/// The faults that a scenario plans, in words; whatever becomes of them is told by marks.
pub fn planned(scenario: &Scenario) -> String {
    let lasting = |fault: &FaultSpec| {
        fault.lasting.map_or_else(String::new, |lasting| format!(" for {} s", lasting.as_secs_f64()))
    };
    let faults = scenario.faults.iter().enumerate().map(|(number, fault)| {
        format!("fault {number}: {} at {} s{}", called(&fault.kind), fault.at.as_secs_f64(), lasting(fault))
    });
    let faults: Vec<String> = faults.collect();
    if faults.is_empty() { "none".to_owned() } else { faults.join("; ") }
}

/// The wall clock, in nanoseconds since 1970.
pub fn now() -> u64 {
    // It exists on every Linux, so the call can't fail; 1970 would show at once.
    let now = clock_gettime(ClockId::CLOCK_REALTIME).map(Duration::from).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// An instant that was not long ago, by the wall clock as it goes now.
fn wall(at: Instant) -> u64 {
    let (wall, monotonic) = (now(), Instant::now());
    if at > monotonic {
        return wall.saturating_add(at.0 - monotonic.0);
    }
    wall.saturating_sub(monotonic.0 - at.0)
}

/// `kill stage:1`.
fn called(kind: &FaultKind) -> String {
    format!("{} {}", name(kind), asked(kind))
}

fn seconds(since: Duration) -> String {
    format!("; {:.6} s after load began", since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture;

    #[test]
    fn faults_are_told_by_what_they_hit_when_they_did_and_where_the_record_has_them() {
        let run = fixture::crashes();
        let marks = Marks::new(&run.scenario);
        run.entries.iter().for_each(|entry| marks.observe(entry));
        let told = marks.since(0);
        let of = |text: &str| told.iter().filter(|mark| mark.text.starts_with(text)).collect::<Vec<_>>();
        assert_eq!(of("load begins").len(), 1);
        let recorded = |wanted: fn(&RunEvent) -> bool| {
            let of_run = |entry: &&Entry| matches!(entry, Entry::Run { event, .. } if wanted(event));
            run.entries.iter().filter(of_run).map(|entry| entry.at().0).collect::<Vec<_>>()
        };
        let fired = recorded(|event| matches!(event, RunEvent::FaultFired { .. }));
        let hit = run.entries.iter().find_map(|entry| match entry {
            Entry::Run { event: RunEvent::FaultFired { fault: 0, target, .. }, .. } => Some(target.as_str()),
            _ => None,
        });
        let first = of(&format!("fault 0 fires: kill {}; ", hit.unwrap()));
        assert_eq!(first.len(), 1, "{told:#?}");
        assert!(first[0].text.ends_with(&format!(" s after load began; at {} in events.jsonl", fired[0])));
        // Whatever the clocks are: both go at the same pace.
        let began = recorded(|event| matches!(event, RunEvent::LoadStarted))[0];
        let apart = (first[0].at - of("load begins")[0].at).abs_diff(fired[0] - began);
        assert!(apart < 1_000_000_000, "{apart} ns");
        assert_eq!(marks.since(told.len()), []);
        assert!(planned(&run.scenario).starts_with("fault 0: kill stage:"), "{}", planned(&run.scenario));
    }
}
