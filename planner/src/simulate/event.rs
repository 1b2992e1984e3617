//! What a simulation tells: the same that nodes tell of a real run.

use std::time::Duration;

use crate::plan::Plan;

/// Something that happened. Requests are numbered from zero, nodes by their index in the cluster.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A request's scheduled instant has come.
    Offered {
        /// The request.
        request: u64,
    },
    /// The client has sent its last byte.
    Sent {
        /// The request.
        request: u64,
    },
    /// The client knows that the dispatcher has it.
    Accepted {
        /// The request.
        request: u64,
    },
    /// Its result has arrived at the client.
    Completed {
        /// The request.
        request: u64,
        /// Epoch of the plan that produced it.
        epoch: u32,
    },
    /// A plan was made.
    Planned {
        /// Its epoch.
        epoch: u32,
        /// Why, with the names of nodes.
        reason: String,
        /// The plan.
        plan: Plan,
        /// Time it is taken to take.
        took: Duration,
    },
    /// Every stage has loaded its segment.
    Deployed {
        /// The epoch.
        epoch: u32,
        /// Nodes that had to load.
        loaded: Vec<usize>,
        /// Time since it was planned.
        took: Duration,
    },
    /// There is no plan.
    Unplannable {
        /// Why.
        reason: String,
    },
    /// The dispatcher takes a worker for dead.
    NodeSuspected {
        /// The worker.
        node: usize,
        /// Whether its connection broke; otherwise its heartbeats stopped.
        connection: bool,
    },
    /// The dispatcher takes a path for broken.
    PathSuspected {
        /// The sender.
        from: usize,
        /// The receiver.
        to: usize,
    },
    /// A worker that was taken for dead is back.
    Rejoined {
        /// The worker.
        node: usize,
    },
    /// What was in flight when its epoch or chain ended was sent again.
    Replayed {
        /// The epoch it was sent in.
        epoch: u32,
        /// The requests.
        requests: Vec<u64>,
    },
    /// A result of an epoch or chain in which its request is no longer in flight was dropped.
    StaleDropped {
        /// The request.
        request: u64,
        /// The result's epoch.
        epoch: u32,
    },
    /// A request went through a stage.
    Processed {
        /// The stage's node.
        node: usize,
        /// The request.
        request: u64,
        /// The epoch.
        epoch: u32,
        /// The stage, by its index in the plan.
        stage: usize,
        /// Last byte of the input received.
        received: Duration,
        /// Computing began.
        started: Duration,
        /// Computing ended.
        finished: Duration,
    },
}
