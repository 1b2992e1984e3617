//! What a node tells the testbed, and is told by it, outside the network under test.
//!
//! One connected Unix stream socket, inherited as a file descriptor; each direction carries one JSON
//! object per line. A node without a telemetry socket runs just the same and serves until it is ended.

mod inherited;
mod socket;

use std::time::Duration;

use planner::cluster::Path;
use planner::plan::Plan;
use planner::profile::Segment;
use planner::units::ByteSize;
use planner::units::duration;
use serde::{Deserialize, Serialize};

use crate::clock::Instant;
use crate::wire::message::Shortage;

pub use inherited::inherited;
pub use socket::Telemetry;

/// An event and the instant at which it happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stamped {
    /// When.
    pub at: Instant,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

impl Stamped {
    /// The same as another clock would have it, to which this one is `ahead`.
    pub fn set_back(mut self, ahead: Duration) -> Stamped {
        let set_back = |at: &mut Instant| at.0 = at.0.saturating_sub(ahead.as_nanos() as u64);
        set_back(&mut self.at);
        match &mut self.event {
            Event::Offered { scheduled, .. } => set_back(scheduled),
            Event::Processed { received, started, finished, sent, .. } => {
                [received, started, finished, sent].into_iter().for_each(set_back);
            }
            _ => {}
        }
        self
    }
}

