//! What became of every request: waiting, in flight, answered. The promise "nothing lost, nothing twice" lives here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::intervals::Intervals;
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
    /// New (or answered so long ago that the answer is gone): it waits now.
    Waits,
    /// Already waiting or in flight.
    Known,
    /// Already answered; here is the answer again.
    Answered(Answer),
}

#[derive(Debug)]
struct Entry {
    /// Number of the client's connection that it last came over.
    client: u64,
    payload: Bytes,
    state: State,
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

/// The requests.
///
/// A request leaves `open` exactly when it is answered, and only [`Ledger::settle`] answers; so it is answered
/// once. The last answers are kept: a client that lost its connection sends everything again that it has no
/// answer to, and the answer may have been lost with the connection. Where an answer is no longer kept,
/// the request is computed again, which gives the same bits. An answer goes out over the connection that its
/// request came over and no other, so a request sent again can't cross with the answer to its first copy.
#[derive(Debug)]
pub struct Ledger {
    open: BTreeMap<u64, Entry>,
    waiting: VecDeque<u64>,
    /// What was in the pipeline when its epoch or chain ended.
    again: BTreeSet<u64>,
    answered: Intervals,
    kept: VecDeque<(u64, Answer)>,
    kept_bytes: usize,
    keep: usize,
}

impl Ledger {
    /// An empty ledger that keeps the last `keep` answers.
    pub fn new(keep: usize) -> Ledger {
        Ledger {
            open: BTreeMap::new(),
            waiting: VecDeque::new(),
            again: BTreeSet::new(),
            answered: Intervals::default(),
            kept: VecDeque::new(),
            kept_bytes: 0,
            keep,
        }
    }

    /// A request has arrived over the connection numbered `client`.
    pub fn admit(&mut self, client: u64, request: u64, payload: Bytes) -> Admission {
        if let Some(entry) = self.open.get_mut(&request) {
            entry.client = client;
            return Admission::Known;
        }
        if self.answered.contains(request) {
            if let Some((_, answer)) = self.kept.iter().find(|(kept, _)| *kept == request) {
                return Admission::Answered(answer.clone());
            }
            self.answered.remove(request);
        }
        self.open.insert(request, Entry { client, payload, state: State::Waiting });
        self.waiting.push_back(request);
        Admission::Waits
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
        for (request, entry) in self.open.iter_mut().filter(|(_, entry)| matches!(entry.state, State::Sent { .. })) {
            entry.state = State::Recalled;
            self.again.insert(*request);
        }
    }

    /// Chains of `epoch` are lost: whatever was sent into them will be sent again. Until it is, a result still
    /// under way counts.
    pub fn recall_from(&mut self, epoch: u32, chains: &[u16]) {
        let lost = |entry: &Entry| matches!(entry.state, State::Sent { epoch: e, chain } if e == epoch && chains.contains(&chain));
        let requests = self.open.iter().filter(|(_, entry)| lost(entry)).map(|(request, _)| *request);
        self.again.extend(requests);
    }

    /// Whether a request is in front of the pipeline.
    pub fn is_waiting(&self, request: u64) -> bool {
        self.open.get(&request).is_some_and(|entry| entry.state == State::Waiting)
    }

    /// An answer has come for `request`, from a chain of `epoch`. Some: it is the answer; pass it on over this
    /// connection, if that is still there. None: that is not where the request was sent last, drop it.
    pub fn settle(&mut self, request: u64, (epoch, chain): (u32, u16), answer: &Answer) -> Option<u64> {
        let Entry { client, state, .. } = self.open.get(&request)?;
        if *state != (State::Sent { epoch, chain }) && !planted::has(Bug::StaleEpoch) {
            return None;
        }
        let client = *client;
        self.open.remove(&request);
        self.again.remove(&request);
        self.answered.insert(request);
        self.kept_bytes += size(answer);
        self.kept.push_back((request, answer.clone()));
        while self.kept.len() > self.keep || self.kept_bytes > KEPT_BYTES {
            let Some((_, dropped)) = self.kept.pop_front() else { break };
            self.kept_bytes -= size(&dropped);
        }
        Some(client)
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

    fn sent(ledger: &mut Ledger, epoch: u32, chain: u16) -> Option<(u64, bool)> {
        ledger.send_next(epoch, chain, true).map(|sending| (sending.request, sending.again))
    }

    #[test]
    fn a_result_counts_only_in_the_epoch_and_chain_its_request_was_last_sent_in() {
        let mut ledger = Ledger::new(8);
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
        assert_eq!(ledger.settle(0, (2, 0), &result(2)), Some(2), "the connection it last came over");
        assert_eq!(ledger.settle(0, (2, 0), &result(2)), None, "it has its answer");
    }

    #[test]
    fn what_a_lost_chain_had_is_sent_again_unless_its_result_still_comes() {
        let mut ledger = Ledger::new(8);
        for request in 0..4 {
            ledger.admit(1, request, Bytes::new());
            sent(&mut ledger, 1, (request % 2) as u16);
        }
        ledger.recall_from(1, &[0]);
        assert_eq!(ledger.settle(2, (1, 0), &result(1)), Some(1), "it came before it was sent again");
        assert_eq!(ledger.send_next(1, 1, false).map(|sending| sending.request), Some(0));
        assert_eq!(ledger.send_next(1, 1, false), None, "the others are in a chain that lives");
        assert_eq!(ledger.settle(0, (1, 0), &result(1)), None, "it was sent again");
        assert_eq!(ledger.settle(0, (1, 1), &result(1)), Some(1));
    }

    #[test]
    fn an_answer_is_repeated_while_it_is_kept_and_computed_again_afterwards() {
        let mut ledger = Ledger::new(1);
        for request in 0..2 {
            ledger.admit(1, request, Bytes::new());
            sent(&mut ledger, 1, 0);
            assert_eq!(ledger.admit(1, request, Bytes::new()), Admission::Known);
            assert_eq!(ledger.settle(request, (1, 0), &result(1)), Some(1));
        }
        assert_eq!(ledger.admit(2, 1, Bytes::new()), Admission::Answered(result(1)));
        assert_eq!(ledger.admit(2, 0, Bytes::new()), Admission::Waits);
    }
}
