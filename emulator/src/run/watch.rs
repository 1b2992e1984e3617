//! The loop of a run: hears the nodes, fires the faults, shows progress, heeds the user.

mod follow;
mod keep;

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use node::clock::Instant;
use node::config::{Bandwidth, PROBE_LIMIT};
use node::telemetry::{Command, Event, Stamped};
use planner::plan::Plan;

use super::ground::Testbed;
use super::outlets::Shown;
use super::results::{NODES, Results};
use super::roster::Roster;
use super::sampler::{Sampler, thread_time};
use super::{FAREWELL, PATIENCE, RunError, foreign, holdings, leftover, visitors};
use crate::exit::Exit;
use crate::fabric::{Counters, Direction, Fabric};
use crate::fault::name;
use crate::fault::timeline::Timeline;
use crate::fleet::{Fleet, FleetError, Heard};
use crate::live::Live;
use crate::live::orders::{Order, Orders};
use crate::procfs;
use crate::record::event::{ExitCause, RunEvent};
use crate::report::progress::{LoadState, Progress};
use crate::sandbox::Sandbox;
use crate::scenario::{FaultSpec, Role, Scenario};

/// How often progress is shown and the record goes to the disk.
const BEAT: Duration = Duration::from_millis(100);

/// What goes on, and who is told.
pub(super) struct Watch<'a> {
    scenario: &'a Scenario,
    sandbox: &'a Sandbox,
    results: &'a mut Results,
    progress: &'a mut Progress,
    roster: Roster,
    timeline: Timeline,
    ready: Vec<bool>,
    /// Nodes that measure and are done.
    drained: BTreeSet<usize>,
    unplannable: Option<String>,
    /// Nodes that ended though nothing asked them to.
    died: Vec<(usize, ExitCause)>,
    interrupted: Option<Exit>,
    /// Nodes are being ended: what others see of it is recorded but is no news.
    ending: bool,
    load_began: Option<Instant>,
    live: &'a Live,
    shown: &'a Shown,
    next_beat: Instant,
    /// When it is looked next what processes hold; never, where that can't be seen.
    next_look: Option<Instant>,
    sampler: Sampler,
}

