//! What was offered and has no answer, in which order it is to be sent, and which answers are to be acknowledged.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::clock::Instant;

/// The desk. Nothing on it waits but [`Desk::next`].
#[derive(Debug, Default)]
pub struct Desk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    offered: u64,
    /// When it closed.
    closed: Option<Instant>,
    /// Requests without an answer, and whether each was sent before.
    open: BTreeMap<u64, bool>,
    /// What is to be sent on the present connection.
    queue: VecDeque<u64>,
    /// Answered requests from the floor on, the floor being the first without an answer: the dispatcher may not know.
    answered: BTreeSet<u64>,
    /// What is to be acknowledged on the present connection.
    acknowledge: VecDeque<u64>,
    /// Number of the present connection.
    connection: u64,
    broken: bool,
}

/// What is to be sent next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// That this request's answer is here.
    Acknowledge(u64),
    /// This request.
    Send(u64),
}

impl State {
    /// All requests before it are answered.
    fn floor(&self) -> u64 {
        self.open.first_key_value().map_or(self.offered, |(request, _)| *request)
    }
}

impl Desk {
    /// Puts the next request on the desk, which was due at `due`, unless the desk had closed by then. What a busy host
    /// made late is offered all the same: else an overload would shorten the load that shows it.
    /// `tell` is called with the request's number before anyone can send it.
    pub fn offer(&self, due: Instant, tell: impl FnOnce(u64)) {
        let mut state = self.lock();
        if state.closed.is_some_and(|closed| due > closed) {
            return;
        }
        let request = state.offered;
        state.offered += 1;
        tell(request);
        state.open.insert(request, false);
        state.queue.push_back(request);
        self.changed.notify_one();
    }

    /// An answer has come; `false` if the request had one.
    pub fn answer(&self, request: u64) -> bool {
        let mut state = self.lock();
        let first = state.open.remove(&request).is_some();
        if request < state.offered {
            state.answered.insert(request);
            let floor = state.floor();
            state.answered = state.answered.split_off(&floor);
            state.acknowledge.push_back(request);
            self.changed.notify_one();
        }
        first
    }

    /// Offers nothing that is due from now on.
    pub fn close(&self) {
        self.lock().closed.get_or_insert_with(Instant::now);
    }

    /// When it closed, if it has.
    pub fn closed(&self) -> Option<Instant> {
        self.lock().closed
    }

    /// Requests without an answer.
    pub fn outstanding(&self) -> u64 {
        self.lock().open.len() as u64
    }

    /// A new connection begins, on which everything without an answer is to be sent; returns its number, and that of
    /// the request before which all are answered. Answers from there on are acknowledged once more.
    pub fn connected(&self) -> (u64, u64) {
        let mut state = self.lock();
        state.connection += 1;
        state.broken = false;
        state.queue = state.open.keys().copied().collect();
        state.acknowledge = state.answered.iter().copied().collect();
        (state.connection, state.floor())
    }

    /// The connection with this number is gone.
    pub fn broken(&self, connection: u64) {
        let mut state = self.lock();
        if state.connection == connection {
            state.broken = true;
            self.changed.notify_all();
        }
    }

    /// Waits for what to send next on the present connection; `None` when that is gone.
    pub fn next(&self) -> Option<Next> {
        let state = self.lock();
        let waits = |state: &mut State| state.queue.is_empty() && state.acknowledge.is_empty() && !state.broken;
        let mut state = self.changed.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner);
        if state.broken {
            return None;
        }
        let acknowledge = state.acknowledge.pop_front().map(Next::Acknowledge);
        acknowledge.or_else(|| state.queue.pop_front().map(Next::Send))
    }

    /// The request was given to the network; `true` the first time.
    pub fn sent(&self, request: u64) -> bool {
        // Its answer may be here already: then it was sent for the first time just now, or on an earlier connection.
        self.lock().open.get_mut(&request).is_none_or(|sent| !std::mem::replace(sent, true))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn after_a_broken_connection_what_has_no_answer_is_sent_again_in_order() {
        let desk = Desk::default();
        let (first, floor) = desk.connected();
        assert_eq!(floor, 0);
        (0..4).for_each(|_| desk.offer(Instant::now(), |_| {}));
        assert_eq!([desk.next(), desk.next(), desk.next()], [0, 1, 2].map(|request| Some(Next::Send(request))));
        assert!(desk.sent(0) && desk.sent(1));
        assert!(desk.answer(1) && !desk.answer(1));
        desk.broken(first);
        assert_eq!(desk.next(), None);
        assert_eq!(desk.connected().1, 0);
        desk.broken(first);
        assert_eq!(desk.next(), Some(Next::Acknowledge(1)), "that it was acknowledged before may be lost");
        assert_eq!([desk.next(), desk.next(), desk.next()], [0, 2, 3].map(|request| Some(Next::Send(request))));
        assert!(!desk.sent(0) && desk.sent(2));
        let before = Instant::now();
        desk.close();
        let closed = desk.closed().expect("it closed");
        desk.offer(closed + Duration::from_nanos(1), |_| panic!("closed"));
        assert_eq!(desk.outstanding(), 3);
        desk.offer(before, |request| assert_eq!(request, 4, "late, but due while it was open"));
        desk.answer(0);
        assert_eq!(desk.next(), Some(Next::Acknowledge(0)));
        let (_, floor) = desk.connected();
        assert_eq!((floor, desk.next()), (2, Some(Next::Send(2))), "the floor acknowledges what is below it");
    }
}
