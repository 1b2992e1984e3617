//! What a worker decides, in one thread that takes what all others bring it one by one.
//!
//! | the stage is | when | then |
//! |---|---|---|
//! | none | Assign | load the segment unless it is the one already held; connect to all that come next |
//! | connecting | all connections are made | run; take the waiting connections of this epoch; answer Loaded |
//! | connecting | one can't be made | none; answer NextLost |
//! | running | an output breaks or falls silent | still running for the others, answer NextLost: the dispatcher decides |
//! | none | Assign, but the segment can't be read from the device's storage | answer Unreadable; go on when the File comes |
//! | any | Assign | stop what runs, then as from none |
//! | any | Release | none; forget the segment |
//! | any | Assign or Release of an epoch that is over | as before; answer Fenced: an earlier dispatcher had come further |
//! | any | the control connection breaks or is replaced | none; the segment is kept for the next Assign |
//!
//! It never waits for a peer: connections are made, read and written by other threads. It does wait for a
//! segment to load and for one computation to end.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender};
use std::time::Duration;

use planner::profile::{ModelProfile, Segment};

use super::engine::{Engine, EngineError, Loader};
use super::heartbeat::{Heart, Identity};
use super::inbound::{Inbound, Interval};
use super::outbound;
use super::processor::Processor;
use super::stage::{Role, Stage};
use super::unread::Unread;
use crate::clock::Instant;
use crate::memory;
use crate::planted;
use crate::telemetry::{Event, Telemetry};
use crate::wire::connection;
use crate::wire::frame::{Frame, FrameError};
use crate::wire::message::{self, NextHop, ToDispatcher, ToWorker};
use crate::wire::secret::Secret;

/// Data connections that may wait for their epoch to be assigned, one of each node; of more, the oldest is closed.
const WAITING: usize = 64;
/// Answers that may wait to be sent to the dispatcher; it reads them at once, so more means that it is gone.
const ANSWERS: usize = 256;
/// Within this a connection to the next stage is made at least: a lost SYN is repeated after one second.
const CONNECT_LIMIT: Duration = Duration::from_millis(1500);

/// What other threads bring.
#[derive(Debug)]
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

/// The stage, and the segment's engine when the stage does not have it.
enum State {
    None(Option<Box<dyn Engine>>),
    Connecting {
        role: Role,
        loaded: bool,
        engine: Box<dyn Engine>,
        hops: Vec<NextHop>,
        made: Vec<(NextHop, TcpStream)>,
    },
    Running {
        stage: Stage,
        lost: BTreeSet<u32>,
    },
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
    /// Runs them.
    pub processor: Processor,
    /// Loads segments.
    pub loader: Box<dyn Loader>,
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
            segment: None,
            state: State::None(None),
            unread: None,
            waiting: Vec::new(),
        };
        for input in inputs {
            running.take(input);
        }
    }
}

pub(super) struct Running {
    pub(super) core: Core,
    identity: Arc<Identity>,
    sessions: u64,
    session: Option<Session>,
    attempts: u64,
    /// The highest epoch assigned or released, by whatever dispatcher.
    epoch: u32,
    /// The segment that is loaded, wherever its engine is.
    segment: Option<Segment>,
    state: State,
    /// The stage whose segment is to come from the dispatcher, since it can't be read here.
    pub(super) unread: Option<Unread>,
    waiting: Vec<Inbound>,
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

