//! The dispatcher: accepts requests, plans, deploys, feeds first stages, collects from the last, notices what fails, plans again over what is left and replays what was in flight.
//!
//! Decisions are made by a pure state machine, [`core`]; the other files carry them out. Each socket has its
//! own thread, which turns what it reads into a [`core::exchange::Input`] on one channel; the main loop ([`run`]) takes
//! them one by one and carries out the [`core::exchange::Output`]s. The main loop itself never waits for a peer.
//!
//! # The state machine
//!
//! | phase | what it waits for | then |
//! |---|---|---|
//! | gathering | every worker's first heartbeat, or the grace period (the patience for heartbeats and 2 s; 250 ms when it resumes) | planning |
//! | planning | the planner's answer; before the first one, the pairs of nodes may be measured ([`crate::probe`]) | plan: entering; none: stranded |
//! | entering | the journal, to hold the next epoch's number | assign, deploying |
//! | deploying | `Loaded` from every stage, and the data connection to each first one | serving |
//! | serving | results; keeps the chains' windows full, first with what is sent again, then from the queue | |
//! | stranded | a worker that comes back, a broken path that may be tried again | planning |
//!
//! | in these phases | this happens | what follows |
//! |---|---|---|
//! | deploying, serving | a node of the plan is lost: connection broken, heartbeats missing, stage refused | planning |
//! | planning, entering | any worker is lost | the question is asked again |
//! | any | a spare is lost | reported; it is excluded from later plans |
//! | once deployed | a node or path is lost | its chains are lost; what was in them goes into the others, which keep serving until the next plan is there |
//! | deploying, serving | a stage says that a next one is lost | if that node is heard of half a heartbeat later, the pair is severed: planning; if it is lost itself, that is the cause |
//! | deploying | a stage says that it can't read its segment | the segment is sent to it |
//! | any | a lost worker's connection is made and its first heartbeat arrives | it is a spare; stranded: planning |
//!
//! A connection is tried every 100 ms while gathering and every 500 ms afterwards; a worker that refused
//! a stage is left alone for 5 s, doubling. A severed pair is avoided for 5 s, doubling up to 80 s if it breaks
//! again; when no plan exists otherwise, the longest severed pair is tried again after 1 s.
//!
//! A **request** is waiting, then sent in an epoch into a chain, then answered. When an epoch ends, what was sent in
//! it is recalled and sent again in the next; when a chain is lost, what was sent into it is sent again into another
//! of the same epoch. A result counts if and only if it comes from the very epoch and chain in which its request was sent
//! last; anything else is dropped and reported as stale. Stages of the old plan keep delivering until the new
//! plan is made, and those results count. Which chain a request takes, [`planner::chains`] tells.
//!
//! Answers go out as they come, or where `order` is asked for, as their requests were admitted: then answers are
//! held back, as many as the windows hold and what is in the chains by then.
//!
//! A **client** that comes back after a broken connection sends again what has no answer. What is known is
//! accepted again and nothing else; what has been answered is answered again: answers are kept until the client
//! acknowledges them (as many as the queue holds and 256 more, at most 32 MiB), or else computed again.
//!
//! The dispatcher itself may end at any instant: what it has promised is in its [`journal`]. Started again, it takes
//! up the requests without an answer as if they had just come, and its epochs are higher than all before.
//!
//! **Back-pressure**: at most the windows are in the chains and at most the queue in front of it; the client's
//! socket is read only as far as the queue has room. While there is no plan, what comes when the queue is full is refused
//! with the reason.

mod clients;
mod control;
pub mod core;
mod data;
mod heartbeats;
pub mod journal;
mod outbox;
mod planning;

use std::collections::HashMap;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;
use std::{io, thread};

use planner::profile::ModelProfile;

