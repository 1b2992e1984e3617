//! The write-ahead journal: what the dispatcher has promised survives its process.
//!
//! It lies in the folder `journal` of the node's state folder: append-only **segments** ([`segment`]) of **records**
//! ([`record`]), each record its length, a CRC32 and what it says. Four kinds of things are remembered: the highest
//! epoch, accepted requests with their inputs, their answers, and which of these the client has acknowledged. A
//! segment is deleted when everything in it and in all older ones is settled; of more than [`writer::MOST`] segments of
//! [`writer::ROTATE`] bytes, what is unsettled in the oldest is written again. So the journal is never larger than
//! those, what is unsettled, and one batch.
//!
//! One thread writes. It takes all records that wait as one batch (**group commit**), calls `fdatasync` once if a
//! promise is among them, and only then tells the state machine, which only then says `Accepted` or begins the epoch. Nothing
//! else waits: a request goes into the pipeline, and its answer to the client, while its record is on the way to the disk.
//!
//! What the journal is told and what it says are outputs and inputs of the state machine
//! ([`Output::Record`](super::core::exchange::Output::Record), [`Input::Journaled`]); the machine calls nothing.
//!
//! # When it is read back
//!
//! A **torn tail** (what was being written when the process ended) is discarded: nothing in it was promised. A damaged
//! record in the middle is skipped and told, and everything behind it counts; what was in it comes again from its
//! client, which keeps each request until it is answered. Then a fresh segment is written that holds what
//! is known, and the older ones are deleted.
//!
//! # When the disk is full or fails
//!
//! The dispatcher goes on and promises less: it reports [`Event::JournalFailed`](crate::telemetry::Event), and `Accepted` carries
//! the reason, which tells the client that the request would not survive the dispatcher's end (the client would send it
//! again all the same). Every 5 s it tries to write a fresh segment with everything that is known; as soon as that
//! is on the disk, promises are full ones again. After a failed `fdatasync` nobody knows what is on the disk, so no file
//! is gone on with that ever failed.

pub mod record;
pub mod recovery;
pub mod segment;
pub mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use self::record::Record;
use self::recovery::Recovered;
use self::writer::{ROTATE, Writer};
use super::Happening;
use super::core::exchange::Input;

/// Most records that are written as one batch.
const BATCH: usize = 1024;

/// Something for the journal's thread to do.
#[derive(Debug)]
pub enum Job {
    /// Append a record.
    Append(Record),
    /// Begin anew with what is known.
    Begin(Box<Recovered>),
}

/// Where the journal of a node lies.
pub fn folder(state: &Path) -> PathBuf {
    state.join("journal")
}

/// A thread that writes the journal in `folder`. Each job has a mark, counted up; the main loop is told which are done.
///
/// # Errors
/// When no thread can be made.
pub(super) fn spawn(folder: PathBuf, sender: Sender<Happening>) -> io::Result<Sender<(u64, Job)>> {
    let (jobs, asked) = channel();
    let write = move || write(&folder, &asked, &sender);
    thread::Builder::new().name("journal".to_owned()).spawn(write)?;
    Ok(jobs)
}

fn write(folder: &Path, jobs: &Receiver<(u64, Job)>, sender: &Sender<Happening>) {
    let mut writer: Option<Writer> = None;
    while let Ok(first) = jobs.recv() {
        let batch: Vec<(u64, Job)> = [first].into_iter().chain(jobs.try_iter().take(BATCH)).collect();
        let last = batch.last().map_or(0, |(mark, _)| *mark);
        let mut failed = None;
        let mut records = Vec::new();
        for (_, job) in batch {
            match job {
                Job::Append(record) => records.push(record),
                Job::Begin(known) => {
                    // What came before is in what is known.
                    records.clear();
                    recovery::sweep(folder);
                    (writer, failed) = match Writer::begin(folder, &known, ROTATE) {
                        Ok(writer) => (Some(writer), None),
                        Err(error) => (None, Some(error)),
                    };
                }
            }
        }
        let appended = writer.as_mut().map(|writer| writer.append(&records));
        if let Some(Err(error)) = appended {
            (writer, failed) = (None, Some(error));
        }
        let input = match (failed, &writer) {
            (Some(error), _) => Input::JournalFailed { mark: last, reason: error.to_string() },
            (None, Some(_)) => Input::Journaled { mark: last },
            // As was told before: but whoever waits for these marks must hear of them.
            (None, None) => Input::JournalFailed { mark: last, reason: "it failed before".to_owned() },
        };
        if sender.send(Happening::Input(input)).is_err() {
            return;
        }
    }
}
