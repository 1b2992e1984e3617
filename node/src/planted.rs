//! Bugs that tests plant, to see that what must find them does. A program has the one that its own code asks
//! for by [`plant`], before it does anything else; `emu` and `emu-node` ask for none, and nothing that a user can say or set
//! makes them.
//!
//! Most show only once a plan was made anew, so that it takes a fault to bring them out.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::wire::codec::Tensor;

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// What was in the pipeline when its epoch ended is not sent again.
    DroppedReplay,
    /// A result that has come counts whatever epoch it is from.
    StaleEpoch,
    /// The client is given each result twice.
    DoubleDelivery,
    /// A stage changes one byte of its output.
    WrongTensor,
    /// A worker starts a process that does not end with it.
    LeakedProcess,
    /// A worker keeps memory and a file descriptor for each request.
    LeakedMemory,
}

impl Bug {
    /// All of them, each with its name.
    pub const ALL: [(&'static str, Bug); 6] = [
        ("dropped-replay", Bug::DroppedReplay),
        ("stale-epoch", Bug::StaleEpoch),
        ("double-delivery", Bug::DoubleDelivery),
        ("wrong-tensor", Bug::WrongTensor),
        ("leaked-process", Bug::LeakedProcess),
        ("leaked-memory", Bug::LeakedMemory),
    ];
}

static PLANTED: OnceLock<Bug> = OnceLock::new();

/// Gives this process a bug, for good.
pub fn plant(bug: Bug) {
    // The first stays.
    let _ = PLANTED.set(bug);
}

pub(crate) fn has(bug: Bug) -> bool {
    PLANTED.get() == Some(&bug)
}

/// Whether a bug that shows after the first plan does so in this epoch.
pub(crate) fn shows(bug: Bug, epoch: u32) -> bool {
    has(bug) && epoch > 1
}

pub(crate) fn spoil(epoch: u32, outputs: &mut [Tensor]) {
    if shows(Bug::WrongTensor, epoch) {
        for output in outputs {
            let mut bytes = output.data.to_vec();
            bytes.iter_mut().take(1).for_each(|byte| *byte ^= 1);
            output.data = bytes.into();
        }
    }
}

pub(crate) fn leak(epoch: u32) {
    if shows(Bug::LeakedProcess, epoch) {
        // In a group of its own it escapes the end of its parent's.
        let mut sleep = Command::new("sleep");
        let _ = sleep.arg("600").process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    }
}

pub(crate) fn hoard() {
    if has(Bug::LeakedMemory) {
        // Written to, or it is not resident.
        std::mem::forget(std::hint::black_box(vec![1_u8; 64 << 10]));
        std::mem::forget(std::fs::File::open("/dev/null"));
    }
}
