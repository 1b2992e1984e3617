//! What the journal has to hold before something may be said: which requests are accepted, and that an epoch begins.

use std::collections::VecDeque;
use std::time::Duration;

use super::exchange::Output;
use super::{Core, Phase};
use crate::clock::Instant;
use crate::dispatcher::journal::record::Record;
use crate::dispatcher::journal::recovery::Recovered;
use crate::telemetry::Event;

/// Time between attempts to begin a journal anew that has failed.
const RETRY: Duration = Duration::from_secs(5);
/// How long the disk may take; a slower one is as good as none.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where the journal stands, and what waits for it.
#[derive(Debug, Default)]
pub struct Promises {
    begun: bool,
    /// The newest mark, and the one up to which all is in the journal.
    mark: u64,
    done: u64,
    /// The newest mark of which is known what became of it, and since when something is not.
    answered: u64,
    waits: Option<Instant>,
    failed: Option<Failure>,
    /// Accepted requests, with the client's connection and the mark up to which the journal must be written.
    awaiting: VecDeque<(u64, u64, u64)>,
}

#[derive(Debug)]
struct Failure {
    reason: String,
    retry: Instant,
    /// The mark of the attempt to begin anew that is under way.
    attempt: Option<u64>,
}

impl Promises {
    /// How many requests wait for the journal.
    pub fn awaited(&self) -> usize {
        self.awaiting.len()
    }

    /// The newest mark.
    pub fn mark(&self) -> u64 {
        self.mark
    }

    /// Whether there is nothing to wait for: the journal can't be written, and that is not being tried.
    pub fn is_given_up(&self) -> bool {
        self.failed.as_ref().is_some_and(|failure| failure.attempt.is_none())
    }

    /// The dispatcher itself was not running: the disk is not to blame for the time that has passed.
    pub fn forgive(&mut self, now: Instant) {
        self.waits = self.waits.map(|_| now);
    }

    fn next_mark(&mut self, now: Instant) -> u64 {
        self.mark += 1;
        self.waits.get_or_insert(now);
        self.mark
    }

    /// It is known what became of everything up to this mark.
    fn hear(&mut self, mark: u64, now: Instant) {
        self.answered = self.answered.max(mark);
        self.waits = (self.answered < self.mark).then_some(now);
    }

    /// The client's connection is another one: what was to be said over the old one is not.
    pub fn forget_client(&mut self) {
        self.awaiting.clear();
    }
}

impl Core {
    /// Puts a record into the journal, if that can be written.
    pub(super) fn record(&mut self, record: Record) {
        if let Record::Epoch(epoch) = record {
            self.standing.epoch = self.standing.epoch.max(epoch);
        }
        if self.promises.failed.as_ref().is_none_or(|failure| failure.attempt.is_some()) {
            let mark = self.promises.next_mark(self.now);
            self.outputs.push(Output::Record { mark, record });
        }
    }

    /// Begins the journal anew with what is known.
    pub(super) fn begin_journal(&mut self) {
        self.promises.begun = true;
        let mark = self.promises.next_mark(self.now);
        if let Some(failure) = &mut self.promises.failed {
            failure.attempt = Some(mark);
        }
        let (open, answered) = self.ledger.known();
        let known = Box::new(Recovered { standing: self.standing, open, answered, ..Recovered::default() });
        self.outputs.push(Output::Begin { mark, known });
    }

    /// Begins it at the start, and after a failure every now and then; gives it up when the disk hangs.
    pub(super) fn tend_journal(&mut self) {
        let hangs = self.promises.waits.is_some_and(|since| self.now.since(since) > PATIENCE);
        if hangs && !self.promises.is_given_up() {
            let reason = format!("the disk has not answered for {} s", PATIENCE.as_secs());
            self.give_up_journal(self.promises.mark, reason);
        }
        let due = match &self.promises.failed {
            // What hangs must have come to an end, or attempt after attempt would wait behind it.
            Some(failure) => failure.attempt.is_none() && self.now >= failure.retry && self.promises.waits.is_none(),
            None => !self.promises.begun,
        };
        if due {
            self.begin_journal();
        }
    }

    /// Says that a request is accepted, as soon as the journal holds what it has been given so far.
    pub(super) fn promise(&mut self, client: u64, request: u64) {
        match &self.promises.failed {
            Some(failure) => {
                let volatile = Some(failure.reason.clone());
                self.outputs.push(Output::Accepted { request, volatile });
            }
            None if self.promises.done >= self.promises.mark => {
                self.outputs.push(Output::Accepted { request, volatile: None });
            }
            None => self.promises.awaiting.push_back((self.promises.mark, client, request)),
        }
    }

    pub(super) fn journaled(&mut self, mark: u64) {
        self.promises.hear(mark, self.now);
        self.promises.done = self.promises.done.max(mark);
        if let Some(failure) = &self.promises.failed
            && failure.attempt.is_some_and(|attempt| mark >= attempt)
        {
            self.promises.failed = None;
            self.report(Event::JournalRestored);
        }
        while let Some((_, client, request)) = self.promises.awaiting.pop_front_if(|(awaited, ..)| *awaited <= mark) {
            if self.client == Some(client) {
                self.outputs.push(Output::Accepted { request, volatile: None });
            }
        }
        if matches!(&self.phase, Phase::Entering { mark: awaited, .. } if *awaited <= mark) {
            self.enter_epoch();
        }
    }

    pub(super) fn journal_failed(&mut self, mark: u64, reason: String) {
        self.promises.hear(mark, self.now);
        self.give_up_journal(mark, reason);
    }

    fn give_up_journal(&mut self, mark: u64, reason: String) {
        match &mut self.promises.failed {
            // Of the time before the attempt that is under way.
            Some(failure) if failure.attempt.is_some_and(|attempt| mark < attempt) => return,
            Some(failure) => (failure.retry, failure.attempt) = (self.now + RETRY, None),
            None => {
                self.promises.failed = Some(Failure { reason: reason.clone(), retry: self.now + RETRY, attempt: None });
                self.report(Event::JournalFailed { reason: reason.clone() });
            }
        }
        for (_, client, request) in std::mem::take(&mut self.promises.awaiting) {
            if self.client == Some(client) {
                self.outputs.push(Output::Accepted { request, volatile: Some(reason.clone()) });
            }
        }
        if let Phase::Entering { .. } = self.phase {
            self.enter_epoch();
        }
    }
}
