//! What the dispatcher knows of each worker: its control connection and its heartbeats.

use std::collections::BTreeSet;
use std::time::Duration;

use planner::profile::Segment;

use crate::clock::Instant;
use crate::wire::message::Heartbeat;

/// A segment that takes longer to be prepared keeps no others waiting.
const LOADING: Duration = Duration::from_secs(10);

/// State of a worker's control connection. A session is one attempt at it, numbered; what is said of an
/// older session than the present one is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// None; the next attempt is due at `retry`.
    Down {
        /// When.
        retry: Instant,
    },
    /// Being made.
    Connecting {
        /// The attempt.
        session: u64,
    },
    /// Made and greeted. A stopped process gets this far, its kernel accepts for it: only a heartbeat proves life.
    Greeted {
        /// The connection.
        session: u64,
        /// Since when.
        since: Instant,
    },
    /// The worker can hold a stage.
    Up {
        /// The connection.
        session: u64,
        /// When it was last heard.
        heard: Instant,
    },
}

impl Link {
    /// The session that is open or being opened.
    pub fn session(self) -> Option<u64> {
        match self {
            Link::Down { .. } => None,
            Link::Connecting { session } | Link::Greeted { session, .. } | Link::Up { session, .. } => Some(session),
        }
    }
}

/// What a stage begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Its segment has to be loaded.
    Cold,
    /// The worker held it in the epoch before.
    Kept,
    /// It was prepared.
    Prepared,
}

/// What a worker was asked to hold ready beside its stage in its present session, and what became of it.
#[derive(Debug, Default)]
pub struct Ready {
    /// The number of the newest `Prepare`.
    order: u64,
    asked: Vec<Segment>,
    there: BTreeSet<Segment>,
    refused: BTreeSet<Segment>,
    /// When the newest segment was asked for.
    since: Option<Instant>,
}

impl Ready {
    /// Asks for these from now on; gives the number of the message that says so.
    pub fn ask(&mut self, segments: Vec<Segment>, now: Instant) -> u64 {
        self.order += 1;
        self.there.retain(|segment| segments.contains(segment));
        (self.asked, self.since) = (segments, Some(now));
        self.order
    }

    /// What it was asked for and has not refused.
    pub fn asked(&self) -> &[Segment] {
        &self.asked
    }

    /// The worker's answer to the message of this number; tells whether it is one.
    pub fn answered(&mut self, order: u64, segment: Segment, there: bool) -> bool {
        let counts = order == self.order && self.asked.contains(&segment);
        if counts && there {
            self.there.insert(segment);
        } else if counts {
            self.asked.retain(|other| *other != segment);
            self.there.remove(&segment);
            self.refused.insert(segment);
        }
        counts
    }

    /// What was refused may be asked for again.
    pub fn forgive(&mut self) {
        self.refused.clear();
    }

    /// What lies ready.
    pub fn there(&self) -> impl Iterator<Item = Segment> {
        self.there.iter().copied()
    }

    /// Whether a segment lies ready.
    pub fn has(&self, segment: Segment) -> bool {
        self.there.contains(&segment)
    }

    /// Whether a segment was asked for and can't be held ready.
    pub fn has_refused(&self, segment: Segment) -> bool {
        self.refused.contains(&segment)
    }

    /// Whether something is being loaded, as far as one waits for that.
    pub fn is_loading(&self, now: Instant) -> bool {
        self.asked.len() > self.there.len() && self.since.is_some_and(|since| now.since(since) < LOADING)
    }

    /// A stage takes this segment, if it is there.
    fn take(&mut self, segment: Segment) -> bool {
        let taken = self.there.remove(&segment);
        if taken {
            self.asked.retain(|other| *other != segment);
        }
        taken
    }

    /// Everything is dropped. Answers that are on their way count no more.
    fn forget(&mut self) {
        self.asked.clear();
        self.there.clear();
    }
}

/// A worker.
#[derive(Debug)]
pub struct Worker {
    /// Its index in the cluster.
    pub node: usize,
    /// Its control connection.
    pub link: Link,
    /// Whether it has been reported as suspected, and not as back since.
    pub suspected: bool,
    /// Whether it was assigned a stage in this session that it was not released from.
    pub assigned: bool,
    /// The segment of its stage that it said it has loaded in this session.
    pub held: Option<Segment>,
    /// What it holds ready beside that.
    pub ready: Ready,
    /// How many times in a row it refused a stage.
    pub refusals: u32,
    /// Incarnation and sequence number of its newest heartbeat.
    newest: Option<(u64, u64)>,
}

impl Worker {
    /// A worker not connected to yet; the first attempt is due at `now`.
    pub fn new(node: usize, now: Instant) -> Worker {
        Worker {
            node,
            link: Link::Down { retry: now },
            suspected: false,
            assigned: false,
            held: None,
            ready: Ready::default(),
            refusals: 0,
            newest: None,
        }
    }

    /// Whether it can hold a stage.
    pub fn is_up(&self) -> bool {
        matches!(self.link, Link::Up { .. })
    }

    /// The session, if the worker can hold a stage.
    pub fn up_session(&self) -> Option<u64> {
        self.link.session().filter(|_| self.is_up())
    }

    /// The number that its process drew; `None` before its first heartbeat.
    pub fn process(&self) -> Option<u64> {
        self.newest.map(|(incarnation, _)| incarnation)
    }

    /// Whether a heartbeat is news: a duplicate or one that was overtaken proves nothing.
    pub fn is_news(&mut self, heartbeat: &Heartbeat) -> bool {
        let news = match self.newest {
            Some((incarnation, sequence)) => incarnation != heartbeat.incarnation || sequence < heartbeat.sequence,
            None => true,
        };
        if news {
            self.newest = Some((heartbeat.incarnation, heartbeat.sequence));
        }
        news
    }

    /// Its control connection is gone or given up; the next attempt is due at `retry`.
    pub fn disconnect(&mut self, retry: Instant) {
        self.link = Link::Down { retry };
        self.assigned = false;
        self.held = None;
        self.ready = Ready::default();
    }

    /// It is assigned this segment: does with what it holds what the worker will do, and tells what that means for the
    /// segment.
    pub fn assign(&mut self, segment: Segment) -> Start {
        self.assigned = true;
        let start = match self.held {
            Some(held) if held == segment => Start::Kept,
            _ if self.ready.take(segment) => Start::Prepared,
            _ => Start::Cold,
        };
        if start == Start::Cold {
            self.ready.forget();
        }
        // Until it says so, it is not known which segment it holds.
        self.held = Some(segment).filter(|_| start != Start::Cold);
        start
    }

    /// Whether it has a segment loaded, for its stage or beside it.
    pub fn holds(&self, segment: Segment) -> bool {
        self.held == Some(segment) || self.ready.has(segment)
    }

    /// The dispatcher itself was not running for `time`: nobody is judged by it.
    pub fn forgive(&mut self, time: Duration, now: Instant) {
        if let Link::Up { heard: since, .. } | Link::Greeted { since, .. } = &mut self.link {
            *since = (*since + time).min(now);
        }
    }
}
