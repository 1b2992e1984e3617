//! A stage at work: one thread receives ([`super::inbound`]), one computes, one sends, at the same time.
//! Between them are queues of one tensor each, so a slow receiver behind holds the sender before it back.
//! Where several chains go through the stage, one thread receives from each node before it, and one sends to
//! each behind it. A receiver that takes nothing then holds up what goes elsewhere too, until it is found lost.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use planner::codec::Codec;

use super::cancel::Cancel;
use super::core::Input;
use super::engine::{Engine, EngineError};
use super::heartbeat::Identity;
use super::inbound::Inbound;
use super::intake::Intake;
use super::processor::{Pace, Processor};
use crate::clock::Instant;
use crate::planted;
use crate::telemetry::{Event, Telemetry};
use crate::wire::codec::{self, CodecError, Tensor};
use crate::wire::frame::Frame;
use crate::wire::message::NextHop;
use crate::wire::stream::FrameWriter;

/// Tensors that wait to be sent to one node.
const QUEUE: usize = 1;
const OVER: &str = "the stage's epoch is over";
const LOST: &str = "the next stage is lost";
const NO_WAY: &str = "its chain does not go through this stage";

/// A request's input, as it was received.
#[derive(Debug)]
pub struct Work {
    /// The chain it takes.
    pub chain: u16,
    /// The request.
    pub request: u64,
    /// Last byte of the input received.
    pub received: Instant,
    /// The tensors of the cut before the stage, or why there are none.
    pub inputs: Result<Vec<Tensor>, CodecError>,
}

/// A request's output.
struct Done {
    chain: u16,
    request: u64,
    received: Instant,
    started: Instant,
    finished: Instant,
    late: Duration,
    outputs: Vec<Tensor>,
}

/// What a stage is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Role {
    /// Its epoch.
    pub epoch: u32,
    /// Its number in the plan, from zero.
    pub stage: u16,
    /// How its output is encoded.
    pub codec: Codec,
    /// Time a result is held back to, from the start of computing: what the emulated device takes.
    pub hold: Duration,
}

/// A running stage.
pub struct Stage {
    /// What it is.
    pub role: Role,
    intake: Arc<Intake<Work>>,
    outputs: Vec<TcpStream>,
    cancel: Arc<Cancel>,
    engine: Receiver<Box<dyn Engine>>,
    inbound: Vec<Inbound>,
}

impl Stage {
    /// Starts computing and sending to `outputs`, connections to the nodes behind it that have said Hello.
    ///
    /// # Errors
    /// When the system has no threads left.
    pub fn start(
        role: Role,
        mut engine: Box<dyn Engine>,
        outputs: Vec<(NextHop, TcpStream)>,
        (processor, identity): (&Processor, &Arc<Identity>),
        core: Sender<Input>,
        telemetry: Telemetry,
    ) -> io::Result<Stage> {
        let cancel = Arc::new(Cancel::default());
        let intake = Arc::new(Intake::new());
        let mut ways = Vec::new();
        let mut streams = Vec::new();
        for (NextHop { node: next, chains, .. }, stream) in outputs {
            let (way, done) = sync_channel(QUEUE);
            let (cancel, core, telemetry) = (cancel.clone(), core.clone(), telemetry.clone());
            let sender = Sending { role, next, cancel, core, telemetry };
            let writer = FrameWriter::new(stream.try_clone()?);
            thread::Builder::new().name("send".into()).spawn(move || sender.run(writer, &done))?;
            ways.push((chains, way));
            streams.push(stream);
        }
        let (pace, identity, cancelled) = (processor.pace(), identity.clone(), cancel.clone());
        let computing = Computing { role, pace, identity, cancel: cancelled, core, telemetry, ways };
        let works = intake.clone();
        let engine = processor.run(move || {
            computing.run(&mut *engine, &works);
            engine
        });
        Ok(Stage { role, intake, outputs: streams, cancel, engine, inbound: Vec::new() })
    }

    /// Takes tensors from `inbound` from now on, and from no other connection of that node.
    pub fn take_from(&mut self, inbound: Inbound) {
        inbound.start(self.intake.clone());
        self.inbound.retain(|other| other.from != inbound.from);
        self.inbound.push(inbound);
    }

    /// Ends the stage and gives back its segment: `None` if the engine was lost in a panic. Waits for what is being
    /// computed, but not for it to be held back. What it still holds is dropped, with an event each.
    pub fn stop(self) -> Option<Box<dyn Engine>> {
        self.cancel.set();
        for output in &self.outputs {
            // Wakes a blocked write; the connection may be down already.
            let _ = output.shutdown(Shutdown::Both);
        }
        drop(self.inbound);
        self.intake.close();
        self.engine.recv().ok()
    }
}

