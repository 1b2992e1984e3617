//! The event log, folded: what every result is computed from. Entries may come in any order, as those
//! of different nodes do; only the instants they carry count.

mod host;
mod request;
mod window;

use std::collections::BTreeMap;
use std::time::Duration;

use node::clock::Instant;
use node::telemetry::{Detection, Event};
use node::wire::message::Shortage;
use planner::cluster::Path;
use planner::plan::Plan;
use planner::units::ByteSize;

pub use host::{HostSeen, Passed, Second, Used};
pub use request::{Hop, Outcome, Places, Request};
pub use window::{Sample, Window};

use super::event::{Entry, ExitCause, Holding, RunEvent, SIMULATED};
use super::log::{LogError, LogReader};
use super::trial::LinkTrial;
use crate::fabric::Counters;
use crate::scenario::{FaultSpec, Scenario};

/// What is known of a run so far.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// The requests, by their number.
    pub requests: BTreeMap<u64, Request>,
    /// Why requests had an error: of the first of them.
    pub reasons: BTreeMap<u64, String>,
    /// Checks of programs of others: where, whether all was as it must be, and what was said.
    pub checks: Vec<(String, bool, String)>,
    /// The digest that each input's output must have; empty when outputs are not checked.
    pub digests: Vec<String>,
    /// When the run began.
    pub run_started: Option<Instant>,
    /// When load began.
    pub load_started: Option<Instant>,
    /// When load ended.
    pub load_ended: Option<Instant>,
    /// The last instant of any entry.
    pub last: Instant,
    /// What was measured, by sender: the path to each node.
    pub measured: BTreeMap<String, Vec<Option<Path>>>,
    /// How long measuring took, once it is over.
    pub probed: Option<Duration>,
    /// Plans, by epoch.
    pub plans: BTreeMap<u32, PlanSeen>,
    /// What the dispatcher took for broken.
    pub suspicions: Vec<Suspicion>,
    /// Nodes that proved to be slower than they should be: when, which, and how many times.
    pub slow: Vec<(Instant, String, f64)>,
    /// Stages that could not be held where a plan had put them.
    pub refusals: Vec<Refusal>,
    /// When it was said that the plan in force stays, as none is much better, and why another was looked for.
    pub kept: Vec<(Instant, String)>,
    /// When a client or worker missed the dispatcher, and who it was.
    pub dispatcher_lost: Vec<(Instant, String)>,
    /// Faults by hand, by index.
    pub injected: BTreeMap<usize, FaultSpec>,
    /// What became of the faults, by index.
    pub faults: BTreeMap<usize, FaultSeen>,
    /// What stages did, by epoch and place in the pipeline.
    pub stages: BTreeMap<(u32, u16), StageSeen>,
    /// How processes ended.
    pub exits: Vec<Exit>,
    /// How often a process was started on each node.
    pub starts: BTreeMap<String, usize>,
    /// What each process held, by its node and id.
    pub held: BTreeMap<(String, i32), Vec<Look>>,
    /// What the host and the links did, about every second of the load.
    pub host: HostSeen,
    /// What links did when they were tried before the load.
    pub trials: Vec<LinkTrial>,
    /// How late nodes' timers were: when it was told, where, and the latest since the word before.
    pub timers: Vec<(Instant, String, Duration)>,
    /// Processes that still ran after every node was ended: id and command line.
    pub left: Vec<(i32, String)>,
    /// Every segment that was loaded.
    pub loads: Vec<Load>,
    /// Most resident memory of each process after a segment was prepared.
    pub prepared: BTreeMap<String, ByteSize>,
    /// Names of the nodes that [`Hop`]s and [`Passed`] tell of, by number.
    pub places: Places,
    /// What passed in each direction by the last count.
    pub traffic: BTreeMap<(String, String), Counters>,
    /// Phases of set-up and teardown, in order.
    pub phases: Vec<(String, Duration)>,
    /// Warnings, and how often each was given, in the order of the first.
    pub warnings: Vec<(String, u64)>,
    /// The carrier.
    pub carrier: Option<String>,
    /// Cores that all nodes share.
    pub cores: Option<u32>,
    /// Name of each cut's tensor.
    pub tensors: Vec<String>,
    /// Requests that were sent again: when, and which.
    pub replays: Vec<(Instant, Vec<u64>)>,
    /// Results that the dispatcher dropped because they came twice or too late.
    pub stale_dropped: u64,
    /// When it was last said that no plan is possible.
    pub unplannable: Option<Instant>,
    /// Whether the user interrupted the run.
    pub interrupted: bool,
    /// Whether the run ended in order.
    pub ended: bool,
    /// The exit code that it ended with, expectations not yet looked at.
    pub exit: Option<u8>,
    /// Largest resident memory of `emu` itself.
    pub peak_memory: Option<ByteSize>,
}

