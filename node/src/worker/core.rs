//! What a worker decides, in one thread that takes what all others bring it one by one.
//!
//! | the stage is | when | then |
//! |---|---|---|
//! | none | Assign | load the segment unless it is held; connect to all that come next meanwhile |
//! | connecting | the segment is there and all connections are made | run; take the waiting connections of this epoch; answer Loaded |
//! | connecting | one can't be made | none; answer NextLost |
//! | running | an output breaks or falls silent | still running for the others, answer NextLost: the dispatcher decides |
//! | connecting | the segment can't be read from the device's storage | still connecting; answer Unreadable; load it when the File comes |
//! | any | Assign | stop what runs, then as from none |
//! | any | Release | none; forget the segment |
//! | any | Prepare | load what is named beside the stage, forget what else was prepared; answer Prepared or Unprepared |
//! | any | Assign or Release of an epoch that is over | as before; answer Fenced: an earlier dispatcher had come further |
//! | any | the control connection breaks or is replaced | none; the segment is kept for the next Assign |
//!
//! It never waits for a peer or a segment: connections are made, read and written, and segments loaded, by other threads. It
//! does wait for one computation to end. What becomes of segments and the stage is in `assignment`.

use std::collections::BTreeSet;
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender};
use std::time::Duration;

use planner::profile::{ModelProfile, Segment};
use planner::units::ByteSize;

use super::engine::{Engine, Loader};
use super::heartbeat::{Heart, Identity};
use super::inbound::{Inbound, Interval};
use super::loading::Loaded;
use super::processor::Processor;
use super::shelf::Shelf;
use super::stage::{Role, Stage};
use super::unread::Source;
use crate::config::{LONGEST_INTERVAL, MOST_MISSED};
use crate::telemetry::{Event, Telemetry};
use crate::wire::connection;
use crate::wire::frame::{Frame, FrameError};
use crate::wire::message::{self, NextHop, Shortage, ToDispatcher, ToWorker};
use crate::wire::secret::Secret;

/// Data connections that may wait for their epoch to be assigned, one of each node; of more, the oldest is closed.
const WAITING: usize = 64;
/// Answers that may wait to be sent to the dispatcher; it reads them at once, so more means that it is gone.
const ANSWERS: usize = 256;

