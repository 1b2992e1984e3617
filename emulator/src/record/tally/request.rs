//! What is known of one request: what the client saw of it, and the way it went.

use std::collections::BTreeMap;

use node::clock::Instant;

/// A request as the client saw it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// Which of the inputs it carries.
    pub input: Option<u32>,
    /// When it was to be sent.
    pub scheduled: Option<Instant>,
    /// When it was sent.
    pub sent: Option<Instant>,
    /// When the word came that the dispatcher has accepted it.
    pub accepted: Option<Instant>,
    /// Every result that arrived.
    pub results: Vec<Outcome>,
    /// When an error arrived.
    pub errored: Option<Instant>,
    /// What it went through between dispatcher and dispatcher; not recorded of a simulation.
    pub hops: Vec<Hop>,
}

/// A step of a request's way through the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hop {
    /// The dispatcher sent it into a chain.
    Fed {
        /// When.
        at: Instant,
        /// In this epoch.
        epoch: u32,
        /// Into this chain.
        chain: u16,
    },
    /// A stage computed it and sent it on.
    Stage {
        /// Where, by the number in [`Places`].
        place: u32,
        /// In this epoch.
        epoch: u32,
        /// Which stage of that plan.
        stage: u16,
        /// Last byte of the input received.
        received: Instant,
        /// Computing began.
        started: Instant,
        /// Output ready.
        finished: Instant,
        /// Last byte of the output given to the network.
        sent: Instant,
        /// How long after its deadline the output was ready, in microseconds.
        late: u32,
    },
    /// Its result arrived at the dispatcher.
    Arrived {
        /// When.
        at: Instant,
        /// From this epoch.
        epoch: u32,
        /// From this chain.
        chain: u16,
    },
}

impl Hop {
    /// When it happened; for a stage, when it had the input.
    pub fn at(&self) -> Instant {
        match self {
            Hop::Fed { at, .. } | Hop::Arrived { at, .. } | Hop::Stage { received: at, .. } => *at,
        }
    }
}

/// Names by number, so that a hop is small.
#[derive(Debug, Clone, Default)]
pub struct Places {
    names: Vec<String>,
    numbers: BTreeMap<String, u32>,
}

impl Places {
    pub(super) fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }

    /// The name with this number.
    pub fn name(&self, number: u32) -> &str {
        self.names.get(number as usize).map_or("?", String::as_str)
    }
}

/// A result as it arrived.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outcome {
    /// When.
    pub at: Instant,
    /// Epoch of the plan that produced it.
    pub epoch: u32,
    /// Digest of the output.
    pub digest: String,
}

impl Request {
    /// The first result.
    pub fn completed(&self) -> Option<&Outcome> {
        self.results.iter().min()
    }

    /// Whether the dispatcher had it: a result proves it, even if the word of it was lost with the run's end.
    pub fn is_accepted(&self) -> bool {
        self.accepted.is_some() || !self.results.is_empty()
    }

    /// Whether it was accepted, and neither a result nor an error came.
    pub fn is_lost(&self) -> bool {
        self.is_accepted() && self.results.is_empty() && self.errored.is_none()
    }

    /// Whether it had more than one result.
    pub fn is_duplicated(&self) -> bool {
        self.results.len() > 1
    }
}
