//! What is due when. Of what is due at the same instant, the first that was put down comes first, so that the
//! same run always goes the same way.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::network::{Line, Parcel};

/// Something that is due.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Due {
    /// The next request of an open load.
    Offer,
    /// The last byte of what a line sends has left, if nothing has changed about that since.
    Left { line: Line, version: u32 },
    /// A stalled line may send again, if it has not been stalled anew.
    Flows { line: Line, changes: u32 },
    /// A parcel has arrived.
    Arrived(Parcel),
    /// A stage's node is done with computing.
    Computed { epoch: u32, stage: usize },
    /// The dispatcher knows that a worker's connection broke.
    Closed { node: usize },
    /// The dispatcher has heard nothing of a worker for as long as it has patience, if it was so all the time.
    Silent { node: usize, since: Duration },
    /// The same of the connection from a node to the next.
    PathSilent { from: usize, to: usize, epoch: u32, since: Duration },
    /// The dispatcher tries to reach a worker again.
    Retry { node: usize },
    /// The plan is found.
    Plan { attempt: u64 },
    /// Every stage of this epoch can have loaded its segment.
    Deployed { epoch: u32 },
    /// Without a plan: whether a path that was avoided may be used by now.
    Stranded { attempt: u64 },
}

#[derive(Debug)]
struct Entry {
    at: Duration,
    number: u64,
    due: Due,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.number == other.number
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// Everything that is due.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    entries: BinaryHeap<Reverse<Entry>>,
    numbers: u64,
}

impl Agenda {
    /// Puts something down.
    pub(super) fn put(&mut self, at: Duration, due: Due) {
        self.numbers += 1;
        self.entries.push(Reverse(Entry { at, number: self.numbers, due }));
    }

    /// When the next thing is due.
    pub(super) fn next(&self) -> Option<Duration> {
        self.entries.peek().map(|Reverse(entry)| entry.at)
    }

    /// Takes the next thing, if it is due until then.
    pub(super) fn take(&mut self, until: Duration) -> Option<(Duration, Due)> {
        if self.next()? > until {
            return None;
        }
        self.entries.pop().map(|Reverse(Entry { at, due, .. })| (at, due))
    }
}
