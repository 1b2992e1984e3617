//! Requests: from the client's schedule through the chains and back, each answered once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::agenda::Due;
use super::event::Event;
use super::network::{Line, Parcel, Place};
use super::{Load, Simulation};
use crate::plan::wire_size;

/// Where a request is that the dispatcher has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Sent { epoch: u32, chain: u16 },
    Recalled,
}

/// Everything about requests.
#[derive(Debug, Default)]
pub(super) struct Requests {
    offered: u64,
    completed: u64,
    /// Offered and not yet on the line to the dispatcher.
    desk: VecDeque<u64>,
    /// On that line, or in front of the chains.
    credit_used: usize,
    /// In front of the chains.
    waiting: VecDeque<u64>,
    /// In the chains.
    open: BTreeMap<u64, State>,
    /// Was in a chain when its epoch or chain ended.
    again: BTreeSet<u64>,
    /// From the client to the dispatcher, and back.
    pub(super) lines: [Line; 2],
}

impl Requests {
    /// No request yet.
    pub(super) fn over(lines: [Line; 2]) -> Requests {
        Requests { lines, ..Requests::default() }
    }

    /// An epoch has ended: what was in flight will be sent again, and results still under way don't count.
    pub(super) fn recall(&mut self) {
        for (request, state) in self.open.iter_mut().filter(|(_, state)| matches!(state, State::Sent { .. })) {
            *state = State::Recalled;
            self.again.insert(*request);
        }
    }

    /// Chains are lost: what was in them will be sent again. Until it is, a result still under way counts.
    pub(super) fn recall_from(&mut self, epoch: u32, chains: &[u16]) {
        let lost =
            |state: &State| matches!(state, State::Sent { epoch: e, chain } if *e == epoch && chains.contains(chain));
        self.again.extend(self.open.iter().filter(|(_, state)| lost(state)).map(|(request, _)| *request));
    }

    pub(super) fn outstanding(&self) -> u64 {
        self.offered - self.completed
    }
}

impl Simulation<'_> {
    /// Load begins.
    pub(super) fn begin_load(&mut self) {
        match &mut self.setup.load {
            Load::Closed { concurrency } => (0..*concurrency).for_each(|_| self.offer()),
            Load::Open(_) => self.expect_offer(),
        }
    }

    /// Puts down when the next request of an open load is due.
    fn expect_offer(&mut self) {
        let Load::Open(schedule) = &mut self.setup.load else { return };
        if let Some(due) = schedule.next().filter(|due| *due < self.setup.duration) {
            self.agenda.put(due, Due::Offer);
        }
    }

    pub(super) fn offer_next(&mut self) {
        self.offer();
        self.expect_offer();
    }

    fn offer(&mut self) {
        let request = self.requests.offered;
        self.requests.offered += 1;
        self.tell(Event::Offered { request });
        self.requests.desk.push_back(request);
        self.use_credit();
    }

    /// The dispatcher reads from the client as long as its queue has room.
    fn use_credit(&mut self) {
        while self.requests.credit_used < self.setup.queue.max(1) as usize {
            let Some(request) = self.requests.desk.pop_front() else { break };
            self.requests.credit_used += 1;
            let parcel = self.parcel(request, 0, 0, Place::Dispatcher, 0);
            let line = self.requests.lines[0];
            self.network.send(line, parcel, self.now, &mut self.agenda);
        }
    }

    /// A request's tensor at a cut.
    pub(super) fn parcel(&self, request: u64, epoch: u32, chain: u16, to: Place, cut: usize) -> Parcel {
        let bytes = self.bytes.get(cut).copied().unwrap_or_default();
        Parcel { request, epoch, chain, to, bytes, work: None }
    }

    /// A request has arrived at the dispatcher.
    pub(super) fn admit(&mut self, request: u64) {
        let told = self.now + self.network.delay(self.setup.cluster.dispatcher, self.setup.cluster.client);
        self.out.push((told, Event::Accepted { request }));
        self.requests.waiting.push_back(request);
        self.feed();
    }

    /// Fills the chains up to their windows: first with what has to be sent again.
    pub(super) fn feed(&mut self) {
        let (epoch, mut replayed) = (self.epoch, Vec::new());
        while let Some(chain) = self.chains.pick() {
            let request = match self.requests.again.pop_first() {
                Some(request) => {
                    replayed.push(request);
                    request
                }
                None => {
                    let Some(request) = self.requests.waiting.pop_front() else { break };
                    self.requests.credit_used -= 1;
                    request
                }
            };
            self.requests.open.insert(request, State::Sent { epoch, chain });
            self.chains.sent(chain, self.now);
            let parcel = self.parcel(request, epoch, chain, Place::Stage(0), 0);
            let line = self.lines[usize::from(chain)][0];
            self.network.send(line, parcel, self.now, &mut self.agenda);
        }
        if !replayed.is_empty() {
            self.tell(Event::Replayed { epoch, requests: replayed });
        }
        self.use_credit();
    }

    /// A result has arrived at the dispatcher.
    pub(super) fn settle(&mut self, parcel: &Parcel) {
        let Parcel { request, epoch, chain, .. } = *parcel;
        if self.requests.open.get(&request) != Some(&State::Sent { epoch, chain }) {
            return self.tell(Event::StaleDropped { request, epoch });
        }
        self.requests.open.remove(&request);
        self.requests.again.remove(&request);
        if epoch == self.epoch {
            self.chains.done(chain, self.now);
        }
        let answer = self.parcel(request, epoch, chain, Place::Client, self.bytes.len() - 1);
        let line = self.requests.lines[1];
        self.network.send(line, answer, self.now, &mut self.agenda);
        self.feed();
    }

    /// An answer has arrived at the client.
    pub(super) fn complete(&mut self, request: u64, epoch: u32) {
        self.requests.completed += 1;
        self.tell(Event::Completed { request, epoch });
        if matches!(self.setup.load, Load::Closed { .. }) && self.now < self.setup.duration {
            self.offer();
        }
    }

    /// Bytes on the wire at each cut.
    pub(super) fn wire_bytes(setup: &super::Setup<'_>) -> Vec<u64> {
        let size = |cut| wire_size(setup.profile.transfer(cut, setup.codec)).bytes();
        (0..setup.profile.cuts.len()).map(size).collect()
    }

    /// Tells that something happens now.
    pub(super) fn tell(&mut self, event: Event) {
        self.out.push((self.now, event));
    }

    /// Tells what a stage did with what it has just sent on.
    pub(super) fn sent(&mut self, parcel: &Parcel) {
        if parcel.to == Place::Dispatcher {
            self.tell(Event::Sent { request: parcel.request });
        } else if let Some(work) = parcel.work {
            let node = self.plan.stages.get(work.stage).map_or(0, |stage| stage.node);
            let super::network::Work { stage, received, started, finished } = work;
            let (request, epoch) = (parcel.request, parcel.epoch);
            self.tell(Event::Processed { node, request, epoch, stage, received, started, finished });
        }
    }

    /// How long is left of something that takes until an instant.
    pub(super) fn in_time(&self, time: Duration) -> Duration {
        self.now.saturating_add(time)
    }
}