impl<'a> Watch<'a> {
    pub(super) fn new(
        scenario: &'a Scenario,
        sandbox: &'a Sandbox,
        results: &'a mut Results,
        progress: &'a mut Progress,
        (live, shown): (&'a Live, &'a Shown),
    ) -> Watch<'a> {
        Watch {
            scenario,
            sandbox,
            results,
            progress,
            roster: Roster::new(scenario),
            timeline: Timeline::new(scenario),
            ready: vec![false; scenario.nodes.len()],
            drained: BTreeSet::new(),
            unplannable: None,
            died: Vec::new(),
            interrupted: None,
            ending: false,
            load_began: None,
            live,
            shown,
            next_beat: Instant::now(),
            next_look: procfs::is_ours().then(Instant::now),
            sampler: Sampler::new(scenario),
        }
    }

    pub(super) fn phase_done(&mut self, phase: &str, clock: Instant) {
        self.results.phase_done(phase, clock, self.progress);
    }

    /// The plan that was deployed.
    pub(super) fn plan(&self) -> Option<&Plan> {
        self.roster.plan()
    }

    /// What is recorded.
    pub(super) fn results(&mut self) -> &mut Results {
        self.results
    }

    /// Until every process is up and listens.
    pub(super) fn until_ready(&mut self, fleet: &mut Fleet<'_>) -> Result<(), RunError> {
        let limit = self.scenario.commands().map_or(PATIENCE, |commands| commands.patience);
        let done = self.set_up("starting the processes", limit, fleet, |watch| watch.ready.iter().all(|ready| *ready));
        match (done, self.ready.iter().position(|ready| !ready)) {
            (Err(RunError::TooSlow { limit, .. }), Some(node)) if self.scenario.commands().is_some() => {
                let node = self.scenario.nodes[node].name.clone();
                let said = foreign::last_lines(&self.results.nodes_folder().join(&node));
                Err(RunError::NotReady { node, limit, said })
            }
            (done, _) => done,
        }
    }

    /// Until the dispatcher has deployed its first plan.
    pub(super) fn until_deployed(&mut self, fleet: &mut Fleet<'_>, bandwidth: Bandwidth) -> Result<(), RunError> {
        self.progress.phase("plan and load");
        let probing = match bandwidth {
            Bandwidth::Configured => Duration::ZERO,
            Bandwidth::Probed => PROBE_LIMIT,
        };
        self.set_up("deploying the plan", PATIENCE + probing, fleet, |watch| watch.roster.is_deployed())
    }

    fn set_up(
        &mut self,
        phase: &'static str,
        limit: Duration,
        fleet: &mut Fleet<'_>,
        done: impl Fn(&Watch<'_>) -> bool,
    ) -> Result<(), RunError> {
        let patience = Instant::now() + limit;
        while !done(self) {
            self.turn(fleet, None, patience)?;
            let logs = PathBuf::from(NODES);
            if let Some(exit) = self.interrupted {
                return Err(RunError::Interrupted(exit));
            }
            if let Some(&(node, cause)) = self.died.first() {
                let node = self.scenario.nodes[node].name.clone();
                let log = logs.join(&node).join("stderr.log");
                let said = match self.scenario.commands() {
                    Some(_) => foreign::last_lines(&self.results.nodes_folder().join(&node)),
                    None => String::new(),
                };
                let how = crate::record::summary::words::in_words(cause);
                return Err(RunError::NodeEnded { node, how, log, said });
            }
            if let Some(reason) = self.unplannable.take() {
                return Err(RunError::Unplannable(reason));
            }
            if Instant::now() >= patience {
                return Err(RunError::TooSlow { phase, limit, logs });
            }
        }
        Ok(())
    }

    /// Load, with its faults, until all its requests are answered or waited for long enough.
    pub(super) fn load(&mut self, fleet: &mut Fleet<'_>, fabric: &Fabric) -> Result<Exit, RunError> {
        let nodes = self.scenario.nodes.iter().enumerate();
        let clients: Vec<usize> =
            nodes.filter(|(_, node)| node.role == Role::Client).map(|(client, _)| client).collect();
        for client in &clients {
            fleet.send(*client, &Command::Start)?;
        }
        let began = Instant::now();
        self.load_began = Some(began);
        self.results.happened_at(began, RunEvent::LoadStarted);
        self.progress.line("load begins");
        self.timeline.begin(began);
        self.sample(fleet, fabric);
        let end = began + self.scenario.duration;
        while Instant::now() < end && self.interrupted.is_none() {
            self.turn(fleet, Some(fabric), end)?;
        }
        self.results.happened(RunEvent::LoadEnded);
        if let Some(exit) = self.interrupted {
            return Ok(exit);
        }
        for client in &clients {
            match fleet.send(*client, &Command::Finish { wait: self.scenario.drain }) {
                // A client that died is told of in the result.
                Err(FleetError::NotRunning { .. }) => {}
                sent => sent?,
            }
        }
        // The clients keep the time; a little more, so that their last words can arrive.
        let checks = self.scenario.commands().map_or(Duration::ZERO, |commands| commands.patience);
        let patience = Instant::now() + self.scenario.drain + checks + BEAT * 10;
        let waits = |watch: &Watch<'_>| clients.iter().any(|it| watch.is_up(*it) && !watch.drained.contains(it));
        while waits(self) && self.interrupted.is_none() && Instant::now() < patience {
            self.turn(fleet, Some(fabric), patience)?;
        }
        self.sample(fleet, fabric);
        self.count_traffic(fabric);
        let exit = self.interrupted.unwrap_or(if self.died.is_empty() { Exit::Success } else { Exit::NodeDied });
        Ok(exit)
    }

    /// Ends every process. Returns whatever could not be undone.
    pub(super) fn teardown(&mut self, fleet: Fleet<'_>) -> Vec<FleetError> {
        self.progress.phase("teardown");
        self.ending = true;
        // From here on nobody comes in.
        self.results.unmark_alive();
        visitors::end();
        let mut heard = Vec::new();
        let asked = Instant::now();
        let errors = fleet.teardown(FAREWELL, |node, what| heard.push((node, what)));
        for (node, what) in heard {
            if !misses_those_who_leave(&what, asked) {
                self.hear(node, what);
            }
        }
        for error in &errors {
            self.results.warn(format_args!("teardown: {error}"));
        }
        errors
    }

    /// Writes down what still runs when nothing should.
    pub(super) fn look_around(&mut self) {
        for event in leftover::processes() {
            self.results.happened(event);
        }
    }

    /// Waits for something to happen, but not beyond `until` or the next beat or fault, and deals with it.
    fn turn(&mut self, fleet: &mut Fleet<'_>, fabric: Option<&Fabric>, until: Instant) -> Result<(), RunError> {
        let due = [Some(until), Some(self.next_beat), self.timeline.next()].into_iter().flatten().min();
        let orders = self.shown.orders.as_ref().map(Orders::as_fd);
        let heard = [fleet.as_fd(), self.sandbox.signals().as_fd()].into_iter().chain(orders);
        wait(heard, due.unwrap_or(until));
        self.heed_signals();
        self.heed_orders();
        let mut heard = Vec::new();
        fleet.service(|node, what| heard.push((node, what)))?;
        for (node, what) in heard {
            self.hear(node, what);
        }
        if let Some(fabric) = fabric {
            self.break_things(fleet, fabric);
            if self.sampler.is_due(Instant::now()) {
                self.sample(fleet, fabric);
            }
        }
        self.beat();
        self.look_at_holdings(fleet);
        Ok(())
    }

    /// What the host and the links did since the last time.
    fn sample(&mut self, fleet: &Fleet<'_>, fabric: &Fabric) {
        let began = thread_time();
        match self.sampler.sample(fleet, fabric) {
            Ok(sample) => sample.into_iter().for_each(|event| self.results.happened(event)),
            Err(error) => self.results.warn(format_args!("how the links do can't be read: {error}")),
        }
        self.show_traffic();
        if let Some(reason) = self.sampler.unseen() {
            self.results
                .warn(format_args!("whether the links are as they were asked can't be seen everywhere: {reason}"));
        }
        self.sampler.took(thread_time().saturating_sub(began));
    }

    /// At beats, so that it wakes nobody up.
    fn look_at_holdings(&mut self, fleet: &Fleet<'_>) {
        let now = Instant::now();
        if self.next_look.is_none_or(|next| now < next) {
            return;
        }
        self.next_look = Some(now + holdings::LOOK);
        let nodes = self.scenario.nodes.iter().take(fleet.len()).enumerate();
        let running = nodes.filter_map(|(number, node)| Some((node.name.clone(), fleet.pid(number)?)));
        let groups = self.scenario.commands().is_some();
        self.results.happened_at(now, holdings::look(running, groups));
    }

    fn heed_signals(&mut self) {
        while let Ok(Some(signal)) = self.sandbox.signals().next() {
            match signal {
                Signal::SIGINT => self.interrupted = Some(Exit::Interrupted),
                Signal::SIGTERM => self.interrupted = Some(Exit::Terminated),
                _ => {}
            }
        }
    }

    /// What somebody at the screen wants.
    fn heed_orders(&mut self) {
        let orders = self.shown.orders.as_ref().map(Orders::take).unwrap_or_default();
        for order in orders {
            match (order, self.load_began) {
                (Order::Quit, _) => self.interrupted = Some(Exit::Interrupted),
                (Order::Inject { at, kind, lasting }, Some(began)) => {
                    let spec = FaultSpec { at: at.since(began), lasting: Some(lasting), optional: false, kind };
                    let fault = self.timeline.inject(spec.clone());
                    self.results.happened(RunEvent::FaultInjected { fault, spec });
                }
                // Nothing that a fault's instant could be counted from.
                (Order::Inject { .. }, None) => {}
            }
        }
    }

    fn hear(&mut self, node: usize, what: Heard) {
        let name = self.scenario.nodes[node].name.clone();
        match what {
            // The clock is the same for all: only a node that is broken can say so.
            Heard::Said(said) if said.at > Instant::now() + Duration::from_secs(1) => {
                self.results.warn(format_args!("{name} said something odd: that it happened in the future"));
            }
            Heard::Said(said) => {
                self.roster.hear(&said.event);
                self.follow(node, &said.event, said.at);
                self.results.said(&name, said);
            }
            Heard::Garbled(garbled) => self.results.warn(format_args!("{name} said something odd: {garbled}")),
            Heard::Paused(at) => {
                for event in self.timeline.paused(node) {
                    self.results.happened_at(at, event);
                }
            }
            Heard::Exited(at, cause) => {
                self.roster.set_up(node, false);
                self.results.happened_at(at, RunEvent::NodeExited { node: name.clone(), cause });
                for event in self.timeline.ended(node) {
                    self.results.happened_at(at, event);
                }
                if !cause.is_wanted() {
                    self.tell(at, &format!("{name} died: {}", crate::record::summary::words::in_words(cause)));
                    self.died.push((node, cause));
                }
            }
        }
    }

    fn break_things(&mut self, fleet: &mut Fleet<'_>, fabric: &Fabric) {
        if self.timeline.next().is_none_or(|due| due > Instant::now()) {
            return;
        }
        let mut ground = Testbed { fleet, fabric, started: Vec::new() };
        let before: Vec<String> = (0..self.scenario.nodes.len()).map(|node| self.roster.duty(node)).collect();
        let events = self.timeline.turn(&mut ground, &self.roster);
        let started = ground.started;
        for node in started {
            self.roster.set_up(node, true);
            let pid = fleet.pid(node).unwrap_or_default();
            self.results.happened(RunEvent::NodeStarted { node: self.scenario.nodes[node].name.clone(), pid });
        }
        for (at, event) in events {
            match &event {
                RunEvent::FaultFired { fault, target, nodes } => {
                    let kind = self.kind(*fault);
                    let duty = match nodes.as_slice() {
                        [node] => self.roster.index(node).map(|node| format!(" ({})", before[node])),
                        _ => None,
                    };
                    self.tell(at, &format!("fault: {kind} {target}{}", duty.unwrap_or_default()));
                }
                RunEvent::FaultHealed { fault } => {
                    let kind = self.kind(*fault);
                    self.tell(at, &format!("healed: {kind}"));
                }
                RunEvent::FaultFailed { fault, reason } => {
                    let kind = self.kind(*fault);
                    self.tell(at, &format!("fault {kind} could not be fired: {reason}"));
                }
                _ => {}
            }
            self.results.happened_at(at, event);
        }
    }

    fn kind(&self, fault: usize) -> &'static str {
        name(&self.timeline.spec(fault).kind)
    }

    fn tell(&mut self, at: Instant, text: &str) {
        match self.load_began {
            _ if self.ending => {}
            Some(began) => self.progress.happened(at.since(began), text),
            None => self.progress.line(text),
        }
    }

    fn beat(&mut self) {
        let now = Instant::now();
        if now < self.next_beat {
            return;
        }
        self.next_beat = now + BEAT;
        self.results.flush();
        if let Some((elapsed, completed, outstanding, per_second)) = self.live.beat(now) {
            let duration = self.scenario.duration;
            self.progress.load(LoadState { elapsed, duration, completed, outstanding, per_second });
        }
    }

    /// Each second, if anybody looks. The record has totals at the end; by the second it has only what passed, where anything did.
    fn show_traffic(&self) {
        if self.shown.screen.is_none() && self.shown.metrics.is_none() {
            return;
        }
        if let Some(counters) = self.sampler.counters() {
            traffic(self.scenario, counters).into_iter().for_each(|event| self.results.show(event));
        }
    }

    /// What passed in each direction; where nothing did, nothing is written.
    fn count_traffic(&mut self, fabric: &Fabric) {
        // Shapes that faults brought may have been more than the carrier can do.
        fabric.warnings().iter().for_each(|warning| self.results.warn(warning));
        match fabric.counters() {
            Ok(counters) => {
                traffic(self.scenario, &counters).into_iter().for_each(|event| self.results.happened(event));
            }
            Err(error) => self.results.warn(format_args!("what passed the links can't be read: {error}")),
        }
    }

    fn is_up(&self, node: usize) -> bool {
        self.roster.is_up(node)
    }
}

