//! What became of every request: waiting, in flight, answered. The promise "nothing lost, nothing twice" lives here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::intervals::Intervals;
use crate::dispatcher::journal::recovery::Recovered;
use crate::planted::{self, Bug};

/// Answers are kept for a client that comes back for them, up to this many bytes together.
const KEPT_BYTES: usize = 32 << 20;

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// With an output.
    Result {
        /// Epoch of the plan that produced it.
        epoch: u32,
        /// The output, encoded.
        payload: Bytes,
    },
    /// With an error.
    Refused {
        /// Why.
        reason: String,
    },
}

/// What a request that arrives is to the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// New (or its answer is not kept any longer): it waits now.
    Waits,
    /// Already waiting or in flight.
    Known,
    /// Already answered; here is the answer again.
    Answered(Answer),
    /// Answered over this very connection, or the client has said that it has the answer: an old copy that comes late.
    Old,
}

#[derive(Debug)]
struct Entry {
    /// Number of the client's connection that it last came over.
    client: u64,
    payload: Bytes,
    state: State,
    /// Nobody wants its answer any more; it is still in the pipeline.
    forgotten: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In front of the pipeline.
    Waiting,
    /// In the pipeline, sent there last in this epoch and chain.
    Sent { epoch: u32, chain: u16 },
    /// Was in the pipeline when its epoch ended; to be sent again.
    Recalled,
}

/// A request that goes into the pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending {
    /// The request.
    pub request: u64,
    /// Its input.
    pub payload: Bytes,
    /// Whether it has been sent before.
    pub again: bool,
}

/// An answer that its client has not acknowledged.
#[derive(Debug)]
struct Kept {
    ticket: u64,
    answer: Answer,
    /// Number of the connection that it went out over last.
    over: u64,
}

/// What an answer that counts means.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settlement {
    /// Number of the connection that the answer goes out over, if that is still there; none: nobody wants it.
    pub client: Option<u64>,
    /// Requests whose answers are not kept any longer.
    pub dropped: Vec<u64>,
}

/// The requests, each by its **ticket**, its number among those of all clients.
///
/// A request leaves `open` exactly when it is answered, and only [`Ledger::settle`] answers; so it is answered
/// once. Its answer is kept until the client acknowledges it: a client that lost its connection sends everything again
/// that it has no answer to, and the answer may have been lost with the connection. Where too much would be kept,
/// the oldest is dropped; such a request is computed again, which gives the same bits. An answer goes out over the
/// connection that its request came over and no other, so a request sent again can't cross with the answer to its
/// first copy.
#[derive(Debug)]
pub struct Ledger {
    open: BTreeMap<u64, Entry>,
    waiting: VecDeque<u64>,
    /// What was in the pipeline when its epoch or chain ended.
    again: BTreeSet<u64>,
    /// Acknowledged by the client.
    settled: Intervals,
    kept: VecDeque<Kept>,
    kept_bytes: usize,
    keep: usize,
}

impl Ledger {
    /// A ledger with the requests of `known`, which came over no connection that is still there. It keeps the last
    /// `keep` answers.
    pub fn new(keep: usize, known: &Recovered) -> Ledger {
        let entry =
            |payload: &Bytes| Entry { client: 0, payload: payload.clone(), state: State::Waiting, forgotten: false };
        let kept = |(ticket, answer): (&u64, &Answer)| Kept { ticket: *ticket, answer: answer.clone(), over: 0 };
        let kept: VecDeque<Kept> = known.answered.iter().map(kept).collect();
        Ledger {
            open: known.open.iter().map(|(ticket, payload)| (*ticket, entry(payload))).collect(),
            waiting: known.open.keys().copied().collect(),
            again: BTreeSet::new(),
            settled: Intervals::default(),
            kept_bytes: kept.iter().map(|kept| size(&kept.answer)).sum(),
            kept,
            keep,
        }
    }

    /// What must not be lost: the inputs of requests without an answer, and the answers that are kept.
    pub fn known(&self) -> (BTreeMap<u64, Bytes>, BTreeMap<u64, Answer>) {
        let open = self.open.iter().filter(|(_, entry)| !entry.forgotten);
        let open = open.map(|(ticket, entry)| (*ticket, entry.payload.clone())).collect();
        (open, self.kept.iter().map(|kept| (kept.ticket, kept.answer.clone())).collect())
    }

    /// A request has arrived over the connection numbered `client`.
    pub fn admit(&mut self, client: u64, request: u64, payload: Bytes) -> Admission {
        if self.settled.contains(request) {
            return Admission::Old;
        }
        if let Some(entry) = self.open.get_mut(&request) {
            entry.client = client;
            return Admission::Known;
        }
        if let Some(kept) = self.kept.iter_mut().find(|kept| kept.ticket == request) {
            let again = std::mem::replace(&mut kept.over, client) != client;
            return if again { Admission::Answered(kept.answer.clone()) } else { Admission::Old };
        }
        self.open.insert(request, Entry { client, payload, state: State::Waiting, forgotten: false });
        self.waiting.push_back(request);
        Admission::Waits
    }

