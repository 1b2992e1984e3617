//! What the state machine is told and what it asks for.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use planner::plan::Plan;
use planner::profile::Segment;
use planner::strategy::{PlanError, Rehearsal};

use super::learned::Lessons;
use super::ledger::Answer;
use crate::dispatcher::journal::record::Record;
use crate::dispatcher::journal::recovery::Recovered;
use crate::telemetry::Event;
use crate::wire::message::{Heartbeat, ToDispatcher, ToWorker};

/// What happened. Nodes are indices into the cluster.
#[derive(Debug, Clone)]
pub enum Input {
    /// A client has connected; it takes the place of the one before.
    ClientConnected {
        /// Number of the connection; counts up.
        client: u64,
        /// The number that the client drew for itself: the same over all its connections.
        session: u64,
        /// All its requests before this one are answered, and their answers acknowledged.
        floor: u64,
    },
    /// A client's connection is gone.
    ClientLost {
        /// Number of the connection.
        client: u64,
    },
    /// A client sent a request.
    Request {
        /// Number of the connection.
        client: u64,
        /// The request.
        request: u64,
        /// The input, encoded.
        payload: Bytes,
    },
    /// A client has the answer to a request.
    Acknowledged {
        /// Number of the connection.
        client: u64,
        /// The request.
        request: u64,
    },
    /// Everything up to this mark is in the journal, promises on the disk.
    Journaled {
        /// The mark, from [`Output::Record`] or [`Output::Begin`].
        mark: u64,
    },
    /// The journal can't be written: whatever is not journaled yet won't be, up to this mark.
    JournalFailed {
        /// The mark.
        mark: u64,
        /// Why.
        reason: String,
    },
    /// A control connection was made.
    Connected {
        /// The worker.
        node: usize,
        /// Number of the attempt, from [`Output::Connect`].
        session: u64,
    },
    /// A control connection could not be made, was closed, or broke.
    Disconnected {
        /// The worker.
        node: usize,
        /// Number of the attempt.
        session: u64,
    },
    /// A worker said something.
    Said {
        /// The worker.
        node: usize,
        /// Number of the connection's attempt.
        session: u64,
        /// What.
        message: ToDispatcher,
    },
    /// A heartbeat arrived.
    Heartbeat(Heartbeat),
    /// The answer to [`Output::FindPlan`].
    PlanFound {
        /// Number of the question.
        attempt: u64,
        /// The plan.
        found: Result<Plan, PlanError>,
        /// How many times better it is than the plan in force would be with what has been learned; infinite if that
        /// can't go on as it is.
        gain: f64,
        /// Time it took.
        took: Duration,
    },
    /// The answer to [`Output::Rehearse`].
    Rehearsed {
        /// Number of the question.
        attempt: u64,
        /// What was found.
        rehearsal: Rehearsal,
    },
    /// The data connection to a first stage is open.
    FeedOpened {
        /// The epoch it was opened for.
        epoch: u32,
        /// The node that holds the stage.
        node: usize,
    },
    /// The data connection to a first stage could not be made, broke, or nothing comes back on it.
    FeedLost {
        /// The epoch it was opened for.
        epoch: u32,
        /// The node that holds the stage.
        node: usize,
    },
    /// A last stage delivered.
    Delivered {
        /// The epoch.
        epoch: u32,
        /// The chain.
        chain: u16,
        /// The request.
        request: u64,
        /// The output, encoded.
        payload: Bytes,
    },
    /// Time has passed; due every [`super::Settings::tick`], after everything that waited was handled.
    Tick,
}

/// A question to the planner.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Its number; only the answer to the newest question counts.
    pub attempt: u64,
    /// Workers that may hold no stage.
    pub excluded: BTreeSet<usize>,
    /// Ordered pairs between which nothing arrives.
    pub severed: BTreeSet<(usize, usize)>,
    /// What has been learned of the nodes.
    pub lessons: Lessons,
    /// The plan in force.
    pub current: Option<Plan>,
    /// Segments that lie ready beside the stages, and where.
    pub ready: Vec<(usize, Segment)>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Make a control connection; answer with [`Input::Connected`] or [`Input::Disconnected`].
    Connect {
        /// The worker.
        node: usize,
        /// Number of the attempt.
        session: u64,
    },
    /// Close a control connection, or give up making it.
    Close {
        /// The worker.
        node: usize,
        /// Number of the attempt.
        session: u64,
    },
    /// Send a message.
    Tell {
        /// The worker.
        node: usize,
        /// Number of the connection's attempt.
        session: u64,
        /// What. The file of a segment is left to be filled in.
        message: ToWorker,
        /// The segment to send along: in a `File`, and in an `Assign` if segments are deployed over the network and the worker has
        /// it not.
        ship: Option<Segment>,
    },
    /// Find a plan; answer with [`Input::PlanFound`].
    FindPlan(Question),
    /// Find out in the background what would be in force without each node of the current plan; answer with
    /// [`Input::Rehearsed`].
    Rehearse(Question),
    /// Open a data connection to a first stage and close those of other epochs; answer with
    /// [`Input::FeedOpened`] or [`Input::FeedLost`].
    OpenFeed {
        /// The epoch.
        epoch: u32,
        /// The node that holds the first stage.
        node: usize,
    },
    /// Send a request's input to a first stage.
    Feed {
        /// The epoch.
        epoch: u32,
        /// The node that holds the first stage.
        node: usize,
        /// The chain.
        chain: u16,
        /// The request.
        request: u64,
        /// The input, encoded.
        payload: Bytes,
    },
    /// Read this many more requests from the client.
    Credit {
        /// How many.
        requests: usize,
    },
    /// Tell the client that a request was accepted.
    Accepted {
        /// The request.
        request: u64,
        /// Why it would not survive the dispatcher's end; `None`: it would.
        volatile: Option<String>,
    },
    /// Give the client its answer.
    Answer {
        /// The request.
        request: u64,
        /// The answer.
        answer: Answer,
    },
    /// Put a record into the journal; answer with [`Input::Journaled`] or [`Input::JournalFailed`].
    Record {
        /// Counts up.
        mark: u64,
        /// The record.
        record: Record,
    },
    /// Begin the journal anew; answer with [`Input::Journaled`] or [`Input::JournalFailed`].
    Begin {
        /// Counts up.
        mark: u64,
        /// What it holds from now on.
        known: Box<Recovered>,
    },
    /// Report an event.
    Report(Event),
}