/// Something that happened on a node. Requests are numbered by the client from zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The process is up and listens.
    Ready,

    /// Client: a request's scheduled instant has come. It may still wait for the connection.
    Offered {
        /// The request.
        request: u64,
        /// Which of the inputs it carries.
        input: u32,
        /// When it was to be sent.
        scheduled: Instant,
    },
    /// Client: the request's bytes have been given to the network for the first time.
    Sent {
        /// The request.
        request: u64,
    },
    /// Client: the dispatcher said that it has accepted the request.
    Accepted {
        /// The request.
        request: u64,
    },
    /// Client: a result arrived. A second one for the same request is reported just the same.
    Completed {
        /// The request.
        request: u64,
        /// Epoch of the plan that produced it.
        epoch: u32,
        /// Digest of the output tensor's bytes.
        digest: String,
    },
    /// Whoever measures a program of others: it answered. What makes a result of a model has no meaning here.
    Answered {
        /// The request.
        request: u64,
    },
    /// Client: the dispatcher answered with an error. Whoever measures a program of others: it did, or nothing came in time.
    Errored {
        /// The request.
        request: u64,
        /// Why.
        reason: String,
    },
    /// Client: no more requests are offered and none is outstanding, or the wait for them ended.
    Drained {
        /// Requests still without an answer.
        outstanding: u64,
    },

    /// A node that runs programs of others: a check that was made after the load ended, or a program that should have run while it
    /// lasted ended by itself with an error.
    Checked {
        /// Whether all was as it must be.
        passed: bool,
        /// How it ended, and its last words.
        said: String,
    },

    /// Dispatcher: what one node can send to each other was measured. One for each node, before [`Event::Probed`].
    Measured {
        /// The sender.
        from: String,
        /// To each node of the cluster, in its order; `None` where nothing arrived, and to itself.
        paths: Vec<Option<Path>>,
    },
    /// Dispatcher: every pair of nodes was measured, or given up.
    Probed {
        /// Time it took.
        #[serde(with = "duration")]
        took: Duration,
    },
    /// Dispatcher: a plan was made.
    Planned {
        /// Its epoch.
        epoch: u32,
        /// Why a plan was needed: `start`, or what was detected.
        reason: String,
        /// The plan.
        plan: Plan,
        /// Time it took to find.
        #[serde(with = "duration")]
        took: Duration,
        /// Whether it was found before it was needed.
        #[serde(default)]
        rehearsed: bool,
    },
    /// Dispatcher: every stage of the epoch has loaded its segment; requests flow from here on.
    Deployed {
        /// The epoch.
        epoch: u32,
        /// Nodes that had to load a segment; the others kept theirs.
        loaded: Vec<String>,
        /// Nodes that had it prepared.
        #[serde(default)]
        prepared: Vec<String>,
        /// Time since [`Event::Planned`].
        #[serde(with = "duration")]
        took: Duration,
    },
    /// Dispatcher: the journal of the process before was read; what it had promised goes on.
    Resumed {
        /// The highest epoch that may have begun.
        epoch: u32,
        /// Accepted requests without an answer.
        open: u64,
        /// Answers that the client has not acknowledged.
        answered: u64,
        /// What was damaged, in words; nothing of it is told when only the end was torn.
        damage: Vec<String>,
    },
    /// Dispatcher: the journal can't be written. Requests are served on, but what is accepted from now on would not
    /// survive the dispatcher's end.
    JournalFailed {
        /// Why.
        reason: String,
    },
    /// Dispatcher: the journal is written again, and holds everything that is known.
    JournalRestored,
    /// Worker: its segment can't be read from its own storage, and is asked of the dispatcher.
    SegmentUnreadable {
        /// The epoch.
        epoch: u32,
        /// The stage.
        stage: u16,
        /// Why.
        reason: String,
    },
    /// Client or worker: the dispatcher, which was there, is gone or can't be reached.
    DispatcherLost,
    /// Dispatcher: no plan exists with the nodes that are left.
    Unplannable {
        /// Why.
        reason: String,
    },
    /// Dispatcher: a worker is taken for dead.
    NodeSuspected {
        /// The worker.
        node: String,
        /// What told.
        by: Detection,
    },
    /// Dispatcher: a worker can't hold the stage that it was given, and gets no such stage for a while.
    StageRefused {
        /// The worker.
        node: String,
        /// The epoch of the plan.
        epoch: u32,
        /// The part of the model.
        segment: Option<Segment>,
        /// What is missing, if it is memory and the worker could tell.
        shortage: Option<Shortage>,
        /// Why.
        reason: String,
    },
    /// Dispatcher: a worker's stage takes so many times longer than it should, compared with the others'. Plans are
    /// made on that from now on.
    Slow {
        /// The worker.
        node: String,
        /// How many times slower it computes than its device should.
        factor: f64,
    },
    /// Dispatcher: a worker that was slow counts as being as fast as it should be.
    Trusted {
        /// The worker.
        node: String,
        /// Whether that was measured; otherwise it is tried again, since it has no stage on which it could be.
        measured: bool,
    },
    /// Dispatcher: another plan was looked for, and none is so much better that it would be worth a change.
    PlanKept {
        /// The epoch of the plan in force.
        epoch: u32,
        /// Why another plan was looked for.
        reason: String,
    },
    /// Dispatcher: nothing arrives any more from one node at another.
    PathSuspected {
        /// The sender.
        from: String,
        /// The receiver.
        to: String,
    },
    /// Dispatcher: a worker that was taken for dead is back, without a stage.
    Rejoined {
        /// The worker.
        node: String,
    },
    /// Dispatcher: a node or path of this chain is lost; what was in it goes into those that are left, if there are any.
    ChainLost {
        /// The epoch.
        epoch: u32,
        /// The chain, by its number in the plan.
        chain: u16,
    },
    /// Dispatcher: requests that were in flight when the epoch before ended, or in a chain that was lost, were sent again.
    Replayed {
        /// The epoch they were sent in.
        epoch: u32,
        /// The requests.
        requests: Vec<u64>,
    },
    /// Dispatcher: a request's input is sent into a chain.
    Fed {
        /// The request.
        request: u64,
        /// The epoch.
        epoch: u32,
        /// The chain, by its number in the plan.
        chain: u16,
    },
    /// Dispatcher: a result arrived from a last stage. Whether it counts is decided afterwards.
    Arrived {
        /// The request.
        request: u64,
        /// The epoch that it says it is from.
        epoch: u32,
        /// The chain that it says it took.
        chain: u16,
    },
    /// Dispatcher: a result of a request that already had one, or that was last sent in another epoch or chain, was dropped.
    StaleDropped {
        /// The request.
        request: u64,
        /// The epoch of the dropped result.
        epoch: u32,
    },

    /// Worker: a segment is loaded and ready.
    SegmentLoaded {
        /// The epoch it was loaded for.
        epoch: u32,
        /// Its place in the pipeline, from zero.
        stage: u16,
        /// Time it took.
        #[serde(with = "duration")]
        took: Duration,
        /// Resident memory of the process afterwards.
        resident: ByteSize,
    },
    /// Worker: a segment is loaded beside the stage, for a plan that may come.
    Prepared {
        /// The segment.
        segment: Segment,
        /// Time it took.
        #[serde(with = "duration")]
        took: Duration,
        /// Resident memory of the process afterwards.
        resident: ByteSize,
    },
    /// Worker: a request went through the stage.
    Processed {
        /// The request.
        request: u64,
        /// The epoch.
        epoch: u32,
        /// The stage.
        stage: u16,
        /// Last byte of the input received.
        received: Instant,
        /// Computing began.
        started: Instant,
        /// Output ready (after the hold-back of a slower device).
        finished: Instant,
        /// Last byte of the output given to the network.
        sent: Instant,
        /// How long after its deadline, which is the slower device's, the output was ready: the host was too slow.
        #[serde(default, with = "duration")]
        late: Duration,
    },
    /// Worker: how late its heartbeats' timer woke up since this was told before, or since the first heartbeat. About once
    /// a second.
    TimerLate {
        /// The latest of them.
        #[serde(with = "duration")]
        late: Duration,
    },
    /// Worker: the request ended here because its epoch was over or its stage failed.
    Dropped {
        /// The request.
        request: u64,
        /// The epoch.
        epoch: u32,
        /// Why.
        reason: String,
    },
}

/// What told that a worker is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detection {
    /// Its connection was closed or reset, or could not be made.
    Connection,
    /// Its heartbeats stopped.
    Heartbeat,
    /// It said itself that it can't hold its segment.
    Refused,
}

/// What the testbed tells a node.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Client: begin to offer load.
    Start,
    /// Client: offer no more; report [`Event::Drained`] when nothing is outstanding, or after `wait`.
    Finish {
        /// How long to wait for outstanding requests.
        #[serde(with = "duration")]
        wait: Duration,
    },
    /// Worker: the device computes so many times slower than it does by itself, from the next result on.
    Slow {
        /// How many times; 1: as it does.
        factor: f64,
    },
    /// A node that runs programs of others: it is within its limits, and so is what it starts from here on.
    Settled,
    /// Any node: end with exit code 0.
    Exit,
}