use self::clients::Client;
use self::control::Control;
use self::core::exchange::{Input, Output};
use self::core::{Core, Settings};
use self::heartbeats::Heartbeats;
use self::journal::Job;
use self::journal::recovery::{Recovered, recover};
use self::outbox::Outbox;
use self::planning::Planner;
use crate::clock::Instant;
use crate::config::{CLIENT_PORT, DATA_PORT, Deploy, DispatcherConfig, NodeConfig};
use crate::planted::{self, Bug};
use crate::program::{ProgramError, read_profile};
use crate::telemetry::{Command, Event, Telemetry};
use crate::wire::connection::{Tuning, connect, listen};
use crate::wire::frame::Frame;
use crate::wire::join::{Port, join};
use crate::wire::message::ToWorker;

/// Most happenings handled before a tick: whatever has arrived is heard before anyone is judged.
const BEFORE_TICK: usize = 10_000;

/// What the threads tell the main loop.
enum Happening {
    /// An input for the state machine.
    Input(Input),
    /// A control connection was made.
    ControlMade { node: usize, session: u64, stream: TcpStream },
    /// The data connection to a first stage was made.
    FeedMade { epoch: u32, node: usize, stream: TcpStream },
    /// A client has connected.
    ClientCame { stream: TcpStream, session: u64, floor: u64 },
    /// The testbed asks for something.
    Command(Command),
}