/// What a process held when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Look {
    /// When.
    pub at: Instant,
    /// Resident memory, in bytes.
    pub resident: u64,
    /// Open file descriptors.
    pub descriptors: u64,
}

/// A segment that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// Where.
    pub node: String,
    /// For this epoch.
    pub epoch: u32,
    /// For this stage of it.
    pub stage: u16,
    /// Resident memory of the process afterwards.
    pub resident: ByteSize,
}

/// A plan that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanSeen {
    /// When.
    pub at: Instant,
    /// Why.
    pub reason: String,
    /// The plan.
    pub plan: Plan,
    /// When every stage was ready, and which nodes had to load.
    pub deployed: Option<(Instant, Vec<String>)>,
    /// Which nodes had their segments prepared.
    pub prepared: Vec<String>,
}

/// Something the dispatcher took for broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspicion {
    /// When.
    pub at: Instant,
    /// The node; or for a path, the sender.
    pub node: String,
    /// For a path, the receiver.
    pub to: Option<String>,
    /// For a node, what told.
    pub by: Option<Detection>,
}

/// A stage that could not be held where a plan had put it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// When the dispatcher learned of it.
    pub at: Instant,
    /// The node.
    pub node: String,
    /// The epoch of the plan.
    pub epoch: u32,
    /// What it would have needed and what it had, if it was memory.
    pub shortage: Option<Shortage>,
    /// Why.
    pub reason: String,
}

/// What became of a fault.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FaultSeen {
    /// When it was fired, what it hit, and the nodes it hit.
    pub fired: Option<(Instant, String, Vec<String>)>,
    /// When its effect was seen.
    pub effective: Option<Instant>,
    /// When it was healed.
    pub healed: Option<Instant>,
    /// Why it could not be fired.
    pub failed: Option<String>,
}

/// What a stage of an epoch did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StageSeen {
    /// Requests that went through.
    pub processed: u64,
    /// Time it computed for all of them.
    pub computed: Duration,
    /// Resident memory of its process after loading.
    pub resident: Option<ByteSize>,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// When it was seen.
    pub at: Instant,
    /// Its node.
    pub node: String,
    /// How.
    pub cause: ExitCause,
}

impl Exit {
    /// Whether it came without a word: what the process had not told by then is lost.
    pub fn killed(&self) -> bool {
        self.cause != ExitCause::Asked
    }
}

/// Of so many requests it is kept why they had an error.
const REASONS: usize = 1000;
/// More time than set-up and teardown take together.
const BESIDES: Duration = Duration::from_secs(86_400);

impl Tally {
    /// Takes in all entries of the log of a run of this scenario.
    ///
    /// # Errors
    /// When the file can't be read, or a line that is whole is no entry, or none of that run.
    pub fn read(log: &std::path::Path, scenario: &Scenario) -> Result<Tally, LogError> {
        // Series have a line for each second: a damaged instant must not ask for more of them than there can be.
        let span = scenario.duration + scenario.drain + BESIDES;
        let mut tally = Tally::default();
        for entry in LogReader::open(log)?.spanning(span) {
            tally.push(&entry?);
        }
        Ok(tally)
    }

    /// Adds to the faults of a scenario those by hand: from here on they are faults like any other. Those whose index doesn't
    /// follow are left out: a log has none of these unless it was damaged.
    pub fn add_injected(&self, scenario: &mut Scenario) {
        for (index, spec) in &self.injected {
            if *index == scenario.faults.len() {
                scenario.faults.push(spec.clone());
            }
        }
    }

    /// Takes in one entry.
    pub fn push(&mut self, entry: &Entry) {
        self.last = self.last.max(entry.at());
        match entry {
            Entry::Node { at, node, event } => self.node(*at, node, event),
            Entry::Run { at, event } => self.run(*at, event),
        }
    }

    fn request(&mut self, number: u64) -> &mut Request {
        self.requests.entry(number).or_default()
    }

    fn fault(&mut self, index: usize) -> &mut FaultSeen {
        self.faults.entry(index).or_default()
    }

    /// Adds to a request's way. A simulation's is what it was made from: nothing could be learned from it.
    fn hop(&mut self, request: u64, hop: Hop) {
        if self.carrier.as_deref() != Some(SIMULATED) {
            self.request(request).hops.push(hop);
        }
    }

