//! What became of every request: waiting, in flight, answered. The promise "nothing lost, nothing twice" lives here.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::intervals::Intervals;

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
    /// In the pipeline, sent in this epoch.
    Sent(u32),
    /// Was in the pipeline when its epoch ended; to be replayed.
    Recalled,
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

    /// Takes the next waiting request into the pipeline, in `epoch`.
    pub fn send_next(&mut self, epoch: u32) -> Option<(u64, Bytes)> {
        let request = self.waiting.pop_front()?;
        let entry = self.open.get_mut(&request)?;
        entry.state = State::Sent(epoch);
        Some((request, entry.payload.clone()))
    }

    /// An epoch has ended: whatever was in flight will be replayed, and results still under way don't count.
    pub fn recall(&mut self) {
        for entry in self.open.values_mut().filter(|entry| matches!(entry.state, State::Sent(_))) {
            entry.state = State::Recalled;
        }
    }

    /// Sends everything recalled again, in `epoch`, in the order of the requests.
    pub fn replay(&mut self, epoch: u32) -> Vec<(u64, Bytes)> {
        let recalled = self.open.iter_mut().filter(|(_, entry)| entry.state == State::Recalled);
        recalled
            .map(|(request, entry)| {
                entry.state = State::Sent(epoch);
                (*request, entry.payload.clone())
            })
            .collect()
    }

    /// An answer has come for `request`, from the pipeline of `epoch`. Some: it is the answer; pass it on over
    /// this connection, if that is still there. None: the request is not in flight in that epoch, drop it.
    pub fn settle(&mut self, request: u64, epoch: u32, answer: &Answer) -> Option<u64> {
        let Entry { client, state, .. } = self.open.get(&request)?;
        if *state != State::Sent(epoch) {
            return None;
        }
        let client = *client;
        self.open.remove(&request);
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

    /// How many requests are in the pipeline, those to be replayed among them.
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

    #[test]
    fn a_result_counts_only_in_the_epoch_its_request_was_last_sent_in() {
        let mut ledger = Ledger::new(8);
        for request in 0..3 {
            assert_eq!(ledger.admit(1, request, Bytes::new()), Admission::Waits);
        }
        assert_eq!(ledger.send_next(1).map(|(request, _)| request), Some(0));
        assert_eq!(ledger.send_next(1).map(|(request, _)| request), Some(1));
        assert_eq!((ledger.waiting(), ledger.in_flight()), (1, 2));
        ledger.recall();
        assert_eq!(ledger.settle(0, 1, &result(1)), None, "its epoch is over");
        assert_eq!(ledger.replay(2).iter().map(|(request, _)| *request).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(ledger.settle(0, 1, &result(1)), None);
        assert_eq!(ledger.settle(2, 2, &result(2)), None, "it still waits");
        assert_eq!(ledger.admit(2, 0, Bytes::new()), Admission::Known);
        assert_eq!(ledger.settle(0, 2, &result(2)), Some(2), "the connection it last came over");
        assert_eq!(ledger.settle(0, 2, &result(2)), None, "it has its answer");
    }

    #[test]
    fn an_answer_is_repeated_while_it_is_kept_and_computed_again_afterwards() {
        let mut ledger = Ledger::new(1);
        for request in 0..2 {
            ledger.admit(1, request, Bytes::new());
            ledger.send_next(1);
            assert_eq!(ledger.admit(1, request, Bytes::new()), Admission::Known);
            assert_eq!(ledger.settle(request, 1, &result(1)), Some(1));
        }
        assert_eq!(ledger.admit(2, 1, Bytes::new()), Admission::Answered(result(1)));
        assert_eq!(ledger.admit(2, 0, Bytes::new()), Admission::Waits);
    }
}
