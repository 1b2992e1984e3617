//! What the journal says when it is read back.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use bytes::Bytes;

use super::record::Record;
use super::segment::{self, Head, Standing};
use crate::dispatcher::core::ledger::Answer;

/// What is known from before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The client's session and the highest epoch.
    pub standing: Standing,
    /// Requests that were accepted and have no answer, with their inputs, by ticket.
    pub open: BTreeMap<u64, Bytes>,
    /// Answers that the client has not acknowledged, by ticket.
    pub answered: BTreeMap<u64, Answer>,
    /// What was damaged, in words.
    pub damage: Vec<String>,
    /// Bytes at the end that had not been written to the end.
    pub torn: usize,
    /// The number of the newest segment.
    pub newest: u64,
}

impl Recovered {
    /// Takes in the next record.
    pub fn take(&mut self, record: Record) {
        match record {
            Record::Epoch(epoch) => self.standing.epoch = self.standing.epoch.max(epoch),
            Record::Accepted { ticket, payload } => {
                self.answered.remove(&ticket);
                self.open.insert(ticket, payload);
            }
            Record::Answered { ticket, answer } => {
                self.open.remove(&ticket);
                self.answered.insert(ticket, answer);
            }
            Record::Settled { ticket } => {
                self.open.remove(&ticket);
                self.answered.remove(&ticket);
            }
        }
    }

    /// The records that say the same.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        let open =
            self.open.iter().map(|(ticket, payload)| Record::Accepted { ticket: *ticket, payload: payload.clone() });
        let answered = |(ticket, answer): (&u64, &Answer)| Record::Answered { ticket: *ticket, answer: answer.clone() };
        open.chain(self.answered.iter().map(answered))
    }

    fn begin(&mut self, head: &Head) {
        if head.fresh {
            (self.open, self.answered) = Default::default();
        }
        let epoch = self.standing.epoch.max(head.standing.epoch);
        self.standing = Standing { epoch, ..head.standing };
    }
}

/// Reads a folder's journal. One that is not there is empty.
///
/// # Errors
/// When the folder can't be read. A file that can't is told as damage.
pub fn recover(folder: &Path) -> io::Result<Recovered> {
    let mut recovered = Recovered::default();
    let segments = match segment::list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(recovered),
        segments => segments?,
    };
    let last = segments.last().map(|(number, _)| *number);
    for (number, path) in segments {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        recovered.newest = number;
        let bytes = match segment::load(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                recovered.damage.push(format!("{name} can't be read: {error}"));
                continue;
            }
        };
        match Head::decode(&bytes) {
            Some(head) if head.number == number => recovered.begin(&head),
            // It was being made when the process ended.
            _ if Some(number) == last && bytes.len() < segment::HEAD => {
                recovered.torn += bytes.len();
                continue;
            }
            _ => recovered.damage.push(format!("the head of {name} is damaged")),
        }
        let contents = segment::read(&bytes, number);
        for (offset, length) in contents.damaged {
            recovered.damage.push(format!("{length} bytes at {offset} of {name} are no record"));
        }
        match contents.torn {
            0 => {}
            torn if Some(number) == last => recovered.torn += torn,
            torn => recovered.damage.push(format!("the last {torn} bytes of {name} are no record")),
        }
        contents.records.into_iter().for_each(|record| recovered.take(record));
    }
    Ok(recovered)
}

/// Removes what a process left that ended while it made a fresh segment.
pub fn sweep(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|it| it == "new")) {
        // If it can't be removed, the next one of that name takes its place.
        let _ = fs::remove_file(path);
    }
}