    fn node(&mut self, at: Instant, teller: &str, event: &Event) {
        match event {
            Event::Offered { request: number, input, scheduled } => {
                let request = self.request(*number);
                (request.input, request.scheduled) = (Some(*input), Some(*scheduled));
            }
            Event::Sent { request: number } => self.request(*number).sent = Some(at),
            Event::Accepted { request: number } => {
                let first = self.request(*number).accepted.map_or(at, |first| first.min(at));
                self.request(*number).accepted = Some(first);
            }
            Event::Completed { request: number, epoch, digest } => {
                self.request(*number).results.push(Outcome { at, epoch: *epoch, digest: digest.clone() });
            }
            // There is nothing by which the answer of a program of others could be judged.
            Event::Answered { request: number } => {
                self.request(*number).results.push(Outcome { at, epoch: 0, digest: String::new() });
            }
            Event::Errored { request: number, reason } => {
                self.request(*number).errored = Some(at);
                if self.reasons.len() < REASONS {
                    self.reasons.insert(*number, reason.clone());
                }
            }
            Event::Checked { passed, said } => self.checks.push((teller.to_owned(), *passed, said.clone())),
            Event::Measured { from, paths } => _ = self.measured.insert(from.clone(), paths.clone()),
            Event::Probed { took } => self.probed = Some(*took),
            Event::Planned { epoch, reason, plan, .. } => {
                let known = self.plans.remove(epoch);
                let (deployed, prepared) = known.map(|seen| (seen.deployed, seen.prepared)).unwrap_or_default();
                let seen = PlanSeen { at, reason: reason.clone(), plan: plan.clone(), deployed, prepared };
                self.plans.insert(*epoch, seen);
            }
            Event::Deployed { epoch, loaded, prepared, .. } => {
                if let Some(seen) = self.plans.get_mut(epoch) {
                    seen.deployed = Some((at, loaded.clone()));
                    seen.prepared.clone_from(prepared);
                }
            }
            Event::Unplannable { reason } => {
                self.unplannable = self.unplannable.max(Some(at));
                self.warn(format!("no plan was possible: {reason}"));
            }
            Event::NodeSuspected { node, by } => {
                self.suspicions.push(Suspicion { at, node: node.clone(), to: None, by: Some(*by) });
            }
            Event::PathSuspected { from, to } => {
                self.suspicions.push(Suspicion { at, node: from.clone(), to: Some(to.clone()), by: None });
            }
            Event::Slow { node, factor } => self.slow.push((at, node.clone(), *factor)),
            Event::PlanKept { reason, .. } => self.kept.push((at, reason.clone())),
            Event::StageRefused { node, epoch, shortage, reason, .. } => {
                let (node, reason) = (node.clone(), reason.clone());
                self.refusals.push(Refusal { at, node, epoch: *epoch, shortage: *shortage, reason });
            }
            Event::Replayed { requests, .. } => self.replays.push((at, requests.clone())),
            Event::Fed { request, epoch, chain } => {
                self.hop(*request, Hop::Fed { at, epoch: *epoch, chain: *chain });
            }
            Event::Arrived { request, epoch, chain } => {
                self.hop(*request, Hop::Arrived { at, epoch: *epoch, chain: *chain });
            }
            Event::StaleDropped { .. } => self.stale_dropped += 1,
            Event::SegmentLoaded { epoch, stage, resident, .. } => {
                self.stages.entry((*epoch, *stage)).or_default().resident = Some(*resident);
                let load = Load { node: teller.to_owned(), epoch: *epoch, stage: *stage, resident: *resident };
                self.loads.push(load);
            }
            Event::Processed { request, epoch, stage, received, started, finished, sent, late } => {
                let seen = self.stages.entry((*epoch, *stage)).or_default();
                seen.processed += 1;
                seen.computed += finished.since(*started);
                let (place, epoch, stage) = (self.places.number(teller), *epoch, *stage);
                let (received, started, finished, sent) = (*received, *started, *finished, *sent);
                // An hour is more than late enough.
                let late =
                    u32::try_from(late.saturating_add(Duration::from_nanos(500)).as_micros()).unwrap_or(u32::MAX);
                self.hop(*request, Hop::Stage { place, epoch, stage, received, started, finished, sent, late });
            }
            Event::Prepared { resident, .. } => {
                let most = self.prepared.entry(teller.to_owned()).or_default();
                *most = (*most).max(*resident);
            }
            Event::Resumed { damage, .. } => {
                damage.iter().for_each(|what| self.warn(format!("the dispatcher's journal was damaged: {what}")));
            }
            Event::JournalFailed { reason } => {
                self.warn(format!("the dispatcher could not write its journal, and promised less: {reason}"));
            }
            Event::SegmentUnreadable { reason, .. } => {
                self.warn(format!(
                    "{teller} could not read its part of the model, and got it from the dispatcher: {reason}"
                ));
            }
            Event::TimerLate { late } => self.timers.push((at, teller.to_owned(), *late)),
            Event::DispatcherLost => self.dispatcher_lost.push((at, teller.to_owned())),
            Event::Ready
            | Event::JournalRestored
            | Event::Drained { .. }
            | Event::Rejoined { .. }
            | Event::Trusted { .. }
            | Event::ChainLost { .. }
            | Event::Dropped { .. } => {}
        }
    }