    /// Ends the session, if there is one, and with it the stage. The segment is kept: should the dispatcher come
    /// back and assign it again, there is nothing to load.
    fn close(&mut self, reason: &str) {
        if self.session.take().is_some() {
            tracing::info!(reason, "the control connection ends");
            self.stop();
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
                let hold = self.core.profile.pieces.get(segment.pieces()).map(|_| self.core.profile.time(segment));
                match hold.filter(|_| segment.from < segment.to) {
                    Some(time) => {
                        let role = Role { epoch, stage, codec, hold: scaled(time, self.core.slowdown) };
                        self.assign(role, segment, file, next);
                    }
                    None => self.refuse(epoch, format!("there is no segment {}..{}", segment.from, segment.to)),
                }
            }
            Ok(ToWorker::File { epoch, file }) => self.receive(epoch, file),
            Ok(ToWorker::Release { epoch }) => {
                self.enter(epoch);
                self.forget();
            }
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
        self.core.interval.set(interval);
        let interval = self.core.interval.get();
        let heart =
            Heart::start(self.identity.clone(), (self.core.own, to), worker, interval, self.core.secret.clone());
        let Some(session) = &mut self.session else { return };
        session.worker = worker;
        session.missed = missed.max(1);
        match heart {
            Ok(heart) => session.heart = Some(heart),
            Err(error) => tracing::error!(%error, "no heartbeats can be sent"),
        }
    }

    fn assign(&mut self, role: Role, segment: Segment, file: Option<Vec<u8>>, next: Vec<NextHop>) {
        planted::leak(role.epoch);
        self.enter(role.epoch);
        let kept = match std::mem::replace(&mut self.state, State::None(None)) {
            State::None(Some(engine)) if self.segment == Some(segment) => Some(engine),
            other => {
                self.state = other;
                self.forget();
                None
            }
        };
        let (loaded, local) = (kept.is_none(), file.is_none());
        match kept.map_or_else(|| self.load(role, segment, file), Ok) {
            Ok(engine) => self.connect(role, segment, engine, loaded, next),
            Err(error) if local && error.is_of_the_file() => {
                self.ask(Unread { role, segment, next, reason: error.to_string() })
            }
            Err(error) => self.refuse(role.epoch, error.to_string()),
        }
    }

    pub(super) fn connect(
        &mut self,
        role: Role,
        segment: Segment,
        engine: Box<dyn Engine>,
        loaded: bool,
        next: Vec<NextHop>,
    ) {
        self.segment = Some(segment);
        self.attempts += 1;
        let (worker, missed) = self.greeted();
        let limit = (self.core.interval.get() * missed).max(CONNECT_LIMIT);
        for hop in &next {
            let hello = Frame::hello(role.epoch, worker);
            outbound::connect((self.core.own, &self.core.secret), hop, limit, hello, self.attempts, &self.core.sender);
        }
        self.state = State::Connecting { role, loaded, engine, hops: next, made: Vec::new() };
    }

    pub(super) fn load(
        &self,
        role: Role,
        segment: Segment,
        file: Option<Vec<u8>>,
    ) -> Result<Box<dyn Engine>, EngineError> {
        let began = Instant::now();
        let load = AssertUnwindSafe(|| self.core.loader.load(segment, file));
        let engine = memory::while_loading(|| catch_unwind(load))
            .unwrap_or_else(|_| Err(EngineError::Panicked("while loading".to_owned())))?;
        let now = Instant::now();
        self.core.telemetry.tell_at(
            now,
            Event::SegmentLoaded {
                epoch: role.epoch,
                stage: role.stage,
                took: now.since(began),
                resident: memory::resident(),
            },
        );
        Ok(engine)
    }

    fn connected(&mut self, next: u32, stream: Option<TcpStream>) {
        let State::Connecting { role, hops, made, .. } = &mut self.state else { return };
        let epoch = role.epoch;
        let hop = hops.iter().position(|hop| hop.node == next).map(|hop| hops.swap_remove(hop));
        let Some((hop, stream)) = hop.zip(stream) else {
            self.stop();
            return self.answer(&ToDispatcher::NextLost { epoch, next });
        };
        made.push((hop, stream));
        if hops.is_empty() {
            self.start();
        }
    }