/// What passed in each direction through which something did.
fn traffic(scenario: &Scenario, counters: &BTreeMap<Direction, Counters>) -> Vec<RunEvent> {
    let names = scenario.host_names();
    let passed = counters.iter().filter(|(_, counters)| **counters != Counters::default());
    let event = |(way, counters): (&Direction, &Counters)| {
        let (from, to) = (names[way.from].clone(), names[way.to].clone());
        RunEvent::Traffic { from, to, counters: *counters }
    };
    passed.map(event).collect()
}

/// Whether a node says that it misses others, after all were asked to end: whichever ends before it looks dead.
fn misses_those_who_leave(heard: &Heard, asked: Instant) -> bool {
    matches!(heard, Heard::Said(Stamped {
        at,
        event: Event::NodeSuspected { .. }
            | Event::PathSuspected { .. }
            | Event::Slow { .. }
            | Event::DispatcherLost
            | Event::Unplannable { .. },
    }) if *at >= asked)
}

/// Waits until one of `descriptors` can be read, or `until`.
fn wait<'a>(descriptors: impl Iterator<Item = BorrowedFd<'a>>, until: Instant) {
    let left = until.since(Instant::now());
    // Rounded up: a timer must not be found not quite due again and again.
    let timeout = PollTimeout::try_from(left + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX);
    let mut polled: Vec<PollFd<'_>> = descriptors.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    match poll(&mut polled, timeout) {
        Ok(_) | Err(Errno::EINTR) => {}
        // Nothing that a user could do leads here; the loop's own deadlines still hold.
        Err(error) => tracing::error!("waiting for nodes: {error}"),
    }
}
