//! What comes in for a stage, from all the connections to it: one place, and a queue in front of it in which each
//! connection stands once at most. So a predecessor that sends a lot can't keep another from being heard, and no
//! more waits than one tensor for each connection and one besides.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A place for one thing, filled by several threads in turn and emptied by one.
#[derive(Debug)]
pub struct Intake<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    place: Option<T>,
    /// Who waits to fill it, in the order in which they came.
    queue: VecDeque<u64>,
    tickets: u64,
    closed: bool,
}

impl<T> Intake<T> {
    /// An empty place.
    pub fn new() -> Intake<T> {
        let state = State { place: None, queue: VecDeque::new(), tickets: 0, closed: false };
        Intake { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for its turn and puts `thing` into the place.
    ///
    /// # Errors
    /// When the place is closed: `thing`.
    pub fn put(&self, thing: T) -> Result<(), T> {
        let mut state = self.lock();
        let ticket = state.tickets;
        state.tickets += 1;
        state.queue.push_back(ticket);
        let turn = |state: &mut State<T>| {
            !state.closed && (state.place.is_some() || state.queue.front().is_some_and(|first| *first != ticket))
        };
        let mut state = self.changed.wait_while(state, turn).unwrap_or_else(PoisonError::into_inner);
        state.queue.retain(|other| *other != ticket);
        if state.closed {
            return Err(thing);
        }
        state.place = Some(thing);
        self.changed.notify_all();
        Ok(())
    }

    /// Waits until there is something and takes it; `None` when the place is closed and empty.
    pub fn take(&self) -> Option<T> {
        let state = self.lock();
        let empty = |state: &mut State<T>| !state.closed && state.place.is_none();
        let mut state = self.changed.wait_while(state, empty).unwrap_or_else(PoisonError::into_inner);
        let taken = state.place.take();
        self.changed.notify_all();
        taken
    }

    /// From now on nothing can be put in. What is there can still be taken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn each_sender_gets_its_turn_and_closing_wakes_all() {
        let intake = Arc::new(Intake::new());
        let senders: Vec<_> = (0..3)
            .map(|sender| {
                let intake = intake.clone();
                thread::spawn(move || while intake.put(sender).is_ok() {})
            })
            .collect();
        let all_wait = || {
            let state = intake.lock();
            state.place.is_some() && state.queue.len() == 3
        };
        let mut taken = [0usize; 3];
        for _ in 0..300 {
            while !all_wait() {
                thread::yield_now();
            }
            taken[intake.take().unwrap()] += 1;
        }
        assert!(taken.iter().all(|count| (99..=101).contains(count)), "{taken:?}");
        intake.close();
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        intake.take();
        assert_eq!(intake.take(), None);
    }
}
