//! A stage at work: one thread receives ([`super::inbound`]), one computes, one sends, at the same time.
//! Between them are queues of one tensor each, so a slow receiver behind holds the sender before it back.

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
use super::inbound::Inbound;
use super::processor::Processor;
use crate::clock::Instant;
use crate::telemetry::{Event, Telemetry};
use crate::wire::codec::{self, CodecError, Tensor};
use crate::wire::frame::Frame;
use crate::wire::stream::FrameWriter;

/// Tensors that wait between two threads of a stage.
const QUEUE: usize = 1;
const OVER: &str = "the stage's epoch is over";
const LOST: &str = "the next stage is lost";

/// A request's input, as it was received.
#[derive(Debug)]
pub struct Work {
    /// The request.
    pub request: u64,
    /// Last byte of the input received.
    pub received: Instant,
    /// The input, or why there is none.
    pub input: Result<Tensor, CodecError>,
}

/// A request's output.
struct Done {
    request: u64,
    received: Instant,
    started: Instant,
    finished: Instant,
    output: Tensor,
}

/// What a stage is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Role {
    /// Its epoch.
    pub epoch: u32,
    /// Its place in the pipeline, from zero.
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
    feed: SyncSender<Work>,
    output: TcpStream,
    cancel: Arc<Cancel>,
    engine: Receiver<Box<dyn Engine>>,
    inbound: Option<Inbound>,
}

impl Stage {
    /// Starts computing and sending to `output`, a connection to the next stage that has said Hello.
    ///
    /// # Errors
    /// When the system has no threads left.
    pub fn start(
        role: Role,
        mut engine: Box<dyn Engine>,
        output: TcpStream,
        processor: &Processor,
        core: Sender<Input>,
        telemetry: Telemetry,
    ) -> io::Result<Stage> {
        let cancel = Arc::new(Cancel::default());
        let (feed, works) = sync_channel(QUEUE);
        let (outputs, done) = sync_channel(QUEUE);
        let sender = Sending { role, cancel: cancel.clone(), core: core.clone(), telemetry: telemetry.clone() };
        let writer = FrameWriter::new(output.try_clone()?);
        thread::Builder::new().name("send".into()).spawn(move || sender.run(writer, &done))?;
        let computing = Computing { role, cancel: cancel.clone(), core, telemetry };
        let engine = processor.run(move || {
            computing.run(&mut *engine, &works, &outputs);
            engine
        });
        Ok(Stage { role, feed, output, cancel, engine, inbound: None })
    }

    /// Takes tensors from `inbound` from now on, and from no other connection.
    pub fn take_from(&mut self, inbound: Inbound) {
        inbound.start(self.feed.clone());
        self.inbound = Some(inbound);
    }

    /// Ends the stage and gives back its segment: `None` if the engine was lost in a panic. Waits for what is being
    /// computed, but not for it to be held back. What it still holds is dropped, with an event each.
    pub fn stop(self) -> Option<Box<dyn Engine>> {
        self.cancel.set();
        // Wakes a blocked write; the connection may be down already.
        let _ = self.output.shutdown(Shutdown::Both);
        drop(self.inbound);
        drop(self.feed);
        self.engine.recv().ok()
    }
}

struct Computing {
    role: Role,
    cancel: Arc<Cancel>,
    core: Sender<Input>,
    telemetry: Telemetry,
}

impl Computing {
    fn run(self, engine: &mut dyn Engine, works: &Receiver<Work>, outputs: &SyncSender<Done>) {
        for Work { request, received, input } in works {
            if self.cancel.is_set() {
                self.over(request);
                continue;
            }
            let started = Instant::now();
            let output = match input.map_err(|error| error.to_string()).and_then(|input| compute(engine, &input)) {
                Ok(output) => output,
                Err(reason) => {
                    self.failed(request, reason);
                    continue;
                }
            };
            if self.cancel.wait_until(started + self.role.hold) {
                self.over(request);
                continue;
            }
            let finished = Instant::now();
            if outputs.send(Done { request, received, started, finished, output }).is_err() {
                self.over(request);
            }
        }
    }

    fn failed(&self, request: u64, reason: String) {
        let epoch = self.role.epoch;
        self.telemetry.tell(Event::Dropped { request, epoch, reason: reason.clone() });
        // The core ends only with the process.
        let _ = self.core.send(Input::Failed { epoch, request, reason });
    }

    fn over(&self, request: u64) {
        drop_request(&self.telemetry, self.role.epoch, request, OVER);
    }
}

fn compute(engine: &mut dyn Engine, input: &Tensor) -> Result<Tensor, String> {
    // A worker must outlive whatever a model or an input makes of the engine.
    let outcome = catch_unwind(AssertUnwindSafe(|| engine.run(input))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(EngineError::Panicked(text.unwrap_or_default()))
    });
    outcome.map_err(|error| error.to_string())
}

struct Sending {
    role: Role,
    cancel: Arc<Cancel>,
    core: Sender<Input>,
    telemetry: Telemetry,
}

impl Sending {
    fn run(self, mut writer: FrameWriter<TcpStream>, done: &Receiver<Done>) {
        let Role { epoch, stage, codec, .. } = self.role;
        let mut buffer = Vec::new();
        let mut broken = false;
        for Done { request, received, started, finished, output } in done {
            if self.cancel.is_set() {
                drop_request(&self.telemetry, epoch, request, OVER);
                continue;
            }
            if broken {
                drop_request(&self.telemetry, epoch, request, LOST);
                continue;
            }
            if let Err(error) = codec::encode(&output, codec, &mut buffer) {
                let reason = error.to_string();
                self.telemetry.tell(Event::Dropped { request, epoch, reason: reason.clone() });
                let _ = self.core.send(Input::Failed { epoch, request, reason });
                continue;
            }
            let frame = Frame::tensor(codec, epoch, request, std::mem::take(&mut buffer));
            match writer.write(&frame) {
                Ok(()) => {
                    let sent = Instant::now();
                    let event = Event::Processed { request, epoch, stage, received, started, finished, sent };
                    self.telemetry.tell_at(sent, event);
                    // The payload is this thread's alone, so its memory is used again.
                    buffer = frame.payload.into();
                }
                Err(error) => {
                    tracing::info!(epoch, %error, "the next stage takes no more");
                    broken = true;
                    drop_request(&self.telemetry, epoch, request, if self.cancel.is_set() { OVER } else { LOST });
                    let _ = self.core.send(Input::NextLost { epoch });
                }
            }
        }
    }
}

fn drop_request(telemetry: &Telemetry, epoch: u32, request: u64, reason: &str) {
    telemetry.tell(Event::Dropped { request, epoch, reason: reason.to_owned() });
}