    fn run(&mut self, at: Instant, event: &RunEvent) {
        match event {
            RunEvent::Host { carrier, cores } => (self.carrier, self.cores) = (Some(carrier.clone()), Some(*cores)),
            RunEvent::Simulated => self.carrier = Some(SIMULATED.to_owned()),
            RunEvent::Model { tensors } => self.tensors.clone_from(tensors),
            RunEvent::PhaseDone { phase, took } => self.phases.push((phase.clone(), *took)),
            RunEvent::Reference { digests } => self.digests.clone_from(digests),
            RunEvent::NodeExited { node, cause } => self.exits.push(Exit { at, node: node.clone(), cause: *cause }),
            RunEvent::LeftRunning { pid, command } => self.left.push((*pid, command.clone())),
            RunEvent::LoadStarted => self.load_started = Some(at),
            RunEvent::LoadEnded => self.load_ended = Some(at),
            RunEvent::FaultInjected { fault: index, spec } => {
                self.injected.entry(*index).or_insert_with(|| spec.clone());
            }
            RunEvent::FaultFired { fault: index, target, nodes } => {
                self.fault(*index).fired = Some((at, target.clone(), nodes.clone()));
            }
            RunEvent::FaultEffective { fault: index } => self.fault(*index).effective = Some(at),
            RunEvent::FaultHealed { fault: index } => self.fault(*index).healed = Some(at),
            RunEvent::FaultFailed { fault: index, reason } => self.fault(*index).failed = Some(reason.clone()),
            RunEvent::Traffic { from, to, counters } => {
                self.traffic.insert((from.clone(), to.clone()), *counters);
            }
            RunEvent::Held { processes } => {
                for Holding { process, pid, resident, descriptors } in processes {
                    let line = self.held.entry((process.clone(), *pid)).or_default();
                    line.push(Look { at, resident: *resident, descriptors: *descriptors });
                }
            }
            RunEvent::Tried { trials } => self.trials.extend(trials.iter().cloned()),
            RunEvent::Sampled { sample } => self.host.take(at, sample, &mut self.places),
            RunEvent::Warning { text } => self.warn(text.clone()),
            RunEvent::Interrupted => self.interrupted = true,
            RunEvent::RunEnded { peak_memory, exit } => {
                (self.ended, self.exit) = (true, Some(*exit));
                self.peak_memory = Some(ByteSize::from_bytes(*peak_memory));
            }
            RunEvent::RunStarted { .. } => self.run_started = Some(at),
            RunEvent::FaultStepped { .. } => {}
            RunEvent::NodeStarted { node, .. } => *self.starts.entry(node.clone()).or_default() += 1,
        }
    }

    fn warn(&mut self, text: String) {
        match self.warnings.iter_mut().find(|(known, _)| *known == text) {
            Some((_, times)) => *times += 1,
            None => self.warnings.push((text, 1)),
        }
    }

    /// The time that counts: from the end of the warm-up to the end of the load, or to the last entry
    /// of a run that was cut short. Empty if load never began.
    pub fn window(&self, scenario: &Scenario) -> Window {
        let Some(began) = self.load_started else { return Window { from: self.last, to: self.last } };
        let from = began + scenario.warmup;
        let to = self.load_ended.unwrap_or_else(|| self.last.min(began + scenario.duration));
        Window { from, to: to.max(from) }
    }

    /// The digest that a request's output must have, and the first result that has another.
    pub fn wrong<'a>(&'a self, request: &'a Request) -> Option<(&'a String, &'a Outcome)> {
        let wanted = self.digests.get(request.input? as usize)?;
        request.results.iter().find(|result| result.digest != *wanted).map(|result| (wanted, result))
    }

    /// The plan in force at an instant: the last one made until then.
    pub fn plan_at(&self, at: Instant) -> Option<&PlanSeen> {
        self.plans.values().filter(|seen| seen.at <= at).max_by_key(|seen| seen.at)
    }

    /// Every completed request that was scheduled within the window: the samples of latency.
    pub fn samples(&self, window: Window) -> impl Iterator<Item = Sample> {
        self.requests.values().filter_map(move |request| {
            let scheduled = request.scheduled.filter(|at| window.contains(*at))?;
            let completed = request.completed()?.at;
            let latency = completed.since(scheduled);
            // A request that was sent at once, whatever the log says of its sending.
            let uncorrected = completed.since(request.sent.unwrap_or(scheduled));
            Some(Sample { completed, latency, uncorrected })
        })
    }
}
