//! The thread that serves a layer: takes what the kernel asks, one operation of the disk after the other, each as late and as
//! faulty as it is to be.
//!
//! It never waits inside an operation, only for the next one or the instant at which the one under way is over: so a node that is killed in
//! the middle of one gets its answer at once, and what heals the disk is felt at once.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::EventFd;
use nix::sys::time::TimeSpec;
use planner::units::ByteSize;
use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::mirror::Mirror;
use super::protocol::{Body, LONGEST, Operation, Request, answer};
use super::{Access, Errors, Trouble};

/// What serves one layer.
#[derive(Debug)]
pub struct Server {
    device: File,
    bell: Arc<EventFd>,
    orders: Receiver<Trouble>,
    mirror: Mirror,
    trouble: Trouble,
    /// For each sort of errors, what draws them.
    draws: Vec<(Errors, Pcg64Mcg)>,
    /// What the disk is doing.
    busy: Option<Busy>,
    /// What it does next.
    waiting: VecDeque<Request>,
}

/// An operation under way: done already, and answered when it has taken its time.
#[derive(Debug)]
struct Busy {
    unique: u64,
    began: Instant,
    bytes: u64,
    answer: Vec<u8>,
}

/// Whether there is something left to serve.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Served,
    Over,
}

impl Server {
    /// Serves the folder `below` to whoever uses the file system that was mounted with `device`, which never blocks. `bell` rings
    /// when there are `orders`.
    pub fn new(device: File, bell: Arc<EventFd>, orders: Receiver<Trouble>, below: &Path) -> Server {
        let (mirror, trouble) = (Mirror::new(below), Trouble::default());
        Server { device, bell, orders, mirror, trouble, draws: Vec::new(), busy: None, waiting: VecDeque::new() }
    }

    /// Serves until the file system is unmounted, or there is nobody left to give orders. The kernel then ends with an error what
    /// is still asked.
    pub fn run(mut self) {
        let mut buffer = vec![0; LONGEST];
        while self.obey() == State::Served && self.hear(&mut buffer) == State::Served {
            self.work();
            let left = self.busy.as_ref().map(|busy| self.due(busy).saturating_duration_since(Instant::now()));
            let mut watched = [self.device.as_fd(), self.bell.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
            match ppoll(&mut watched, left.map(TimeSpec::from_duration), None) {
                // Until the next order.
                Ok(_) | Err(Errno::EINTR) => _ = self.bell.read(),
                Err(error) => return tracing::error!(%error, "a layer over a state folder ends"),
            }
        }
    }

    /// Takes orders.
    fn obey(&mut self) -> State {
        loop {
            match self.orders.try_recv() {
                Ok(trouble) => self.turn(trouble),
                Err(TryRecvError::Empty) => return State::Served,
                Err(TryRecvError::Disconnected) => return State::Over,
            }
        }
    }

    fn turn(&mut self, trouble: Trouble) {
        let drawn = std::mem::take(&mut self.draws);
        self.draws = trouble
            .errors
            .iter()
            .map(|errors| {
                // What goes on draws on, and does not draw the same again.
                let before = drawn.iter().find(|(other, _)| other == errors);
                before.cloned().unwrap_or_else(|| (errors.clone(), Pcg64Mcg::seed_from_u64(errors.seed)))
            })
            .collect();
        self.trouble = trouble;
    }

    /// Takes all that the kernel asks at this moment.
    fn hear(&mut self, buffer: &mut [u8]) -> State {
        loop {
            match self.device.read(buffer) {
                Ok(count) => {
                    // What was ordered before this was asked holds for it.
                    if self.obey() == State::Over {
                        return State::Over;
                    }
                    if let Some(request) = Request::parse(&buffer[..count]) {
                        self.take(request);
                    }
                }
                Err(error) => match error.raw_os_error().map(Errno::from_raw) {
                    Some(Errno::EAGAIN) => return State::Served,
                    // A request that was taken back; a signal.
                    Some(Errno::ENOENT | Errno::EINTR) => {}
                    // ENODEV: unmounted.
                    _ => return State::Over,
                },
            }
        }
    }

    fn take(&mut self, request: Request) {
        match request.operation {
            // Whoever waits for it is to be ended or frozen: it is answered without delay.
            Operation::Interrupt => {
                let Ok(unique) = request.fields().u64() else { return };
                if self.busy.as_ref().is_some_and(|busy| busy.unique == unique) {
                    self.finish();
                } else if let Some(at) = self.waiting.iter().position(|waiting| waiting.unique == unique)
                    && let Some(waiting) = self.waiting.remove(at)
                {
                    let (_, answer) = self.perform(&waiting);
                    self.reply(&answer);
                }
            }
            operation if access(operation).is_some() => self.waiting.push_back(request),
            operation => {
                let outcome = self.mirror.serve(&request);
                if operation.is_answered() {
                    self.reply(&answer(request.unique, outcome));
                }
            }
        }
    }

    /// Answers what has taken its time, and begins what comes next.
    fn work(&mut self) {
        loop {
            if let Some(busy) = &self.busy {
                if self.due(busy) > Instant::now() {
                    return;
                }
                self.finish();
            }
            let Some(request) = self.waiting.pop_front() else { return };
            let began = Instant::now();
            let (bytes, answer) = self.perform(&request);
            self.busy = Some(Busy { unique: request.unique, began, bytes, answer });
        }
    }

    /// When an operation is over, as the disk is now.
    fn due(&self, busy: &Busy) -> Instant {
        let moving = self.trouble.rate.map_or(Duration::ZERO, |rate| rate.time_for(ByteSize::from_bytes(busy.bytes)));
        busy.began + self.trouble.delay + moving
    }

    fn finish(&mut self) {
        if let Some(busy) = self.busy.take() {
            self.reply(&busy.answer);
        }
    }

    /// Does an operation of the disk, unless it fails. Returns how many bytes it moves, and the answer.
    fn perform(&mut self, request: &Request) -> (u64, Vec<u8>) {
        let outcome = if self.fails(request.operation) { Err(Errno::EIO) } else { self.mirror.serve(request) };
        let bytes = match (request.operation, &outcome) {
            (Operation::Read, Ok(Body(bytes))) => bytes.len() as u64,
            (Operation::Write, Ok(_)) => request.fields().rest().len() as u64,
            _ => 0,
        };
        (bytes, answer(request.unique, outcome))
    }

    /// Whether an operation fails: each sort of errors has a say.
    fn fails(&mut self, operation: Operation) -> bool {
        let Some(access) = access(operation) else { return false };
        let mut fails = false;
        for (errors, draws) in self.draws.iter_mut().filter(|(errors, _)| errors.operations.contains(&access)) {
            // From 53 bits, as many as fit into the fraction.
            let drawn = (draws.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
            fails |= drawn < errors.share;
        }
        fails
    }

    fn reply(&mut self, answer: &[u8]) {
        // Nobody may be left who waits for it.
        let _ = self.device.write(answer);
    }
}

/// The sort of access to the disk that an operation is; `None`: it is none.
fn access(operation: Operation) -> Option<Access> {
    match operation {
        Operation::Read => Some(Access::Read),
        Operation::Write => Some(Access::Write),
        Operation::Sync | Operation::SyncFolder => Some(Access::Sync),
        _ => None,
    }
}
