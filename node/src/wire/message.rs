//! What dispatcher and workers say to each other on the control connection: postcard in a frame.
//!
//! The dispatcher connects to each worker. A worker serves one dispatcher at a time; a new control
//! connection replaces the old one. A worker that loses its control connection drops its stage. Epochs only rise: an
//! assignment of an epoch that is not higher than all before it is fenced off.

use std::net::SocketAddr;
use std::time::Duration;

use planner::codec::Codec;
use planner::profile::Segment;
use planner::units::ByteSize;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::frame::{Frame, FrameKind};
use super::secret::{LENGTH, Secret};

/// The longest datagram: three numbers of at most ten bytes each, and a tag.
const DATAGRAM: usize = 3 * 10 + LENGTH;
/// What tags of heartbeats are for.
const HEARTBEAT: &str = "heartbeat";

/// From the dispatcher to a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToWorker {
    /// First message of a connection: where heartbeats go, and how often.
    Hello {
        /// The worker's index in the cluster, which it puts into its heartbeats.
        worker: u32,
        /// UDP address for heartbeats.
        heartbeat_to: SocketAddr,
        /// Time between them.
        interval: Duration,
        /// How many missing ones mean that a peer is gone.
        missed: u32,
    },
    /// Hold this stage from now on. A worker that already holds the same segment keeps it loaded.
    Assign {
        /// The epoch this stage belongs to.
        epoch: u32,
        /// Its number in the plan, from zero.
        stage: u16,
        /// Which part of the model.
        segment: Segment,
        /// The segment as an ONNX file, when it is deployed over the network.
        file: Option<Vec<u8>>,
        /// How the output is encoded.
        codec: Codec,
        /// Where the output goes: one for each node that comes next on any of the chains through this stage.
        next: Vec<NextHop>,
    },
    /// The segment of a stage whose worker can't read it; answers [`ToDispatcher::Unreadable`].
    File {
        /// The epoch of the stage.
        epoch: u32,
        /// The segment as an ONNX file; `None`: the dispatcher has not got it either.
        file: Option<Vec<u8>>,
    },
    /// Hold no stage: drop the segment and give its memory back. What was prepared stays.
    Release {
        /// The epoch from which on the worker is free.
        epoch: u32,
    },
    /// Hold these segments ready beside the stage, and no others: what is held and not named is dropped, what is named and
    /// not held is loaded in the background, in this order. Each is answered, also one that is held already. An `Assign` of
    /// one that is held has nothing to load; one of a segment that is not held drops all that is prepared.
    Prepare {
        /// Counts up; the answers name it.
        order: u64,
        /// The segments.
        segments: Vec<Wanted>,
    },
}

impl ToWorker {
    /// Where the file of `segment` goes, if the message has a place for it.
    pub fn file_of(&mut self, segment: Segment) -> Option<&mut Option<Vec<u8>>> {
        match self {
            ToWorker::Assign { segment: assigned, file, .. } if *assigned == segment => Some(file),
            ToWorker::File { file, .. } => Some(file),
            ToWorker::Prepare { segments, .. } => {
                segments.iter_mut().find(|wanted| wanted.segment == segment).map(|wanted| &mut wanted.file)
            }
            _ => None,
        }
    }
}

/// A segment to hold ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Which part of the model.
    pub segment: Segment,
    /// The segment as an ONNX file, when it is deployed over the network and not held yet.
    pub file: Option<Vec<u8>>,
}

/// A node to which a stage sends, over one connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextHop {
    /// Its index in the cluster.
    pub node: u32,
    /// The next stage's data port, or the dispatcher's.
    pub address: SocketAddr,
    /// The chains that lead there.
    pub chains: Vec<u16>,
}

/// A segment needs more memory than there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("it needs {:.1} MiB, and there are {:.1} MiB", need.mib(), limit.mib())]
pub struct Shortage {
    /// What is in use, what is still to be loaded, and what loading and running need beside it.
    pub need: ByteSize,
    /// What there is.
    pub limit: ByteSize,
}