    /// Everything is loaded and connected.
    fn start(&mut self) {
        let (role, loaded, engine, outputs) = match std::mem::replace(&mut self.state, State::None(None)) {
            State::Connecting { role, loaded, engine, made, .. } => (role, loaded, engine, made),
            other => return self.state = other,
        };
        let epoch = role.epoch;
        match self.run(role, engine, outputs) {
            Ok(mut stage) => {
                let (ours, others) = std::mem::take(&mut self.waiting).into_iter().partition(|it| it.epoch == epoch);
                self.waiting = others;
                Vec::into_iter(ours).for_each(|inbound| stage.take_from(inbound));
                self.state = State::Running { stage, lost: BTreeSet::new() };
                self.answer(&ToDispatcher::Loaded { epoch, loaded, resident: memory::resident() });
            }
            Err(error) => {
                self.segment = None;
                self.refuse(epoch, format!("the stage could not be started: {error}"));
            }
        }
    }

    fn run(&self, role: Role, engine: Box<dyn Engine>, outputs: Vec<(NextHop, TcpStream)>) -> io::Result<Stage> {
        let watched: Vec<(u32, TcpStream)> =
            outputs.iter().map(|(hop, stream)| Ok((hop.node, stream.try_clone()?))).collect::<io::Result<_>>()?;
        let sender = &self.core.sender;
        let stage =
            Stage::start(role, engine, outputs, &self.core.processor, sender.clone(), self.core.telemetry.clone())?;
        let (_, missed) = self.greeted();
        let watched = watched.into_iter();
        match outbound::watch(watched, role.epoch, self.core.interval.get(), missed, sender) {
            Ok(()) => Ok(stage),
            Err(error) => {
                // Or its threads would wait for ever.
                drop(stage.stop());
                Err(error)
            }
        }
    }

    /// The worker's index in the cluster, and how many missing signs of life mean that a peer is gone.
    fn greeted(&self) -> (u32, u32) {
        self.session.as_ref().map_or((0, 1), |session| (session.worker, session.missed))
    }

    fn data(&mut self, inbound: Inbound) {
        match &mut self.state {
            State::Running { stage, .. } if stage.role.epoch == inbound.epoch => return stage.take_from(inbound),
            State::Connecting { role, .. } if role.epoch == inbound.epoch => {}
            _ if inbound.epoch > self.epoch => {}
            // The stage waits for its segment.
            _ if self.unread.as_ref().is_some_and(|unread| unread.role.epoch == inbound.epoch) => {}
            _ => return tracing::info!(epoch = inbound.epoch, "a data connection of an epoch that is over is closed"),
        }
        self.waiting.retain(|other| other.from != inbound.from || other.epoch > inbound.epoch);
        if self.waiting.len() == WAITING {
            self.waiting.remove(0);
        }
        self.waiting.push(inbound);
    }

    fn next_lost(&mut self, epoch: u32, next: u32) {
        if let State::Running { stage, lost } = &mut self.state
            && stage.role.epoch == epoch
            && lost.insert(next)
        {
            self.answer(&ToDispatcher::NextLost { epoch, next });
        }
    }

    /// A new epoch begins: what belongs to older ones ends.
    fn enter(&mut self, epoch: u32) {
        self.stop();
        self.epoch = epoch;
        self.identity.enter(epoch);
        self.waiting.retain(|inbound| inbound.epoch >= epoch);
    }

    /// Ends the stage; the segment stays loaded.
    fn stop(&mut self) {
        self.unread = None;
        let engine = match std::mem::replace(&mut self.state, State::None(None)) {
            State::None(engine) => engine,
            State::Connecting { engine, .. } => Some(engine),
            State::Running { stage, .. } => stage.stop(),
        };
        if engine.is_none() {
            self.segment = None;
        }
        self.state = State::None(engine);
    }

    /// Ends the stage and gives the segment's memory back.
    fn forget(&mut self) {
        self.stop();
        self.state = State::None(None);
        self.segment = None;
        memory::trim();
    }

    pub(super) fn refuse(&mut self, epoch: u32, reason: String) {
        tracing::warn!(epoch, reason, "the stage is refused");
        self.answer(&ToDispatcher::Refused { epoch, reason });
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

/// `time` on a device that takes `slowdown` times as long.
fn scaled(time: Duration, slowdown: f64) -> Duration {
    Duration::try_from_secs_f64(time.as_secs_f64() * slowdown).unwrap_or(time)
}