struct Computing {
    role: Role,
    pace: Arc<Pace>,
    /// Whose meter counts.
    identity: Arc<Identity>,
    cancel: Arc<Cancel>,
    core: Sender<Input>,
    telemetry: Telemetry,
    /// Where the outputs of which chains go.
    ways: Vec<(Vec<u16>, SyncSender<Done>)>,
}

impl Computing {
    fn run(self, engine: &mut dyn Engine, works: &Intake<Work>) {
        while let Some(Work { chain, request, received, inputs }) = works.take() {
            if self.cancel.is_set() {
                self.over(request);
                continue;
            }
            let Some((_, way)) = self.ways.iter().find(|(chains, _)| chains.contains(&chain)) else {
                self.failed(chain, request, NO_WAY.to_owned());
                continue;
            };
            let started = Instant::now();
            let inputs = inputs.map_err(|error| error.to_string());
            let outputs = match inputs.and_then(|inputs| compute(engine, &inputs)) {
                Ok(mut outputs) => {
                    planted::spoil(self.role.epoch, &mut outputs);
                    planted::hoard();
                    outputs
                }
                Err(reason) => {
                    self.failed(chain, request, reason);
                    continue;
                }
            };
            let deadline = started + self.pace.stretch(self.role.hold);
            if self.cancel.wait_until(deadline) {
                self.over(request);
                continue;
            }
            let finished = Instant::now();
            let late = finished.since(deadline);
            self.identity.meter.add(self.role.epoch, finished.since(started));
            if way.send(Done { chain, request, received, started, finished, late, outputs }).is_err() {
                self.over(request);
            }
        }
    }

    fn failed(&self, chain: u16, request: u64, reason: String) {
        let epoch = self.role.epoch;
        self.telemetry.tell(Event::Dropped { request, epoch, reason: reason.clone() });
        // The core ends only with the process.
        let _ = self.core.send(Input::Failed { epoch, chain, request, reason });
    }

    fn over(&self, request: u64) {
        drop_request(&self.telemetry, self.role.epoch, request, OVER);
    }
}

fn compute(engine: &mut dyn Engine, inputs: &[Tensor]) -> Result<Vec<Tensor>, String> {
    // A worker must outlive whatever a model or an input makes of the engine.
    let outcome = catch_unwind(AssertUnwindSafe(|| engine.run(inputs))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(EngineError::Panicked(text.unwrap_or_default()))
    });
    outcome.map_err(|error| error.to_string())
}

struct Sending {
    role: Role,
    /// The node it sends to.
    next: u32,
    cancel: Arc<Cancel>,
    core: Sender<Input>,
    telemetry: Telemetry,
}

impl Sending {
    fn run(self, mut writer: FrameWriter<TcpStream>, done: &Receiver<Done>) {
        let Role { epoch, stage, codec, .. } = self.role;
        let mut buffer = Vec::new();
        let mut broken = false;
        for Done { chain, request, received, started, finished, late, outputs } in done {
            if self.cancel.is_set() {
                drop_request(&self.telemetry, epoch, request, OVER);
                continue;
            }
            if broken {
                drop_request(&self.telemetry, epoch, request, LOST);
                continue;
            }
            if let Err(error) = codec::encode_all(&outputs, codec, &mut buffer) {
                let reason = error.to_string();
                self.telemetry.tell(Event::Dropped { request, epoch, reason: reason.clone() });
                let _ = self.core.send(Input::Failed { epoch, chain, request, reason });
                continue;
            }
            let frame = Frame::tensor(codec, epoch, chain, request, std::mem::take(&mut buffer));
            match writer.write(&frame) {
                Ok(()) => {
                    let sent = Instant::now();
                    let event = Event::Processed { request, epoch, stage, received, started, finished, sent, late };
                    self.telemetry.tell_at(sent, event);
                    // The payload is this thread's alone, so its memory is used again.
                    buffer = frame.payload.into();
                }
                Err(error) => {
                    tracing::info!(epoch, %error, "the next stage takes no more");
                    broken = true;
                    drop_request(&self.telemetry, epoch, request, if self.cancel.is_set() { OVER } else { LOST });
                    let _ = self.core.send(Input::NextLost { epoch, next: self.next });
                }
            }
        }
    }
}

fn drop_request(telemetry: &Telemetry, epoch: u32, request: u64, reason: &str) {
    telemetry.tell(Event::Dropped { request, epoch, reason: reason.to_owned() });
}