/// What other threads bring.
pub enum Input {
    /// A dispatcher has connected.
    Control(TcpStream),
    /// Something came on a control connection.
    Message {
        /// Which connection, counted from one.
        session: u64,
        /// What came, or how it ended.
        frame: Result<Frame, FrameError>,
    },
    /// A data connection waits for its stage.
    Data(Inbound),
    /// A connection to a node that comes next is made, or can't be.
    Connected {
        /// For which assignment, counted from one.
        attempt: u64,
        /// That node.
        next: u32,
        /// The connection, after Hello.
        stream: Option<TcpStream>,
    },
    /// A segment is loaded, or can't be.
    Loaded(Loaded),
    /// A node that comes next is lost.
    NextLost {
        /// For the stage of this epoch.
        epoch: u32,
        /// That node.
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

/// A control connection.
struct Session {
    number: u64,
    stream: TcpStream,
    answers: SyncSender<Frame>,
    heart: Option<Heart>,
    worker: u32,
    missed: u32,
}

impl Drop for Session {
    fn drop(&mut self) {
        // Wakes its threads; it may be down already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// The stage.
pub(super) enum State {
    None,
    Connecting {
        role: Role,
        segment: Segment,
        /// Nothing while it is being loaded, or is about to be.
        engine: Option<Box<dyn Engine>>,
        source: Source,
        /// Whether it had to be loaded.
        loaded: bool,
        hops: Vec<NextHop>,
        made: Vec<(NextHop, TcpStream)>,
    },
    Running {
        segment: Segment,
        stage: Stage,
        lost: BTreeSet<u32>,
    },
}

/// A segment that is being loaded. There is never more than one.
pub(super) struct Loading {
    pub(super) segment: Segment,
    /// Whether it is kept though nobody may want it by then: it is the stage's, and the stage may be assigned again.
    pub(super) kept: bool,
}

/// The worker's core.
pub struct Core {
    /// This node's address.
    pub own: IpAddr,
    /// The run's secret.
    pub secret: Secret,
    /// The model's profile.
    pub profile: ModelProfile,
    /// How many times longer this device computes.
    pub slowdown: f64,
    /// Memory that the process may use, if that is limited.
    pub limit: Option<ByteSize>,
    /// Runs them.
    pub processor: Processor,
    /// Loads segments.
    pub loader: Arc<dyn Loader>,
    /// Where events go.
    pub telemetry: Telemetry,
    /// Its own input, for the threads it makes.
    pub sender: Sender<Input>,
    /// The heartbeat interval, shared with the data connections.
    pub interval: Arc<Interval>,
}

impl Core {
    /// Works until every sender of `inputs` is gone: as long as the process lives.
    pub fn run(self, inputs: &Receiver<Input>) {
        let mut running = Running {
            core: self,
            identity: Arc::new(Identity::draw()),
            sessions: 0,
            session: None,
            attempts: 0,
            epoch: 0,
            state: State::None,
            shelf: Shelf::default(),
            loading: None,
            waiting: Vec::new(),
        };
        for input in inputs {
            running.take(input);
        }
    }
}

pub(super) struct Running {
    pub(super) core: Core,
    pub(super) identity: Arc<Identity>,
    sessions: u64,
    session: Option<Session>,
    /// Assignments, counted.
    pub(super) attempts: u64,
    /// The highest epoch assigned or released, by whatever dispatcher.
    pub(super) epoch: u32,
    pub(super) state: State,
    pub(super) shelf: Shelf,
    pub(super) loading: Option<Loading>,
    pub(super) waiting: Vec<Inbound>,
}

impl Running {
    fn take(&mut self, input: Input) {
        match input {
            Input::Control(stream) => self.open(stream),
            Input::Message { session, frame } => {
                if self.session.as_ref().is_some_and(|current| current.number == session) {
                    self.hear(frame);
                }
            }
            Input::Data(inbound) => self.data(inbound),
            Input::Connected { attempt, next, stream } if attempt == self.attempts => self.connected(next, stream),
            Input::Connected { .. } => {}
            Input::Loaded(loaded) => self.loaded(loaded),
            Input::NextLost { epoch, next } => self.next_lost(epoch, next),
            Input::Failed { epoch, chain, request, reason } => {
                self.answer(&ToDispatcher::Failed { epoch, chain, request, reason });
            }
        }
    }

    fn open(&mut self, stream: TcpStream) {
        self.close("another dispatcher has connected");
        self.sessions += 1;
        let number = self.sessions;
        let sender = self.core.sender.clone();
        let session = stream.try_clone().and_then(|reading| {
            let answers = connection::spawn_writer("control-out", stream.try_clone()?, ANSWERS, |error| {
                tracing::info!(%error, "the control connection takes no more");
            })?;
            connection::spawn_reader("control-in", reading, move |frame| {
                match sender.send(Input::Message { session: number, frame }) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                }
            })?;
            Ok(Session { number, stream, answers, heart: None, worker: 0, missed: 1 })
        });
        match session {
            Ok(session) => self.session = Some(session),
            Err(error) => tracing::error!(%error, "a control connection could not be taken"),
        }
    }

    /// Ends the session, if there is one, and with it the stage. The segments are kept: should the dispatcher come
    /// back and assign them again, there is nothing to load.
    fn close(&mut self, reason: &str) {
        if self.session.take().is_some() {
            tracing::info!(reason, "the control connection ends");
            self.stop();
            self.shelf.end_session();
            self.waiting.clear();
        }
    }

    fn hear(&mut self, frame: Result<Frame, FrameError>) {
        let message = match frame {
            Ok(frame) => message::from_frame::<ToWorker>(&frame).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match message {
            Ok(ToWorker::Hello { worker, heartbeat_to, interval, missed }) => {
                self.greet(worker, heartbeat_to, interval, missed);
            }
            Ok(ToWorker::Assign { epoch, .. }) if epoch <= self.epoch => self.fence(epoch),
            Ok(ToWorker::Release { epoch }) if epoch < self.epoch => self.fence(epoch),
            Ok(ToWorker::Assign { epoch, stage, segment, file, codec, next }) => {
                if self.exists(segment) {
                    let hold = scaled(self.core.profile.time(segment), self.core.slowdown);
                    self.assign(Role { epoch, stage, codec, hold }, segment, file, next);
                } else {
                    self.refuse(epoch, None, no_such(segment));
                }
            }
            Ok(ToWorker::File { epoch, file }) => self.receive(epoch, file),
            Ok(ToWorker::Release { epoch }) => self.release(epoch),
            Ok(ToWorker::Prepare { order, segments }) => self.prepare(order, segments),
            Err(reason) => {
                self.core.telemetry.tell(Event::DispatcherLost);
                self.close(&reason);
            }
        }
    }

    /// What is said is out of date: it comes from a dispatcher that doesn't know how far an earlier one had come.
    fn fence(&self, epoch: u32) {
        tracing::warn!(epoch, newest = self.epoch, "an epoch that is over is fenced off");
        self.answer(&ToDispatcher::Fenced { epoch, newest: self.epoch });
    }

    fn greet(&mut self, worker: u32, to: SocketAddr, interval: Duration, missed: u32) {
        // Whoever knows the secret may say anything: times that are computed from these don't overflow.
        self.core.interval.set(interval.min(LONGEST_INTERVAL));
        let interval = self.core.interval.get();
        let (secret, telemetry) = (self.core.secret.clone(), self.core.telemetry.clone());
        let heart = Heart::start(self.identity.clone(), (self.core.own, to), worker, interval, secret, telemetry);
        let Some(session) = &mut self.session else { return };
        session.worker = worker;
        session.missed = missed.clamp(1, MOST_MISSED);
        match heart {
            Ok(heart) => session.heart = Some(heart),
            Err(error) => tracing::error!(%error, "no heartbeats can be sent"),
        }
    }

    /// The worker's index in the cluster, and how many missing signs of life mean that a peer is gone.
    pub(super) fn greeted(&self) -> (u32, u32) {
        self.session.as_ref().map_or((0, 1), |session| (session.worker, session.missed))
    }

    fn data(&mut self, inbound: Inbound) {
        match &mut self.state {
            State::Running { stage, .. } if stage.role.epoch == inbound.epoch => return stage.take_from(inbound),
            State::Connecting { role, .. } if role.epoch == inbound.epoch => {}
            _ if inbound.epoch > self.epoch => {}
            _ => return tracing::info!(epoch = inbound.epoch, "a data connection of an epoch that is over is closed"),
        }
        self.waiting.retain(|other| other.from != inbound.from || other.epoch > inbound.epoch);
        if self.waiting.len() == WAITING {
            self.waiting.remove(0);
        }
        self.waiting.push(inbound);
    }

    fn next_lost(&mut self, epoch: u32, next: u32) {
        if let State::Running { stage, lost, .. } = &mut self.state
            && stage.role.epoch == epoch
            && lost.insert(next)
        {
            self.answer(&ToDispatcher::NextLost { epoch, next });
        }
    }

    /// Whether the model has such a segment.
    pub(super) fn exists(&self, segment: Segment) -> bool {
        segment.from < segment.to && segment.to <= self.core.profile.pieces.len()
    }

    pub(super) fn refuse(&mut self, epoch: u32, shortage: Option<Shortage>, reason: String) {
        tracing::warn!(epoch, reason, "the stage is refused");
        self.answer(&ToDispatcher::Refused { epoch, shortage, reason });
    }

    pub(super) fn answer(&self, answer: &ToDispatcher) {
        let Some(session) = &self.session else { return };
        let sent = message::to_frame(answer).map(|frame| session.answers.try_send(frame));
        if !matches!(sent, Ok(Ok(()))) {
            // A dispatcher that reads no answers is gone: the reading thread reports the end of the connection.
            let _ = session.stream.shutdown(Shutdown::Both);
        }
    }
}

/// Why there is no engine for a segment that does not exist.
pub(super) fn no_such(segment: Segment) -> String {
    format!("there is no segment {}..{}", segment.from, segment.to)
}

/// `time` on a device that takes `slowdown` times as long.
fn scaled(time: Duration, slowdown: f64) -> Duration {
    Duration::try_from_secs_f64(time.as_secs_f64() * slowdown).unwrap_or(time)
}