/// From a worker to the dispatcher.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToDispatcher {
    /// The stage of `epoch` is loaded and connected to all that come next.
    Loaded {
        /// The epoch.
        epoch: u32,
        /// Whether the segment had to be loaded (`false`: it was kept).
        loaded: bool,
        /// Resident memory of the process.
        resident: ByteSize,
    },
    /// The stage of `epoch` can't be held here.
    Refused {
        /// The epoch.
        epoch: u32,
        /// What is missing, if it is memory.
        shortage: Option<Shortage>,
        /// Why.
        reason: String,
    },
    /// A segment of the newest `Prepare` is held ready.
    Prepared {
        /// The number of that `Prepare`.
        order: u64,
        /// The segment.
        segment: Segment,
    },
    /// A segment of the newest `Prepare` can't be held ready here.
    Unprepared {
        /// The number of that `Prepare`.
        order: u64,
        /// The segment.
        segment: Segment,
        /// Why.
        reason: String,
    },
    /// The segment of the stage of `epoch` can't be read from the device's own storage: send it.
    Unreadable {
        /// The epoch.
        epoch: u32,
    },
    /// The epoch of an assignment is no higher than one that this worker has been in.
    Fenced {
        /// The epoch of the assignment.
        epoch: u32,
        /// The highest one that it has been in.
        newest: u32,
    },
    /// Nothing has come back from a node behind this stage for too long, or the connection to it broke.
    NextLost {
        /// The epoch.
        epoch: u32,
        /// That node ([`NextHop::node`]).
        next: u32,
    },
    /// A request could not be computed.
    Failed {
        /// The epoch.
        epoch: u32,
        /// The chain it took.
        chain: u16,
        /// The request.
        request: u64,
        /// Why.
        reason: String,
    },
}

/// A heartbeat: one UDP datagram, postcard and a tag, from a worker to the dispatcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The worker's index in the cluster.
    pub worker: u32,
    /// Random number drawn when the process started: a restarted worker differs from its predecessor.
    pub incarnation: u64,
    /// Counts up from zero.
    pub sequence: u64,
    /// The highest epoch that the process has been in; a dispatcher that has lost its journal goes on above it.
    pub epoch: u32,
    /// What its stage has computed; `None`: it has none at work.
    pub work: Option<Work>,
}

/// What a stage has computed since its epoch began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// The epoch.
    pub epoch: u32,
    /// Requests.
    pub requests: u64,
    /// Time it took to compute all of them.
    pub computed: Duration,
}

/// A frame was not the message that was expected.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// Another kind of frame.
    #[error("a control message was expected, a frame of kind {0:?} came")]
    NotControl(FrameKind),
    /// Its maker does not know the run's secret.
    #[error("the sender has not proven to know the secret")]
    NotProven,
    /// Not this message.
    #[error("the control message is malformed: {0}")]
    Malformed(#[from] postcard::Error),
}

/// `message` in a frame.
///
/// # Errors
/// [`MessageError::Malformed`], which no message of this module gives.
pub fn to_frame(message: &impl Serialize) -> Result<Frame, MessageError> {
    Ok(Frame::new(FrameKind::Control, 0, 0, postcard::to_stdvec(message)?))
}

/// The message in `frame`.
///
/// # Errors
/// See [`MessageError`].
pub fn from_frame<M: DeserializeOwned>(frame: &Frame) -> Result<M, MessageError> {
    match frame.kind {
        FrameKind::Control => Ok(postcard::from_bytes(&frame.payload)?),
        kind => Err(MessageError::NotControl(kind)),
    }
}

impl Heartbeat {
    /// The datagram.
    ///
    /// # Errors
    /// [`MessageError::Malformed`], which a heartbeat does not give.
    pub fn to_datagram(&self, secret: &Secret) -> Result<Vec<u8>, MessageError> {
        // In one allocation. A vector that grows at the end of its thread's heap is extended there, and when it is freed
        // its place is too large for the beginning of the next one and too small to be joined with others: a thread
        // that does nothing else takes 48 bytes more each time (glibc 2.36): at five a second, 20 MiB in a day.
        let mut datagram = postcard::to_extend(self, Vec::with_capacity(DATAGRAM))?;
        let tag = secret.tag(HEARTBEAT, &[&datagram]);
        datagram.extend(tag);
        Ok(datagram)
    }

    /// Reads a datagram.
    ///
    /// # Errors
    /// [`MessageError::NotProven`] or [`MessageError::Malformed`].
    pub fn from_datagram(datagram: &[u8], secret: &Secret) -> Result<Heartbeat, MessageError> {
        let (heartbeat, tag) = datagram.split_at(datagram.len().saturating_sub(LENGTH));
        if !secret.proves(HEARTBEAT, &[heartbeat], tag) {
            return Err(MessageError::NotProven);
        }
        Ok(postcard::from_bytes(heartbeat)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_is_made_in_one_allocation_whatever_its_numbers() {
        let secret = Secret::draw().unwrap();
        for number in [0, 1, u64::MAX] {
            let heartbeat =
                Heartbeat { worker: number as u32, incarnation: number, sequence: number, epoch: 3, work: None };
            let datagram = heartbeat.to_datagram(&secret).unwrap();
            assert_eq!(datagram.capacity(), DATAGRAM);
            assert_eq!(Heartbeat::from_datagram(&datagram, &secret).unwrap(), heartbeat);
        }
    }
}
