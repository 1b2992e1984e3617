//! What the dispatcher knows of each worker: its control connection and its heartbeats.

use std::time::Duration;

use planner::profile::Segment;

use crate::clock::Instant;
use crate::wire::message::Heartbeat;

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
    /// The segment it said it has loaded in this session.
    pub held: Option<Segment>,
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
    }

    /// The dispatcher itself was not running for `time`: nobody is judged by it.
    pub fn forgive(&mut self, time: Duration, now: Instant) {
        if let Link::Up { heard: since, .. } | Link::Greeted { since, .. } = &mut self.link {
            *since = (*since + time).min(now);
        }
    }
}