    /// Whether a request is none that has been seen.
    pub fn is_new(&self, request: u64) -> bool {
        let kept = || self.kept.iter().any(|kept| kept.ticket == request);
        !self.open.contains_key(&request) && !self.settled.contains(request) && !kept()
    }

    /// The client has its answer. `false` if nothing was known of it any more.
    pub fn acknowledge(&mut self, request: u64) -> bool {
        self.settled.insert(request);
        if let Some(place) = self.kept.iter().position(|kept| kept.ticket == request) {
            self.kept_bytes -= self.kept.remove(place).map_or(0, |kept| size(&kept.answer));
            return true;
        }
        self.forget(request)
    }

    /// The client has the answers to all requests before `floor`. Returns those that something was known of.
    pub fn acknowledge_below(&mut self, floor: u64) -> Vec<u64> {
        let open = self.open.range(..floor).map(|(ticket, _)| *ticket);
        let kept = self.kept.iter().map(|kept| kept.ticket).filter(|ticket| *ticket < floor);
        let known: Vec<u64> = open.chain(kept).collect();
        known.into_iter().filter(|ticket| self.acknowledge(*ticket)).collect()
    }

    /// Nobody will ask for any of these answers.
    pub fn clear(&mut self) {
        (self.kept, self.kept_bytes) = (VecDeque::new(), 0);
        for request in self.open.keys().copied().collect::<Vec<_>>() {
            self.forget(request);
        }
    }

    /// Nobody wants the answer to an open request: it leaves, or if it is in the pipeline, its answer goes nowhere.
    fn forget(&mut self, request: u64) -> bool {
        let Some(entry) = self.open.get_mut(&request).filter(|entry| !entry.forgotten) else { return false };
        match entry.state {
            State::Sent { .. } if !self.again.contains(&request) => entry.forgotten = true,
            State::Sent { .. } | State::Recalled => {
                self.again.remove(&request);
                self.open.remove(&request);
            }
            State::Waiting => {
                self.waiting.retain(|waiting| *waiting != request);
                self.open.remove(&request);
            }
        }
        true
    }

    /// Sends the next request in `epoch` into `chain`: what is to be sent again, in the order of the requests, or
    /// else (if `fresh` ones may be sent) the one that has waited longest.
    pub fn send_next(&mut self, epoch: u32, chain: u16, fresh: bool) -> Option<Sending> {
        let (request, again) = match self.again.pop_first() {
            Some(request) => (request, true),
            None if fresh => (self.waiting.pop_front()?, false),
            None => return None,
        };
        let entry = self.open.get_mut(&request)?;
        entry.state = State::Sent { epoch, chain };
        Some(Sending { request, payload: entry.payload.clone(), again })
    }

    /// An epoch has ended: whatever was in flight will be sent again, and results still under way don't count.
    pub fn recall(&mut self) {
        self.open.retain(|_, entry| !entry.forgotten);
        for (request, entry) in self.open.iter_mut().filter(|(_, entry)| matches!(entry.state, State::Sent { .. })) {
            entry.state = State::Recalled;
            self.again.insert(*request);
        }
    }

    /// Chains of `epoch` are lost: whatever was sent into them will be sent again. Until it is, a result still
    /// under way counts.
    pub fn recall_from(&mut self, epoch: u32, chains: &[u16]) {
        let lost = |entry: &Entry| matches!(entry.state, State::Sent { epoch: e, chain } if e == epoch && chains.contains(&chain));
        self.open.retain(|_, entry| !entry.forgotten || !lost(entry));
        let requests = self.open.iter().filter(|(_, entry)| lost(entry)).map(|(request, _)| *request);
        self.again.extend(requests);
    }

    /// Whether a request is in front of the pipeline.
    pub fn is_waiting(&self, request: u64) -> bool {
        self.open.get(&request).is_some_and(|entry| entry.state == State::Waiting)
    }

    /// An answer has come for `request`, from a chain of `epoch`. None: that is not where the request was sent last,
    /// drop it.
    pub fn settle(&mut self, request: u64, (epoch, chain): (u32, u16), answer: &Answer) -> Option<Settlement> {
        let Entry { client, state, forgotten, .. } = self.open.get(&request)?;
        if *state != (State::Sent { epoch, chain }) && !planted::has(Bug::StaleEpoch) {
            return None;
        }
        let (client, forgotten) = (*client, *forgotten);
        self.open.remove(&request);
        self.again.remove(&request);
        if forgotten {
            return Some(Settlement::default());
        }
        self.kept_bytes += size(answer);
        self.kept.push_back(Kept { ticket: request, answer: answer.clone(), over: client });
        let mut dropped = Vec::new();
        while self.kept.len() > self.keep || self.kept_bytes > KEPT_BYTES {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.kept_bytes -= size(&oldest.answer);
            dropped.push(oldest.ticket);
        }
        Some(Settlement { client: Some(client), dropped })
    }