/// Runs the dispatcher until it is asked to end.
///
/// # Errors
/// When the profile can't be read or a port can't be listened on; see [`ProgramError`].
pub fn run(
    node: &NodeConfig,
    config: &DispatcherConfig,
    telemetry: Telemetry,
    commands: Receiver<Command>,
) -> Result<(), ProgramError> {
    let profile = read_profile(&config.profile)?;
    let shared = Arc::new(Shared { own: node.clone(), config: config.clone(), profile });
    let (sender, happenings) = channel();
    let known = resume(&journal::folder(&node.state), &telemetry);
    let jobs = journal::spawn(journal::folder(&node.state), sender.clone()).map_err(thread_refused)?;
    let secret = || node.secret.clone();
    let heartbeats = Heartbeats::listen(node.address, secret(), sender.clone())?;
    let port = |port| listen(SocketAddr::new(node.address, port));
    data::collect(port(DATA_PORT)?, secret(), config.heartbeat, sender.clone(), telemetry.clone())
        .map_err(thread_refused)?;
    clients::accept(port(CLIENT_PORT)?, secret(), sender.clone()).map_err(thread_refused)?;
    let planner = planning::spawn(shared.clone(), telemetry.clone(), sender.clone()).map_err(thread_refused)?;
    let forward = sender.clone();
    let forward = move || {
        for command in commands {
            if forward.send(Happening::Command(command)).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("asked".to_owned()).spawn(forward).map_err(thread_refused)?;

    telemetry.tell(Event::Ready);
    let settings = Settings::of(config);
    let mut dispatcher = Dispatcher {
        core: Core::new(settings.clone(), Instant::now(), &known),
        shared,
        telemetry,
        sender,
        planner,
        jobs,
        controls: HashMap::new(),
        feeds: HashMap::new(),
        client: None,
        clients: 0,
    };
    dispatcher.serve(&happenings, &heartbeats, &settings);
    Ok(())
}

/// Reads the journal of the process before, if there was one.
fn resume(folder: &std::path::Path, telemetry: &Telemetry) -> Recovered {
    let known = recover(folder).unwrap_or_else(|error| Recovered {
        damage: vec![format!("{} can't be read: {error}", folder.display())],
        ..Recovered::default()
    });
    let Recovered { standing, open, answered, damage, torn, newest } = &known;
    if *newest > 0 || !damage.is_empty() {
        let (open, answered) = (open.len() as u64, answered.len() as u64);
        tracing::info!(epoch = standing.epoch, open, answered, torn, ?damage, "resumes from its journal");
        telemetry.tell(Event::Resumed { epoch: standing.epoch, open, answered, damage: damage.clone() });
    }
    known
}

/// What every thread may look at.
struct Shared {
    own: NodeConfig,
    config: DispatcherConfig,
    profile: ModelProfile,
}

impl Shared {
    fn address(&self, node: usize, port: u16) -> Option<SocketAddr> {
        self.config.addresses.get(node).map(|address| SocketAddr::new(*address, port))
    }

    /// Connects to a port of a node, within twice `limit`, and joins it.
    fn join(&self, to: SocketAddr, port: Port, limit: Duration, tuning: Tuning) -> io::Result<TcpStream> {
        let stream = connect(self.own.address, to, limit, tuning).map_err(io::Error::other)?;
        join(&stream, &self.own.secret, port, limit).map(|()| stream)
    }
}

fn thread_refused(source: io::Error) -> ProgramError {
    ProgramError::System { what: "a thread", source }
}

/// The data connection to a first stage.
struct Feed {
    epoch: u32,
    /// Nothing while the connection is being made.
    open: Option<Outbox<Frame>>,
}

/// The main loop's state: the machine, and the connections by which its outputs are carried out.
struct Dispatcher {
    core: Core,
    shared: Arc<Shared>,
    telemetry: Telemetry,
    sender: Sender<Happening>,
    planner: Planner,
    jobs: Sender<(u64, Job)>,
    /// By node: the session wanted, and the connection once it is made.
    controls: HashMap<usize, (u64, Option<Control>)>,
    /// By node.
    feeds: HashMap<usize, Feed>,
    client: Option<Client>,
    clients: u64,
}

impl Dispatcher {
    fn serve(&mut self, happenings: &Receiver<Happening>, heartbeats: &Heartbeats, settings: &Settings) {
        let mut due = Instant::now();
        loop {
            match happenings.recv_timeout(due.since(Instant::now())) {
                Ok(Happening::Command(Command::Exit)) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(happening) => self.take(happening),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if Instant::now() < due {
                continue;
            }
            for happening in happenings.try_iter().take(BEFORE_TICK) {
                match happening {
                    Happening::Command(Command::Exit) => return,
                    happening => self.take(happening),
                }
            }
            heartbeats.drain(|heartbeat| self.input(Input::Heartbeat(heartbeat)));
            self.input(Input::Tick);
            if let Some(client) = &mut self.client {
                client.keep_alive();
            }
            due = Instant::now() + settings.tick();
        }
    }

    fn take(&mut self, happening: Happening) {
        match happening {
            Happening::Input(input) => self.input(input),
            Happening::ControlMade { node, session, stream } => match self.controls.get_mut(&node) {
                Some((wanted, control)) if *wanted == session => {
                    match Control::open(stream, node, session, self.shared.clone(), self.sender.clone()) {
                        Ok(open) => {
                            *control = Some(open);
                            self.input(Input::Connected { node, session });
                        }
                        Err(_) => self.input(Input::Disconnected { node, session }),
                    }
                }
                // Given up meanwhile. That the peer may have closed it already changes nothing.
                _ => _ = stream.shutdown(std::net::Shutdown::Both),
            },
            Happening::FeedMade { epoch, node, stream } => match self.feeds.get_mut(&node) {
                Some(feed) if feed.epoch == epoch => {
                    match data::open_feed(stream, epoch, node, &self.shared, self.sender.clone()) {
                        Ok(outbox) => {
                            feed.open = Some(outbox);
                            self.input(Input::FeedOpened { epoch, node });
                        }
                        Err(_) => self.input(Input::FeedLost { epoch, node }),
                    }
                }
                _ => _ = stream.shutdown(std::net::Shutdown::Both),
            },
            Happening::ClientCame { stream, session, floor } => {
                self.clients += 1;
                match Client::open(stream, self.clients, self.sender.clone()) {
                    Ok(client) => {
                        self.client = Some(client);
                        self.input(Input::ClientConnected { client: self.clients, session, floor });
                    }
                    Err(error) => tracing::warn!(%error, "a client's connection can't be used"),
                }
            }
            Happening::Command(_) => {}
        }
    }

    fn input(&mut self, input: Input) {
        for output in self.core.handle(Instant::now(), input) {
            self.carry_out(output);
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Connect { node, session } => {
                self.controls.insert(node, (session, None));
                control::connect(&self.shared, node, session, self.sender.clone());
            }
            Output::Close { node, session } => {
                if self.controls.get(&node).is_some_and(|(wanted, _)| *wanted == session) {
                    self.controls.remove(&node);
                }
            }
            Output::Tell { node, session, message, ship } => {
                if let Some((wanted, Some(control))) = self.controls.get(&node)
                    && *wanted == session
                {
                    let asked = matches!(message, ToWorker::File { .. });
                    let ship = ship.filter(|_| asked || self.shared.config.deploy == Deploy::Network);
                    control.tell(message, ship);
                }
            }
            // The planner's threads end only with this one.
            Output::FindPlan(question) => _ = self.planner.questions.send(question),
            Output::Rehearse(question) => _ = self.planner.rehearsals.send(question),
            Output::OpenFeed { epoch, node } => {
                self.feeds.retain(|_, feed| feed.epoch == epoch);
                self.feeds.insert(node, Feed { epoch, open: None });
                data::connect(&self.shared, node, epoch, self.sender.clone());
            }
            Output::Feed { epoch, node, chain, request, payload } => {
                if let Some(Feed { open: Some(outbox), epoch: open }) = self.feeds.get(&node)
                    && *open == epoch
                {
                    self.telemetry.tell(Event::Fed { request, epoch, chain });
                    outbox.send(Frame::tensor(self.shared.config.codec, epoch, chain, request, payload));
                }
            }
            Output::Credit { requests } => self.to_client(|client| client.credit(requests)),
            Output::Accepted { request, volatile } => self.to_client(|client| client.accepted(request, volatile)),
            Output::Answer { request, answer } => {
                if planted::shows(Bug::DoubleDelivery, self.core.epoch()) {
                    self.to_client(|client| client.answer(request, answer.clone()));
                }
                self.to_client(|client| client.answer(request, answer));
            }
            // The journal's thread ends only with this one.
            Output::Record { mark, record } => _ = self.jobs.send((mark, Job::Append(record))),
            Output::Begin { mark, known } => _ = self.jobs.send((mark, Job::Begin(known))),
            Output::Report(event) => self.report(event),
        }
    }

    fn to_client(&self, act: impl FnOnce(&Client)) {
        if let Some(client) = &self.client {
            act(client);
        }
    }

    fn report(&self, event: Event) {
        match &event {
            Event::Planned { epoch, reason, plan, .. } => {
                tracing::info!(epoch, reason, stages = plan.stages.len(), chains = plan.chains.len(), "planned");
            }
            Event::Deployed { epoch, took, .. } => tracing::info!(epoch, ?took, "deployed"),
            Event::NodeSuspected { node, by } => tracing::warn!(node, ?by, "taken for dead"),
            Event::PathSuspected { from, to } => tracing::warn!(from, to, "nothing arrives"),
            Event::StageRefused { node, reason, .. } => tracing::warn!(node, reason, "a stage is refused"),
            Event::Slow { node, factor } => tracing::warn!(node, factor, "slow"),
            Event::Trusted { node, measured } => tracing::info!(node, measured, "no longer taken for slow"),
            Event::PlanKept { epoch, reason } => tracing::info!(epoch, reason, "no plan is much better"),
            Event::ChainLost { epoch, chain } => tracing::warn!(epoch, chain, "a chain is lost"),
            Event::Rejoined { node } => tracing::info!(node, "is back"),
            Event::Unplannable { reason } => tracing::warn!(reason, "no plan"),
            Event::JournalFailed { reason } => tracing::error!(reason, "the journal can't be written"),
            Event::JournalRestored => tracing::info!("the journal is written again"),
            _ => {}
        }
        self.telemetry.tell(event);
    }
}