    /// How many requests wait in front of the pipeline.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many requests are in the pipeline, those to be sent again among them.
    pub fn in_flight(&self) -> usize {
        self.open.len() - self.waiting.len()
    }
}

fn size(answer: &Answer) -> usize {
    match answer {
        Answer::Result { payload, .. } => payload.len(),
        Answer::Refused { reason } => reason.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(epoch: u32) -> Answer {
        Answer::Result { epoch, payload: Bytes::from_static(b"out") }
    }

    fn to(client: u64) -> Option<Settlement> {
        Some(Settlement { client: Some(client), dropped: Vec::new() })
    }

    fn sent(ledger: &mut Ledger, epoch: u32, chain: u16) -> Option<(u64, bool)> {
        ledger.send_next(epoch, chain, true).map(|sending| (sending.request, sending.again))
    }

    #[test]
    fn a_result_counts_only_in_the_epoch_and_chain_its_request_was_last_sent_in() {
        let mut ledger = Ledger::new(8, &Recovered::default());
        for request in 0..4 {
            assert_eq!(ledger.admit(1, request, Bytes::new()), Admission::Waits);
        }
        assert_eq!(sent(&mut ledger, 1, 0), Some((0, false)));
        assert_eq!(sent(&mut ledger, 1, 1), Some((1, false)));
        assert_eq!((ledger.waiting(), ledger.in_flight()), (2, 2));
        assert_eq!(ledger.settle(0, (1, 1), &result(1)), None, "it took the other chain");
        ledger.recall();
        assert_eq!(ledger.settle(0, (1, 0), &result(1)), None, "its epoch is over");
        assert_eq!(sent(&mut ledger, 2, 0), Some((0, true)));
        assert_eq!(sent(&mut ledger, 2, 0), Some((1, true)));
        assert_eq!(ledger.settle(0, (1, 0), &result(1)), None);
        assert_eq!(ledger.settle(2, (2, 0), &result(2)), None, "it still waits");
        assert_eq!(ledger.admit(2, 0, Bytes::new()), Admission::Known);
        assert_eq!(ledger.settle(0, (2, 0), &result(2)), to(2), "the connection it last came over");
        assert_eq!(ledger.settle(0, (2, 0), &result(2)), None, "it has its answer");
    }

    #[test]
    fn what_a_lost_chain_had_is_sent_again_unless_its_result_still_comes() {
        let mut ledger = Ledger::new(8, &Recovered::default());
        for request in 0..4 {
            ledger.admit(1, request, Bytes::new());
            sent(&mut ledger, 1, (request % 2) as u16);
        }
        ledger.recall_from(1, &[0]);
        assert_eq!(ledger.settle(2, (1, 0), &result(1)), to(1), "it came before it was sent again");
        assert_eq!(ledger.send_next(1, 1, false).map(|sending| sending.request), Some(0));
        assert_eq!(ledger.send_next(1, 1, false), None, "the others are in a chain that lives");
        assert_eq!(ledger.settle(0, (1, 0), &result(1)), None, "it was sent again");
        assert_eq!(ledger.settle(0, (1, 1), &result(1)), to(1));
    }

    #[test]
    fn an_answer_is_repeated_while_it_is_kept_and_computed_again_afterwards() {
        let mut ledger = Ledger::new(1, &Recovered::default());
        for request in 0..2 {
            ledger.admit(1, request, Bytes::new());
            sent(&mut ledger, 1, 0);
            assert_eq!(ledger.admit(1, request, Bytes::new()), Admission::Known);
            let dropped = (0..request).collect();
            assert_eq!(ledger.settle(request, (1, 0), &result(1)), Some(Settlement { client: Some(1), dropped }));
        }
        assert_eq!(ledger.admit(2, 1, Bytes::new()), Admission::Answered(result(1)));
        assert_eq!(ledger.admit(2, 1, Bytes::new()), Admission::Old, "once over each connection");
        assert_eq!(ledger.admit(2, 0, Bytes::new()), Admission::Waits);
        assert!(ledger.acknowledge(1) && !ledger.acknowledge(1));
        assert_eq!(ledger.admit(2, 1, Bytes::new()), Admission::Old, "a late copy");
    }

    #[test]
    fn what_nobody_wants_any_more_leaves_and_frees_its_place_in_the_pipeline() {
        let mut ledger = Ledger::new(8, &Recovered::default());
        (0..4).for_each(|request| _ = ledger.admit(1, request, Bytes::new()));
        sent(&mut ledger, 1, 0);
        sent(&mut ledger, 1, 1);
        assert_eq!(ledger.acknowledge_below(3), [0, 1, 2]);
        assert_eq!((ledger.waiting(), ledger.in_flight()), (1, 2));
        assert_eq!(ledger.settle(0, (1, 0), &result(1)), Some(Settlement::default()), "its chain has room again");
        ledger.recall_from(1, &[1]);
        assert_eq!(ledger.in_flight(), 0);
        ledger.clear();
        assert_eq!((ledger.waiting(), ledger.known()), (0, Default::default()));
    }
}
